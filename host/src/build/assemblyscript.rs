//! A guest in AssemblyScript becomes a component, through the compiler `asc` from npm; a transform of the SDK gives its
//! exports the contract's names. It must not know of other languages.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::npm::{self, MANIFEST, NODE};
use super::process::{absolute, command};
use super::{BuildError, Progress, Toolchains, compiled, output_folder, write_component};

/// Builds the package in a folder as its asconfig.json says. What is wrong with the sources the compiler says itself,
/// on standard error.
pub(super) fn build(
    folder: &Path,
    toolchains: &Toolchains,
    progress: Progress<'_>,
) -> Result<PathBuf, BuildError> {
    let guest = Guest::of(folder)?;
    let tools = toolchains.npm("assemblyscript", PACKAGE, LOCK, progress)?;
    let output = output_folder(folder)?;
    let packages = output.join("packages");
    link(&guest.sdk, &packages.join(SDK_NAME))?;
    progress(&format!("building the guest {}", guest.name));
    let core = output.join(format!("{}.core.wasm", guest.name));
    compile(folder, &tools, &packages, &core)?;
    write_component(folder, &core, output.join(format!("{}.wasm", guest.name)))
}

/// What package.json says.
#[derive(Debug)]
struct Guest {
    name: String,
    /// The folder of the SDK.
    sdk: PathBuf,
}

impl Guest {
    fn of(folder: &Path) -> Result<Self, BuildError> {
        let wrong = |problem: String| BuildError::Guest {
            folder: folder.to_owned(),
            problem,
        };
        let package = npm::manifest(folder)?;
        let sdk = package["dependencies"][SDK_NAME].as_str();
        let Some(sdk) = sdk.and_then(|version| version.strip_prefix("file:")) else {
            return Err(wrong(npm::no_guest(SDK_NAME)));
        };
        let sdk = absolute(&folder.join(sdk));
        if !sdk.join(TRANSFORM).is_file() {
            return Err(wrong(format!(
                "{MANIFEST} says that {SDK_NAME} is in {}, and it is not there",
                sdk.display()
            )));
        }
        Ok(Self {
            name: npm::file_name(&package, folder),
            sdk,
        })
    }
}

/// Puts the SDK where the compiler looks for packages: nothing has to be installed in the guest's own folder.
fn link(sdk: &Path, place: &Path) -> Result<(), BuildError> {
    if fs::read_link(place).is_ok_and(|there| there == sdk) {
        return Ok(());
    }
    let io = |source| BuildError::Io {
        path: place.to_owned(),
        source,
    };
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).map_err(io)?;
    }
    match fs::remove_file(place) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    std::os::unix::fs::symlink(sdk, place).map_err(io)
}

fn compile(folder: &Path, tools: &Path, packages: &Path, core: &Path) -> Result<(), BuildError> {
    let run = command(folder, NODE)
        .arg(absolute(
            &tools.join("node_modules/assemblyscript/bin/asc.js"),
        ))
        .args(["--config", CONFIG, "--path"])
        .arg(absolute(packages))
        .arg("--transform")
        .arg(absolute(&packages.join(SDK_NAME).join(TRANSFORM)))
        .arg("-o")
        .arg(absolute(core))
        // Standard output is the component's path, for whoever asked for the build.
        .stdout(Stdio::null())
        .status();
    let status = run.map_err(npm::not_run)?;
    compiled(folder, "asc", status)
}

const CONFIG: &str = "asconfig.json";
const SDK_NAME: &str = "wisted-assemblyscript";
const TRANSFORM: &str = "transform.mjs";

/// npm's pins.
const PACKAGE: &str = include_str!("assemblyscript/package.json");
const LOCK: &str = include_str!("assemblyscript/package-lock.json");

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn everything_is_pinned() {
        let lock: Value = serde_json::from_str(LOCK).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        let mut installed = packages.iter().filter(|(name, _)| !name.is_empty());
        assert!(installed.all(|(_, package)| package["integrity"].is_string()));
        let version = |text: &str, kind: &str| -> Value {
            serde_json::from_str::<Value>(text).unwrap()[kind]["assemblyscript"].clone()
        };
        let sdk = include_str!("../../../guest-sdk/assemblyscript/package.json");
        assert_eq!(
            version(PACKAGE, "dependencies"),
            version(sdk, "devDependencies")
        );
    }

    #[test]
    fn what_is_no_guest() {
        let folder = std::env::temp_dir().join(format!("wisted-asc-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let problem = || Guest::of(&folder).unwrap_err().to_string();
        for (text, word) in [
            ("{}", "depends on wisted-assemblyscript"),
            (
                r#"{"dependencies": {"wisted-assemblyscript": "file:sdk"}}"#,
                "it is not there",
            ),
        ] {
            fs::write(folder.join(MANIFEST), text).unwrap();
            assert!(problem().contains(word), "{}", problem());
        }
        fs::create_dir_all(folder.join("sdk")).unwrap();
        fs::write(folder.join("sdk").join(TRANSFORM), "").unwrap();
        assert_eq!(Guest::of(&folder).unwrap().sdk, folder.join("sdk"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
