//! A guest in Rust becomes a component, through cargo and the target `wasm32-wasip2`. It must not know of other languages.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};

use serde_json::Value;

use super::process::command;
use super::{BuildError, Progress, Toolchains};

/// The target whose linker makes components.
const TARGET: &str = "wasm32-wasip2";

/// Builds a crate. Rust comes from rustup, not from the project's toolchains. Cargo's messages go straight to standard error,
/// so that its progress bar shows on a terminal.
pub(super) fn build(
    folder: &Path,
    _toolchains: &Toolchains,
    progress: Progress<'_>,
) -> Result<PathBuf, BuildError> {
    Ok(Tools::from_path().build(folder, progress)?)
}

/// Why there is no component of a Rust crate. Each text says what to do next.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum RustError {
    #[error(
        "{}: {program} is not installed (or not on the PATH), and a Rust guest is built with it. Install Rust from \
         https://rustup.rs", folder.display()
    )]
    NoRust { folder: PathBuf, program: String },
    #[error(
        "{}: the Rust target {TARGET} is not installed, and there is no rustup to install it with. Install Rust from \
         https://rustup.rs, or this target's standard library as your Rust was installed", .0.display()
    )]
    NoRustup(PathBuf),
    #[error(
        "{}: the Rust target {TARGET} could not be downloaded. Run this once with a network: \
         rustup target add {TARGET}", .0.display()
    )]
    Offline(PathBuf),
    #[error(
        "{}: rustup could not install the Rust target {TARGET} ({status}); its own messages are above. By hand: \
         rustup target add {TARGET}", folder.display()
    )]
    TargetNotInstalled { folder: PathBuf, status: ExitStatus },
    #[error("{}: {program} failed: {message}", folder.display())]
    Tool {
        folder: PathBuf,
        program: String,
        message: String,
    },
    #[error(
        "{}: the crate {package} is no guest: its library must be built as a component. Add to its Cargo.toml:\n\n\
         [lib]\ncrate-type = [\"cdylib\"]", folder.display()
    )]
    NoCdylib { folder: PathBuf, package: String },
    #[error(
        "{}: this is a workspace without any guest. A guest is a crate with crate-type = [\"cdylib\"] in the [lib] of \
         its Cargo.toml", .0.display()
    )]
    NoGuestInWorkspace(PathBuf),
    #[error("{}: this is a workspace with several guests; name one:{}", folder.display(), listed(guests))]
    SeveralGuests {
        folder: PathBuf,
        guests: Vec<PathBuf>,
    },
    #[error("{}: the guest does not compile ({status}); the compiler's messages are above", folder.display())]
    Compile { folder: PathBuf, status: ExitStatus },
    #[error(
        "{}: cargo could not begin to build ({status}); its own messages are above. If it could not download a \
         dependency, run this once with a network: cargo fetch --target {TARGET}", folder.display()
    )]
    NotBegun { folder: PathBuf, status: ExitStatus },
    #[error("{}: cargo has built the crate and reported no .wasm file for it", .0.display())]
    NoArtifact(PathBuf),
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
}

fn listed(folders: &[PathBuf]) -> String {
    folders
        .iter()
        .map(|folder| format!("\n  {}", folder.display()))
        .collect()
}

/// The programs that a build runs. Tests put their own in place of them.
struct Tools {
    cargo: OsString,
    rustc: OsString,
    rustup: OsString,
}

/// A crate to build: its own folder, and its manifest as cargo spells it.
struct Guest {
    folder: PathBuf,
    manifest: PathBuf,
    name: String,
}

impl Tools {
    fn from_path() -> Self {
        Self {
            cargo: "cargo".into(),
            rustc: "rustc".into(),
            rustup: "rustup".into(),
        }
    }

    fn build(&self, folder: &Path, progress: Progress<'_>) -> Result<PathBuf, RustError> {
        let guest = self.find_guest(folder)?;
        if !self.has_target(&guest.folder)? {
            progress(&format!("installing the Rust target {TARGET}, once"));
            self.install_target(&guest.folder)?;
        }
        progress(&format!("building the guest {}", guest.name));
        self.compile(&guest)
    }

