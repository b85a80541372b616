//! Tools as child processes: the environment that they get, and what is said when they are missing or fail. It must not
//! know what any tool is for.

use std::ffi::OsStr;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// What became of a tool that ran to its end, without its output on the way.
pub(super) enum Ran {
    Well,
    /// There is no such program.
    Missing,
    /// It failed, and said this on standard output and standard error.
    Failed(ExitStatus, String),
}

/// Runs a tool quietly. For those that say much of no interest unless they fail; then see [`show`].
///
/// # Errors
///
/// When it cannot be started, for another reason than that it isn't there.
pub(super) fn run_quietly(command: &mut Command) -> std::io::Result<Ran> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(Ran::Well),
        Ok(output) => {
            let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
            said += &String::from_utf8_lossy(&output.stderr);
            Ok(Ran::Failed(output.status, said))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Ran::Missing),
        Err(error) => Err(error),
    }
}

/// Shows what a tool has said before it failed, as if it had been typed.
pub(super) fn show(said: &str) {
    // Nothing is lost but the details of an error when stderr is closed.
    let _ = writeln!(std::io::stderr(), "{}", said.trim_end());
}

/// A tool in a folder, with the environment that it would have had if it had been typed there.
pub(super) fn command(folder: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    let under_cargo = std::env::var_os("CARGO").is_some();
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| leaks(name, under_cargo)) {
            command.env_remove(name);
        }
    }
    command
}

/// A path for a tool that is run in another folder than this process.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Whether a variable belongs to a cargo that runs this very process (`cargo run`, `cargo test`), or to native code only.
/// People's own settings stay: `CARGO_HOME`, `CARGO_TARGET_DIR`, `CARGO_NET_…`, `RUSTC_WRAPPER` and the like.
fn leaks(name: &str, under_cargo: bool) -> bool {
    const SET_BY_CARGO: [&str; 9] = [
        "CARGO",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_TMPDIR",
        "CARGO_MAKEFLAGS",
        "OUT_DIR",
    ];
    // Flags for the machine's own processor or linker; with --target, cargo would give them to the guest. A guest's flags
    // are CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS, or stand in its .cargo/config.toml.
    const FOR_NATIVE_CODE: [&str; 3] = [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
    ];
    match name {
        // Rustup's cargo sets it for what it runs; it would override the folder's own toolchain file.
        "RUSTUP_TOOLCHAIN" => under_cargo,
        _ => {
            SET_BY_CARGO.contains(&name)
                || FOR_NATIVE_CODE.contains(&name)
                || name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_BIN_EXE_")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peoples_own_settings_stay() {
        assert!(
            leaks("CARGO_PKG_NAME", false)
                && leaks("RUSTFLAGS", false)
                && leaks("CARGO_MANIFEST_DIR", true)
        );
        assert!(
            !leaks("CARGO_HOME", true)
                && !leaks("CARGO_TARGET_DIR", true)
                && !leaks("RUSTUP_HOME", true)
        );
        assert!(!leaks("RUSTUP_TOOLCHAIN", false) && leaks("RUSTUP_TOOLCHAIN", true));
    }

    #[test]
    fn what_became_of_a_tool() {
        let folder = std::env::temp_dir();
        let run = |program: &str, script: &str| {
            run_quietly(command(&folder, program).args(["-c", script])).unwrap()
        };
        assert!(matches!(run("sh", "true"), Ran::Well));
        assert!(matches!(run("no-such-program-here", ""), Ran::Missing));
        let Ran::Failed(status, said) = run("sh", "echo one; echo two >&2; exit 3") else {
            panic!("it should fail");
        };
        assert_eq!((status.code(), said.as_str()), (Some(3), "one\ntwo\n"));
    }
}
