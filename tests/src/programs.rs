//! Programs that others wrote, such as `redis-cli`: found on the PATH, or installed from Debian's packages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// A program's path. Where it is missing, its Debian package is installed first, which takes root and `apt-get`.
///
/// # Panics
///
/// When it is missing and cannot be installed; the message says how to do it by hand.
#[must_use]
pub fn program(name: &str, package: &str) -> PathBuf {
    // One installation at a time; another test process that installs is waited for below.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    find(name)
        .or_else(|| {
            // The list of packages may be missing or old: it is fetched only where the installation fails without.
            let installed = install(package) || (apt_get(&["update"]) && install(package));
            find(name).filter(|_| installed)
        })
        .unwrap_or_else(|| {
            panic!("this test runs `{name}`, which is not installed: apt-get install {package}")
        })
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Servers are there, and not on everybody's PATH.
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

fn install(package: &str) -> bool {
    apt_get(&["install", "--yes", "--no-install-recommends", package])
}

fn apt_get(arguments: &[&str]) -> bool {
    if !Path::new("/usr/bin/apt-get").exists() {
        return false;
    }
    let status = Command::new("/usr/bin/apt-get")
        .args(["--quiet", "--option", "DPkg::Lock::Timeout=120"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Servers are installed to be started by the tests, each on a port of its own: not by the package.
        .env("RUNLEVEL", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
