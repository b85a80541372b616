//! Guests in Rust without the standard library, over real sockets: what such a guest has in its place, and what that saves.
#![allow(missing_docs)]

use wisted_tests::{End, Host};

fn bare() -> Host {
    Host::run("bare").flag("--memory-max", "2MiB").start()
}

#[test]
fn it_formats_allocates_and_keeps_time() {
    let host = bare();
    let mut client = host.connect();
    client.send("hello");
    assert_eq!(client.line(), "5 bytes received");
    client.send("allocate 20000");
    assert_eq!(client.line(), "20000 bytes");
    drop(client);
    host.finish();
}

/// Whether an instance ends when it is told to do this, says why, and no other does.
fn ends(command: &str, words: &[&str]) {
    let host = bare();
    let mut neighbour = host.connect();
    let mut client = host.connect();
    client.send(command);
    assert_eq!(client.rest().1, End::Reset, "{command}");
    host.wait_for_complaint(words);
    host.wait_for_complaint(&["unreachable"]);
    neighbour.send("hello");
    assert_eq!(neighbour.line(), "5 bytes received");
    drop(neighbour);
    host.finish();
}

#[test]
fn a_panic_says_where_and_why() {
    ends(
        "panic the sky falls",
        &["panicked at", "bare/src/lib.rs:", "the sky falls"],
    );
}

#[test]
fn a_long_panic_is_cut_between_characters() {
    let command = format!("panic {}", "ü".repeat(400));
    ends(&command, &["panicked at", "üüüü"]);
}

#[test]
fn a_panic_while_a_panic_is_displayed_ends_all_the_same() {
    ends("panic displaying", &["unreachable"]);
}

#[test]
fn an_allocation_that_fails_says_how_large_it_was() {
    ends("allocate 4000000", &["memory allocation of 4000000 bytes"]);
}
