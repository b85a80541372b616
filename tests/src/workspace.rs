//! Builds the host's binary and the guests, once for each test process, with the cargo that runs the tests.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

const WASM_TARGET: &str = "wasm32-wasip2";

/// The workspace's root folder.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the workspace")
        .to_owned()
}

/// Where cargo builds, and the profile: the folders that this very test was started from.
fn target() -> (PathBuf, String) {
    let test = std::env::current_exe().expect("the test's own path");
    let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    let name = profile
        .file_name()
        .expect("a profile's folder")
        .to_string_lossy()
        .into_owned();
    (
        profile.parent().expect("the target folder").to_owned(),
        name,
    )
}

/// What the compiled guests of all test runs are cached in.
#[must_use]
pub fn cache() -> PathBuf {
    target().0.join("test-cache")
}

/// Where the tools of other languages are installed, once for all test runs.
#[must_use]
pub fn toolchains() -> PathBuf {
    target().0.join("toolchains")
}

/// Where cargo builds projects outside of this workspace: their dependencies are compiled once and not in every test run.
#[must_use]
pub fn projects() -> PathBuf {
    target().0.join("test-projects")
}

/// The `wisted` binary, of the same profile as this test.
#[must_use]
pub fn wisted() -> &'static Path {
    static WISTED: LazyLock<PathBuf> = LazyLock::new(|| {
        let (target, profile) = target();
        // The folder of cargo's profile `dev` is called `debug`.
        let profile = if profile == "debug" { "dev" } else { &profile };
        build(
            // The whole workspace's features, and, for the sake of a test, those of what only tests depend on: so
            // `cargo test --workspace` has built the dependencies, and with others many would be built once more.
            &[
                "--workspace",
                "--bin",
                "wisted",
                "--test",
                "architecture",
                "--profile",
                profile,
            ],
            |message| {
                let is_ours = message["target"]["name"] == "wisted";
                let file = message["executable"].as_str().filter(|_| is_ours)?;
                Some(PathBuf::from(file))
            },
        )
        .unwrap_or_else(|| panic!("cargo built no wisted in {}", target.display()))
    });
    &WISTED
}

/// A guest of this workspace as a component.
#[must_use]
pub fn guest(name: &str) -> PathBuf {
    static GUESTS: LazyLock<Mutex<HashMap<String, PathBuf>>> = LazyLock::new(Mutex::default);
    let mut guests = GUESTS.lock().unwrap_or_else(PoisonError::into_inner);
    if guests.is_empty() {
        install_wasm_target();
    }
    let built = guests.entry(name.to_owned()).or_insert_with(|| {
        build(
            &[
                "--package",
                name,
                "--lib",
                "--release",
                "--target",
                WASM_TARGET,
            ],
            |message| {
                // Cargo names a library as Rust does, without hyphens.
                let is_ours = message["target"]["name"] == name.replace('-', "_");
                let files = message["filenames"].as_array().filter(|_| is_ours)?;
                let mut files = files
                    .iter()
                    .filter_map(|file| file.as_str())
                    .map(PathBuf::from);
                files.find(|file| {
                    file.extension()
                        .is_some_and(|extension| extension == "wasm")
                })
            },
        )
        .unwrap_or_else(|| panic!("cargo built no component of {name}"))
    });
    built.clone()
}

/// Runs `cargo build`, and returns what `find` finds last in its messages.
fn build(
    arguments: &[&str],
    find: impl Fn(&serde_json::Value) -> Option<PathBuf>,
) -> Option<PathBuf> {
    let output = command("cargo")
        .args([
            "build",
            "--message-format=json-render-diagnostics",
            "--target-dir",
        ])
        .arg(target().0)
        .args(arguments)
        .stderr(std::process::Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo build {arguments:?} failed");
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .filter_map(|line| find(&serde_json::from_str(line).ok()?))
        .last()
}

fn install_wasm_target() {
    let libraries = command("rustc")
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .output()
        .expect("rustc runs");
    if !Path::new(String::from_utf8_lossy(&libraries.stdout).trim_end()).is_dir() {
        let status = command("rustup")
            .args(["target", "add", WASM_TARGET])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "rustup target add {WASM_TARGET} failed"
        );
    }
}

/// A tool in the workspace, without the variables that cargo has set for this test: some build scripts run anew when those
/// differ.
#[must_use]
pub fn command(program: &str) -> Command {
    const OF_THE_OUTER_CARGO: [&str; 6] = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
        "CARGO_PRIMARY_",
        "CARGO_TARGET_TMPDIR",
    ];
    let mut command = Command::new(program);
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name == "CARGO"
            || OF_THE_OUTER_CARGO
                .iter()
                .any(|prefix| name.starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
    command
}
