//! A guest in Zig becomes a component, through the `zig` command and nothing else: the SDK for Zig has the canonical
//! ABI by hand. It must not know of other languages.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::process::{absolute, command};
use super::ziglang::{self, VERSION};
use super::{BuildError, Progress, Toolchains, compiled, output_folder, write_component};

/// Builds the package in a folder with its own build.zig. The `zig` on the PATH does it if it fits, or else one from
/// PyPI. What is wrong with the sources it says itself, on standard error.
pub(super) fn build(
    folder: &Path,
    toolchains: &Toolchains,
    progress: Progress<'_>,
) -> Result<PathBuf, BuildError> {
    let zig = match installed_zig(folder) {
        true => ZIG.into(),
        false => ziglang::installed(toolchains, progress)?.program,
    };
    let output = output_folder(folder)?;
    let prefix = output.join("zig");
    // What an earlier build has left there, under another name, is not what is wanted.
    match std::fs::remove_dir_all(&prefix) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            return Err(BuildError::Io {
                path: prefix,
                source,
            });
        }
        _ => {}
    }
    progress("building the guest with zig build");
    compile(folder, &zig, &prefix)?;
    let core = only_module(folder, &prefix.join("bin"))?;
    let path = output.join(core.file_name().unwrap_or_default());
    write_component(folder, &core, path)
}

/// Whether the `zig` on the PATH has the version that the SDK was tested with: the language still changes with each.
fn installed_zig(folder: &Path) -> bool {
    let output = command(folder, ZIG).arg("version").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == VERSION)
}

fn compile(folder: &Path, zig: &Path, prefix: &Path) -> Result<(), BuildError> {
    let run = command(folder, zig)
        .args(["build", "--prefix"])
        .arg(absolute(prefix))
        // Standard output is the component's path, for whoever asked for the build.
        .stdout(Stdio::null())
        .status();
    let status = run.map_err(|source| BuildError::Io {
        path: zig.to_owned(),
        source,
    })?;
    compiled(folder, "zig build", status)
}

/// The module that was installed.
fn only_module(folder: &Path, installed: &Path) -> Result<PathBuf, BuildError> {
    let entries = std::fs::read_dir(installed).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut modules: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "wasm"))
        .collect();
    match (modules.pop(), modules.pop()) {
        (Some(module), None) => Ok(module),
        (found, _) => Err(BuildError::Guest {
            folder: folder.to_owned(),
            problem: format!(
                "zig build has installed {} .wasm file; a guest's build.zig calls addGuest of the package wisted, once",
                if found.is_some() {
                    "more than one"
                } else {
                    "no"
                }
            ),
        }),
    }
}

const ZIG: &str = "zig";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_module_is_the_guest() {
        let folder = std::env::temp_dir().join(format!("wisted-zig-{}", std::process::id()));
        let problem = |folder: &Path| only_module(folder, folder).unwrap_err().to_string();
        assert!(problem(&folder).contains("no .wasm file"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.wasm"), "").unwrap();
        std::fs::write(folder.join("a.txt"), "").unwrap();
        assert!(only_module(&folder, &folder).unwrap().ends_with("a.wasm"));
        std::fs::write(folder.join("b.wasm"), "").unwrap();
        assert!(problem(&folder).contains("more than one .wasm file"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