    /// Asks cargo what the folder holds. Before building: a workspace's other crates may not even compile for wasm.
    fn find_guest(&self, folder: &Path) -> Result<Guest, RustError> {
        let arguments = ["metadata", "--no-deps", "--format-version", "1"];
        let output = run(folder, &self.cargo, &arguments)?;
        let metadata: Value =
            serde_json::from_slice(&output.stdout).map_err(|error| RustError::Tool {
                folder: folder.to_owned(),
                program: "cargo metadata".to_owned(),
                message: error.to_string(),
            })?;
        let manifest =
            folder
                .join("Cargo.toml")
                .canonicalize()
                .map_err(|source| RustError::Io {
                    path: folder.join("Cargo.toml"),
                    source,
                })?;
        let packages = metadata["packages"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        if let Some(package) = packages
            .iter()
            .find(|package| manifest_of(package) == manifest)
        {
            let name = package["name"].as_str().unwrap_or("?").to_owned();
            if !is_guest(package) {
                return Err(RustError::NoCdylib {
                    folder: folder.to_owned(),
                    package: name,
                });
            }
            return Ok(Guest {
                folder: folder.to_owned(),
                manifest: manifest_of(package),
                name,
            });
        }
        let mut guests = packages
            .iter()
            .filter(|package| is_guest(package))
            .map(|package| {
                let manifest = manifest_of(package);
                Guest {
                    folder: manifest
                        .parent()
                        .map_or_else(|| folder.to_owned(), Path::to_owned),
                    manifest,
                    name: package["name"].as_str().unwrap_or("?").to_owned(),
                }
            });
        match (guests.next(), guests.next()) {
            (None, _) => Err(RustError::NoGuestInWorkspace(folder.to_owned())),
            (Some(guest), None) => Ok(guest),
            (Some(first), Some(second)) => {
                let guests = [first, second]
                    .into_iter()
                    .chain(guests)
                    .map(|guest| guest.folder)
                    .collect();
                Err(RustError::SeveralGuests {
                    folder: folder.to_owned(),
                    guests,
                })
            }
        }
    }

    /// Asks the compiler that the folder's toolchain file selects: another one's targets say nothing.
    fn has_target(&self, folder: &Path) -> Result<bool, RustError> {
        let output = run(
            folder,
            &self.rustc,
            &["--print", "target-libdir", "--target", TARGET],
        )?;
        let libraries = String::from_utf8_lossy(&output.stdout);
        Ok(Path::new(libraries.trim_end()).is_dir())
    }

    fn install_target(&self, folder: &Path) -> Result<(), RustError> {
        let mut child = match command(folder, &self.rustup)
            .args(["target", "add", TARGET])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
        {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(RustError::NoRustup(folder.to_owned()));
            }
            Err(source) => {
                return Err(RustError::Io {
                    path: self.rustup.clone().into(),
                    source,
                });
            }
        };
        let mut offline = false;
        for line in child
            .stderr
            .take()
            .into_iter()
            .flat_map(|stderr| BufReader::new(stderr).lines())
        {
            let Ok(line) = line else { break };
            offline |= tells_of_no_network(&line);
            // Nothing is lost but a progress line when stderr is closed.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
        let status = child.wait().map_err(|source| RustError::Io {
            path: self.rustup.clone().into(),
            source,
        })?;
        match status.success() {
            true => Ok(()),
            false if offline => Err(RustError::Offline(folder.to_owned())),
            false => Err(RustError::TargetNotInstalled {
                folder: folder.to_owned(),
                status,
            }),
        }
    }

    fn compile(&self, guest: &Guest) -> Result<PathBuf, RustError> {
        let io = |source| RustError::Io {
            path: self.cargo.clone().into(),
            source,
        };
        let mut child = command(&guest.folder, &self.cargo)
            .args(["build", "--release", "--lib", "--target", TARGET])
            .arg("--message-format=json-render-diagnostics")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(io)?;
        let mut component = None;
        let mut begun = false;
        for line in child
            .stdout
            .take()
            .into_iter()
            .flat_map(|stdout| BufReader::new(stdout).lines())
        {
            let Ok(message) = serde_json::from_str::<Value>(&line.map_err(io)?) else {
                continue;
            };
            // Cargo says nothing at all when it fails before the first compiler is started.
            begun = true;
            component = artifact(&message, &guest.manifest).or(component);
        }
        let status = child.wait().map_err(io)?;
        let folder = guest.folder.clone();
        match status.success() {
            true => component.ok_or(RustError::NoArtifact(folder)),
            false if begun => Err(RustError::Compile { folder, status }),
            false => Err(RustError::NotBegun { folder, status }),
        }
    }
}

/// The component in one of cargo's messages, if it is this guest's.
fn artifact(message: &Value, manifest: &Path) -> Option<PathBuf> {
    let is_ours = message["reason"] == "compiler-artifact"
        && manifest_of(message) == manifest
        && has_kind(&message["target"], "cdylib");
    let files = message["filenames"].as_array().filter(|_| is_ours)?;
    let component = files.iter().filter_map(Value::as_str).map(Path::new);
    component
        .into_iter()
        .find(|file| file.extension() == Some(OsStr::new("wasm")))
        .map(Path::to_owned)
}

fn manifest_of(value: &Value) -> PathBuf {
    let path = PathBuf::from(value["manifest_path"].as_str().unwrap_or_default());
    // Cargo reports the path as it got there, symbolic links included.
    path.canonicalize().unwrap_or(path)
}

fn is_guest(package: &Value) -> bool {
    package["targets"]
        .as_array()
        .is_some_and(|targets| targets.iter().any(|target| has_kind(target, "cdylib")))
}

fn has_kind(target: &Value, kind: &str) -> bool {
    target["kind"]
        .as_array()
        .is_some_and(|kinds| kinds.iter().any(|candidate| candidate == kind))
}

fn tells_of_no_network(line: &str) -> bool {
    [
        "could not download",
        "error sending request",
        "failed to lookup",
        "dns error",
        "Network is unreachable",
    ]
    .iter()
    .any(|sign| line.contains(sign))
}

/// Runs a tool that answers on stdout; what it says on stderr becomes the error's text.
fn run(folder: &Path, program: &OsStr, arguments: &[&str]) -> Result<Output, RustError> {
    let output = match command(folder, program).args(arguments).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let program = Path::new(program)
                .file_name()
                .unwrap_or(program)
                .to_string_lossy()
                .into_owned();
            return Err(RustError::NoRust {
                folder: folder.to_owned(),
                program,
            });
        }
        Err(source) => {
            return Err(RustError::Io {
                path: program.into(),
                source,
            });
        }
    };
    if output.status.success() {
        return Ok(output);
    }
    Err(RustError::Tool {
        folder: folder.to_owned(),
        program: format!("{} {}", Path::new(program).display(), arguments[0]),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

#[cfg(test)]
mod tests;
