//! What is measured, as files: builds the host and the guests with cargo; it must not know how they are run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

const TARGET: &str = "wasm32-wasip2";
/// What cargo has set for this bench: with it some build scripts take their crate for changed, and build it anew.
const OF_THE_OUTER_CARGO: [&str; 5] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_BIN_",
    "CARGO_CRATE_",
    "CARGO_PRIMARY_",
];

/// A guest that a scenario runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Guest {
    /// Writes back what it receives.
    Echo,
    /// Fetches pages and sleeps in its handler on `go`; writes back lines that begin with `echo `.
    Pages,
    /// Loops for ever on `do spin`; writes back lines that begin with `echo `.
    Hostile,
    /// Writes back what it receives, and may wait.
    Fiber,
    /// Writes back lines in upper case.
    Line,
    /// A Redis-compatible server.
    Resp,
    /// An HTTP/1.1 server.
    Http,
    /// No guest of this host's, but a command on WASI's sockets.
    Wasi,
}

impl Guest {
    /// The name of its package.
    pub fn name(self) -> &'static str {
        match self {
            Guest::Echo => "echo",
            Guest::Pages => "pages",
            Guest::Hostile => "hostile",
            Guest::Fiber => "fiber",
            Guest::Line => "line",
            Guest::Resp => "resp",
            Guest::Http => "http-server",
            Guest::Wasi => "wasi-peer",
        }
    }
}

/// The binaries of this crate, where cargo has put them.
#[derive(Clone, Debug, Default)]
pub struct Binaries {
    /// The baseline.
    pub native: PathBuf,
    /// The peer `tokio`.
    pub tokio: PathBuf,
    /// What runs the peer `wasi`.
    pub wasi_host: PathBuf,
    /// The host inside a process that counts its allocations.
    pub allocations: PathBuf,
}

/// The files, as far as the chosen scenarios need them.
#[derive(Default)]
pub struct Artifacts {
    binaries: Binaries,
    wisted: Option<PathBuf>,
    guests: Vec<(Guest, PathBuf)>,
}

impl Artifacts {
    /// Takes `binaries` as they are, and with any `guests` to run builds those and the host. `WISTED_BIN` (the binary) and
    /// `WISTED_GUESTS` (a folder of `echo.wasm`, …) replace what would be built.
    pub fn prepare(binaries: Binaries, guests: &[Guest]) -> Result<Artifacts> {
        let mut artifacts = Artifacts {
            binaries,
            ..Artifacts::default()
        };
        if guests.is_empty() {
            return Ok(artifacts);
        }
        artifacts.wisted = Some(match std::env::var_os("WISTED_BIN") {
            Some(path) => existing(PathBuf::from(path), "WISTED_BIN")?,
            None => build_host()?,
        });
        artifacts.guests = components(guests)?;
        Ok(artifacts)
    }

    /// The binaries of this crate.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// The host.
    pub fn wisted(&self) -> Result<&Path> {
        self.wisted
            .as_deref()
            .context("the host was not built for this run")
    }

    /// A guest's component.
    pub fn guest(&self, guest: Guest) -> Result<&Path> {
        let found = self.guests.iter().find(|(built, _)| *built == guest);
        found
            .map(|(_, path)| path.as_path())
            .with_context(|| format!("guest {} was not built", guest.name()))
    }
}

fn existing(path: PathBuf, variable: &str) -> Result<PathBuf> {
    ensure!(
        path.is_file(),
        "{variable}: there is no file {}",
        path.display()
    );
    path.canonicalize()
        .with_context(|| format!("{variable}: cannot resolve {}", path.display()))
}

fn build_host() -> Result<PathBuf> {
    let built = cargo_build(&["-p", "wisted", "--bin", "wisted"])?;
    // Build scripts are executables, too.
    let executable = built
        .iter()
        .filter(|message| message["target"]["name"] == "wisted")
        .find_map(|message| message["executable"].as_str());
    executable
        .map(PathBuf::from)
        .context("cargo built no binary `wisted`")
}

/// The guests' components, in this order: from the folder `WISTED_GUESTS`, or built.
pub fn components(guests: &[Guest]) -> Result<Vec<(Guest, PathBuf)>> {
    let Some(folder) = std::env::var_os("WISTED_GUESTS") else {
        return build_guests(guests);
    };
    let found = guests.iter().map(|&guest| {
        let file = Path::new(&folder).join(format!("{}.wasm", guest.name()));
        Ok((guest, existing(file, "WISTED_GUESTS")?))
    });
    found.collect()
}

/// One by one: built together, those without the standard library would get their dependencies with it.
fn build_guests(guests: &[Guest]) -> Result<Vec<(Guest, PathBuf)>> {
    add_target()?;
    let built = guests.iter().map(|&guest| Ok((guest, build_guest(guest)?)));
    built.collect()
}

fn build_guest(guest: Guest) -> Result<PathBuf> {
    let built = cargo_build(&["--target", TARGET, "-p", guest.name()])?;
    // A library's target has underscores where its package has dashes.
    let is_of_guest = |message: &&Value| {
        let name = message["target"]["name"].as_str();
        name.is_some_and(|name| name.replace('_', "-") == guest.name())
    };
    let mut files = built
        .iter()
        .filter(is_of_guest)
        .filter_map(|message| message["filenames"].as_array())
        .flatten();
    let wasm = files.find_map(|file| file.as_str().filter(|file| file.ends_with(".wasm")));
    let wasm =
        wasm.with_context(|| format!("cargo built no .wasm file of package {}", guest.name()))?;
    Ok(PathBuf::from(wasm))
}

/// Adds the guests' target to the workspace's toolchain. Without rustup there is nothing to add, and cargo will tell
/// what is missing.
fn add_target() -> Result<()> {
    let status = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(workspace())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if !status.success() => bail!("`rustup target add {TARGET}` failed ({status})"),
        _ => Ok(()),
    }
}

/// Runs `cargo build --release` and returns its messages about artifacts.
fn cargo_build(arguments: &[&str]) -> Result<Vec<Value>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--release",
            "--message-format=json-render-diagnostics",
        ])
        .args(arguments)
        .current_dir(workspace())
        .stderr(Stdio::inherit());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if OF_THE_OUTER_CARGO
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
    eprintln!("building: cargo build --release {}", arguments.join(" "));
    let output = command.output().context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "`cargo build --release {}` failed",
        arguments.join(" ")
    );
    let lines = output.stdout.split(|&byte| byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    Ok(messages
        .filter(|message| message["reason"] == "compiler-artifact")
        .collect())
}

/// The workspace's root folder.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
