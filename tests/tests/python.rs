//! The SDK and the guests in Python by their own tests, natively. They need Python 3.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};

use wisted_tests::workspace;

/// Runs the unit tests in a folder, which must have some.
fn own_tests_pass(folder: &Path) {
    let output = workspace::command("python3")
        .args(["-m", "unittest", "discover"])
        .current_dir(folder)
        .env("PYTHONPATH", sdk().join("src"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap_or_else(|error| panic!("python3: {error}; the tests need Python 3"));
    // Without any tests Python before 3.12 is content.
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("\nRan ") && !said.contains("\nRan 0 tests"),
        "{}: {said}{}",
        folder.display(),
        String::from_utf8_lossy(&output.stdout)
    );
}

fn sdk() -> PathBuf {
    workspace::root().join("guest-sdk/python")
}

#[test]
fn the_sdk_passes_its_tests() {
    own_tests_pass(&sdk());
}

#[test]
fn the_guests_pass_their_tests() {
    let guests = workspace::root().join("guests/python");
    let entries = std::fs::read_dir(guests).expect("guests in Python");
    let folders = entries.map(|entry| entry.expect("readable").path());
    let guests: Vec<_> = folders.filter(|folder| folder.is_dir()).collect();
    assert!(guests.len() >= 5, "{guests:?}");
    for guest in guests {
        own_tests_pass(&guest);
    }
}
