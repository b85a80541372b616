//! A guest in JavaScript or TypeScript becomes a component, through esbuild, tsc and componentize-qjs from npm. It must
//! not know of other languages.
//!
//! What drives these tools is itself JavaScript, `javascript/build.mjs`: they are libraries more than programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use serde_json::Value;

use super::componentize::CONTRACT;
use super::process::command;
use super::{BuildError, Progress, ToolchainError, Toolchains, output_folder};

/// Builds the package in a folder: bundles its main module, checks its types if there is a tsconfig.json, and makes the
/// component. What is wrong with the sources the tools say themselves, on standard error.
pub(super) fn build(
    folder: &Path,
    toolchains: &Toolchains,
    progress: Progress<'_>,
) -> Result<PathBuf, BuildError> {
    let guest = Guest::of(folder)?;
    let tools = toolchains.npm(TOOLCHAIN, PACKAGE, LOCK, progress)?;
    let output = output_folder(folder)?;
    for (file, content) in [("build.mjs", DRIVER), ("wit/reactor.wit", CONTRACT)] {
        write(&output.join(file), content)?;
    }
    progress(&format!("building the guest {}", guest.name));
    let component = output.join(format!("{}.wasm", guest.name));
    // The driver is run where the guest is; relative paths would mean something else to it.
    let mut node = command(folder, NODE);
    node.arg(absolute(&output.join("build.mjs")))
        .args([tools.as_path(), folder].map(absolute))
        .arg(&guest.main)
        .arg(absolute(&component))
        .stdout(Stdio::null());
    let status = node.status().map_err(not_run)?;
    if status.success() {
        return Ok(component);
    }
    Err(BuildError::Compile {
        folder: folder.to_owned(),
        tool: tool_of(status),
        status,
    })
}

/// What package.json says.
#[derive(Debug, PartialEq, Eq)]
struct Guest {
    name: String,
    /// The main module, from the folder.
    main: String,
}

impl Guest {
    fn of(folder: &Path) -> Result<Self, BuildError> {
        let path = folder.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(|source| BuildError::Io { path, source })?;
        let name = folder.canonicalize().ok();
        let name = name.as_deref().and_then(Path::file_name);
        let name = name.map_or_else(|| "guest".to_owned(), |name| name.display().to_string());
        let wrong = |problem| BuildError::Guest {
            folder: folder.to_owned(),
            problem,
        };
        let guest = Self::parse(&text, name).map_err(wrong)?;
        if folder.join(&guest.main).is_file() {
            return Ok(guest);
        }
        Err(wrong(format!(
            "{MANIFEST} says that the main module is {}, and there is no such file",
            guest.main
        )))
    }

    /// The error is a problem with what the file says.
    fn parse(text: &str, folder_name: String) -> Result<Self, String> {
        let package: Value = serde_json::from_str(text)
            .map_err(|error| format!("{MANIFEST} is no JSON: {error}"))?;
        let depends = |kind: &str| package[kind].get(SDK_NAME).is_some();
        if !depends("dependencies") && !depends("devDependencies") {
            return Err(format!(
                "{MANIFEST} is no guest's, for a guest depends on {SDK_NAME}; add \"dependencies\": {{ \"{SDK_NAME}\": \
                 \"file:FOLDER\" }}, with the folder of the SDK"
            ));
        }
        let Some(main) = package["main"].as_str() else {
            return Err(format!(
                "{MANIFEST} doesn't say which module to begin with; add \"main\": \"main.js\", or a .ts file"
            ));
        };
        Ok(Self {
            name: file_name(package["name"].as_str().unwrap_or(&folder_name)),
            main: main.to_owned(),
        })
    }
}

/// A package's name as a file's: without its scope, and without what file systems take amiss.
fn file_name(package: &str) -> String {
    let name = package.rsplit('/').next().unwrap_or(package);
    let sound = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    let name: String = name.chars().filter(|letter| sound(*letter)).collect();
    match name.trim_start_matches('.') {
        "" => "guest".to_owned(),
        name => name.to_owned(),
    }
}

fn not_run(source: std::io::Error) -> BuildError {
    match source.kind() {
        std::io::ErrorKind::NotFound => BuildError::Toolchain(ToolchainError::Missing {
            name: "Node.js".to_owned(),
            registry: "npm",
            program: NODE.to_owned(),
        }),
        _ => BuildError::Io {
            path: NODE.into(),
            source,
        },
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn write(path: &Path, content: &str) -> Result<(), BuildError> {
    // Another build of the same guest may be reading it.
    if fs::read(path).is_ok_and(|there| there == content.as_bytes()) {
        return Ok(());
    }
    let io = |source| BuildError::Io {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io)?;
    }
    fs::write(path, content).map_err(io)
}

/// The driver's exit codes tell which tool was not content.
fn tool_of(status: ExitStatus) -> &'static str {
    match status.code() {
        Some(2) => "tsc",
        Some(3) => "esbuild",
        Some(4) => "componentize-qjs",
        _ => NODE,
    }
}

const MANIFEST: &str = "package.json";
const NODE: &str = "node";
/// The SDK's package.
const SDK_NAME: &str = "wisted";
const TOOLCHAIN: &str = "javascript";
const DRIVER: &str = include_str!("javascript/build.mjs");
const PACKAGE: &str = include_str!("javascript/package.json");
const LOCK: &str = include_str!("javascript/package-lock.json");

#[cfg(test)]
mod tests;
