//! `wisted run --watch`: a new build serves new connections, and whoever is connected stays on the old one.
#![allow(missing_docs)]

use std::cell::Cell;
use std::fs;
use std::path::Path;

use wisted_tests::host::{self, Scratch};
use wisted_tests::{Client, Host, workspace};

const ECHO: &str = include_str!("fixtures/echo.wat");
const CALL: &str = "(call $write (local.get $connection) (local.get $data) (local.get $length))";

/// An echo server that sends everything so many times.
fn echo(times: usize) -> String {
    assert!(ECHO.contains(CALL));
    ECHO.replace(CALL, &CALL.repeat(times))
}

/// As editors do it: whoever looks sees the old file or the new one.
fn replace(path: &Path, content: &str) {
    let aside = path.with_file_name(".aside");
    fs::write(&aside, content).expect("written");
    fs::rename(&aside, path).expect("renamed");
}

/// Waits until the host has said this so many times.
fn says(host: &Host, words: &str, times: usize) {
    // Each record is looked at once.
    let seen = Cell::new(0);
    let found = host.log().wait_for(|record| {
        seen.set(seen.get() + usize::from(record.mentions(&[words])));
        seen.get() >= times
    });
    assert!(
        found.is_some(),
        "{words:?} is not {times} times in:\n{}",
        host.log().tail()
    );
}

fn echoes(client: &mut Client, times: usize) {
    client.send("x");
    assert_eq!(client.receive(times), b"x".repeat(times));
    // Nothing more: the next answer follows at once.
    client.send("y");
    assert_eq!(client.receive(times), b"y".repeat(times));
}

fn new_connections_get_the_new_build(isolation: &str) {
    let scratch = Scratch::new();
    let guest = scratch.file("echo.wat", echo(1));
    let host = Host::run_file(&guest)
        .arg("--watch")
        .flag("--isolation", isolation)
        .flag("--reactors", "2")
        .start();
    let mut first = host.connect();
    echoes(&mut first, 1);
    replace(&guest, &echo(2));
    says(&host, "new connections get the new build", 1);
    let mut second = host.connect();
    echoes(&mut second, 2);
    echoes(&mut first, 1);

    replace(&guest, "(component");
    says(&host, "the old build goes on", 1);
    echoes(&mut host.connect(), 2);
    replace(&guest, &echo(3));
    says(&host, "new connections get the new build", 2);
    echoes(&mut first, 1);
    echoes(&mut second, 2);
    drop((first, second));
    host.finish();
}

#[test]
fn with_an_instance_for_each_connection() {
    new_connections_get_the_new_build("connection");
}

#[test]
fn with_one_instance_for_all() {
    new_connections_get_the_new_build("service");
}

#[test]
fn source_is_built_again() {
    let scratch = Scratch::new();
    let mut new = host::wisted(&["new", "parrot", "--lang", "rust"]);
    assert!(
        new.current_dir(scratch.path())
            .status()
            .expect("wisted runs")
            .success()
    );
    let project = scratch.path().join("parrot");
    // Compiling its dependencies for the first time takes longer than a host is waited for.
    let mut build = host::wisted(&["build".as_ref(), project.as_os_str()]);
    let built = build
        .env("CARGO_TARGET_DIR", workspace::projects())
        .status();
    assert!(built.expect("wisted runs").success());
    let host = Host::run_file(&project)
        .variable("CARGO_TARGET_DIR", workspace::projects())
        .arg("--watch")
        .start();
    let mut old = host.connect();
    old.check_echo("hello\n");
    let source = project.join("src/lib.rs");
    let text = fs::read_to_string(&source).expect("readable");
    replace(
        &source,
        &text.replace("transport.write(data)", "transport.write(data"),
    );
    says(&host, "the guest does not compile", 1);
    says(&host, "the old build goes on", 1);
    let upper = text.replace(
        "transport.write(data)",
        "transport.write(data.to_ascii_uppercase())",
    );
    replace(&source, &upper);
    says(&host, "new connections get the new build", 1);
    let is_new = (0..100).any(|_| host.connect().ask("hello") == "HELLO");
    assert!(is_new, "{}", host.log().tail());
    old.check_echo("hello\n");
    drop(old);
    host.finish();
}

#[test]
fn a_program_is_not_watched() {
    let guest = workspace::guest("kingslayer");
    let output = host::run(&["run".as_ref(), guest.as_os_str(), "--watch".as_ref()]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--watch makes no sense"), "{said}");
}
