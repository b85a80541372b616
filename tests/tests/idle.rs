//! What an idle connection with an instance of its own takes, for the languages whose guests are laid out to touch few pages.
#![allow(missing_docs)]

use std::path::Path;

use wisted_tests::host::{self, Builder, Scratch};
use wisted_tests::{Host, workspace};

const CONNECTIONS: u64 = 500;

/// Of an idle echo: RSS is counted to some 0.5 KiB for each of so many connections.
fn each_takes_less_than(max_kib: u64, echo: Builder) {
    let host = echo.flag("--reactors", "1").start();
    let connect = |count| {
        let connected = (0..count).map(|_| {
            let mut client = host.connect();
            client.check_echo([b'x'; 64]);
            client
        });
        connected.collect::<Vec<_>>()
    };
    let _first = connect(100);
    let before = host.memory_bytes();
    let _others = connect(CONNECTIONS);
    let each = (host.memory_bytes() - before) / CONNECTIONS;
    assert!(each < max_kib << 10, "{each} bytes");
}

fn built_echo_takes_less_than(max_kib: u64, language: &str) {
    let scratch = Scratch::new();
    let component = scratch.path().join("echo.wasm");
    let folder = workspace::root().join("guests").join(language).join("echo");
    let arguments = [Path::new("build"), &folder, Path::new("-o"), &component];
    let build = host::run(&arguments.map(Path::as_os_str));
    let said = String::from_utf8_lossy(&build.stderr);
    assert!(build.status.success(), "{said}");
    each_takes_less_than(max_kib, Host::run_file(&component));
}

/// Without the standard library: one page and what the host has for it.
#[test]
fn rust_takes_one_page() {
    each_takes_less_than(17, Host::run("echo"));
}

#[test]
fn c_takes_one_page() {
    built_echo_takes_less_than(20, "c");
}

#[test]
fn cpp_takes_three_pages() {
    built_echo_takes_less_than(28, "cpp");
}

#[test]
fn zig_takes_three_pages() {
    built_echo_takes_less_than(28, "zig");
}
