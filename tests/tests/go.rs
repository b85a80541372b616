//! Guests in Go: the SDK and the guests by their own tests, natively; what Go's runtime needs of its host; and what is
//! said of guests that are wrong.
#![allow(missing_docs)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use wisted_tests::host::{self, Scratch};
use wisted_tests::{Client, Host, workspace};

const GUESTS: [&str; 5] = ["echo", "pages", "chat", "kingslayer", "conformance"];

/// The guest that puts the runtime to the test, built. Beside it is then the script that runs Go.
fn strain() -> &'static Path {
    static STRAIN: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = workspace::root().join("tests/runtimes/go");
        let component = folder.join(".wisted/build/go.wasm");
        succeeds(&["build".as_ref(), folder.as_os_str()]);
        // Into the cache: for so large a component it takes longer than a host is waited for, on a busy machine.
        succeeds(&["compile".as_ref(), component.as_os_str()]);
        component
    });
    &STRAIN
}

fn succeeds(arguments: &[&OsStr]) {
    let output = host::wisted(arguments).output().expect("wisted runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Runs Go's own tools in a folder of this workspace.
fn go_passes(folder: &str, arguments: &[&str]) {
    let script = strain().with_file_name("../go");
    let mut go = workspace::command(script.to_str().expect("UTF-8"));
    let output = go
        .args(arguments)
        .current_dir(workspace::root().join(folder))
        .output()
        .expect("go runs");
    assert!(
        output.status.success(),
        "go {arguments:?} in {folder} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_sdk_passes_its_tests() {
    go_passes("guest-sdk/go", &["vet", "./..."]);
    go_passes("guest-sdk/go", &["test", "./..."]);
}

#[test]
fn the_guests_pass_their_tests() {
    for guest in GUESTS {
        go_passes(&format!("guests/go/{guest}"), &["vet", "."]);
        go_passes(&format!("guests/go/{guest}"), &["test", "."]);
    }
}

/// With wasmtime's own adapter it would trap: the collector asks for the time while the host allocates (wasmtime issue
/// 14318).
#[test]
fn collecting_hurts_nobody() {
    let host = Host::run_file(strain())
        .config("key", &"value".repeat(1000))
        .start();
    let mut client = host.connect();
    let allocate = |client: &mut Client, times: u32| {
        for number in 0..times {
            assert_eq!(
                client.ask(&format!("allocate {number}\n")).trim_end(),
                format!("allocated {number}")
            );
        }
    };
    allocate(&mut client, 500);
    let before = host.memory_bytes();
    allocate(&mut client, 2000);
    let collections: u32 = client.ask("collections\n").trim_end().parse().unwrap();
    assert!(collections > 20, "{collections} collections prove nothing");
    let grown = host.memory_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more");
    drop(client);
    host.finish();
}

#[test]
fn goroutines_run_while_a_handler_runs() {
    let host = Host::run_file(strain()).start();
    let mut client = host.connect();
    assert_eq!(client.ask("go\n").trim_end(), "from the handler");
    assert_eq!(client.line().trim_end(), "from a goroutine");
    assert_eq!(client.ask("go-sleep\n").trim_end(), "asleep");
    // The sleeper's time is over, and it is told so when the next handler waits.
    assert_eq!(client.ask("sleep\n").trim_end(), "before");
    assert_eq!(client.line().trim_end(), "woken");
    assert_eq!(client.line().trim_end(), "true true");
    drop(client);
    host.finish();
}

#[test]
fn the_system_is_real_and_denied() {
    let host = Host::run_file(strain()).start();
    let mut client = host.connect();
    let date: u64 = client.ask("date\n").trim_end().parse().unwrap();
    assert!(date > 1_700_000_000, "{date}");
    let keys = [client.ask("random\n"), client.ask("random\n")];
    assert!(
        keys[0] != keys[1]
            && keys[0].trim_end().len() == 26
            && keys[0].trim_end() != "0".repeat(26)
    );
    let denied = "open /etc/passwd: Capabilities insufficient 0 0";
    assert_eq!(client.ask("open\n").trim_end(), denied);
    client.send("print words\n");
    host.wait_for_log("what was printed", |record| {
        record.level() == "INFO" && record.message() == "printed words"
    });
    host.wait_for_log("what was printed to standard error", |record| {
        record.level() == "WARN" && record.message() == "to standard error"
    });
    drop(client);
    host.finish();
}

#[test]
fn panics_and_deadlocks_are_in_the_log() {
    let host = Host::run_file(strain()).start();
    for (command, words) in [
        ("go-panic\n", "panic: out of a goroutine"),
        ("deadlock\n", "all goroutines are asleep - deadlock!"),
    ] {
        let mut client = host.connect();
        client.send(command);
        client.wait_for_end();
        host.wait_for_complaint(&[words]);
        host.wait_for_complaint(&["the guest failed in data-received"]);
    }
    let _ = host.connect().ask("date\n");
    host.terminate();
}

/// Writes a guest that uses this workspace's SDK, and returns what its build says.
fn build_says(main: &str) -> String {
    let scratch = Scratch::new();
    let sdk = workspace::root().join("guest-sdk/go");
    let manifest = format!(
        "module wrong\ngo 1.24\nrequire wisted.dev/wisted v0.0.0\nreplace wisted.dev/wisted => {}\n",
        sdk.display()
    );
    let _ = scratch.file("go.mod", manifest);
    let _ = scratch.file("main.go", main);
    let output = host::wisted(&["build".as_ref(), scratch.path().as_os_str()]).output();
    let output = output.expect("wisted runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && !said.contains("panicked"),
        "{said}"
    );
    said
}

#[test]
fn what_is_wrong_with_a_guest_is_said() {
    for (main, words) in [
        ("package main\nfunc main() { oops }\n", "main.go:2:15"),
        ("package library\n", "requires exactly one main package"),
        (
            "package main\nfunc main() {}\n",
            "has to call server.Run or program.Run",
        ),
    ] {
        let said = build_says(main);
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
}
