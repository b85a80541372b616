//! A guest in JavaScript or TypeScript becomes a component, through esbuild, tsc and componentize-qjs from npm. It must
//! not know of other languages.
//!
//! What drives these tools is itself JavaScript, `javascript/build.mjs`: they are libraries more than programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use serde_json::Value;

use super::componentize::CONTRACT;
use super::npm::{self, MANIFEST, NODE};
use super::process::{absolute, command};
use super::{BuildError, Progress, Toolchains, output_folder};

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
    let status = node.status().map_err(npm::not_run)?;
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
struct Guest {
    name: String,
    /// The main module, from the folder.
    main: String,
}

impl Guest {
    fn of(folder: &Path) -> Result<Self, BuildError> {
        let wrong = |problem| BuildError::Guest {
            folder: folder.to_owned(),
            problem,
        };
        let package = npm::manifest(folder)?;
        let main = main_of(&package).map_err(wrong)?;
        if !folder.join(main).is_file() {
            return Err(wrong(format!(
                "{MANIFEST} says that the main module is {main}, and there is no such file"
            )));
        }
        Ok(Self {
            name: npm::file_name(&package, folder),
            main: main.to_owned(),
        })
    }
}

/// A guest's main module. The error is what package.json lacks.
fn main_of(package: &Value) -> Result<&str, String> {
    let depends = |kind: &str| package[kind].get(SDK_NAME).is_some();
    if !depends("dependencies") && !depends("devDependencies") {
        return Err(npm::no_guest(SDK_NAME));
    }
    let main = package["main"].as_str();
    main.ok_or_else(|| {
        format!(
            "{MANIFEST} doesn't say which module to begin with; add \"main\": \"main.js\", or a .ts file"
        )
    })
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

/// The SDK's package.
const SDK_NAME: &str = "wisted";
const TOOLCHAIN: &str = "javascript";
const DRIVER: &str = include_str!("javascript/build.mjs");
const PACKAGE: &str = include_str!("javascript/package.json");
const LOCK: &str = include_str!("javascript/package-lock.json");

#[cfg(test)]
mod tests;
