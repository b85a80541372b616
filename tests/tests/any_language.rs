//! docs/any-language.md does what it says: its files are built and served as they stand there.
#![allow(missing_docs)]

use std::fs;

use wisted_tests::host::{self, Scratch};
use wisted_tests::{End, Host, workspace};

/// The first block of the page in this language.
fn block<'a>(page: &'a str, language: &str) -> &'a str {
    let start = format!("```{language}\n");
    let (_, rest) = page.split_once(&start).expect("such a block");
    rest.split_once("```").expect("its end").0
}

#[test]
fn a_guest_without_the_sdk() {
    let page = workspace::root().join("docs/any-language.md");
    let page = fs::read_to_string(page).expect("readable");
    let contract = fs::read(workspace::root().join("wit/reactor.wit")).expect("readable");
    let scratch = Scratch::new();
    let _ = scratch.file("bare/Cargo.toml", block(&page, "toml"));
    let _ = scratch.file("bare/src/lib.rs", block(&page, "rust"));
    let _ = scratch.file("bare/wit/reactor.wit", contract);
    let project = scratch.path().join("bare");
    // Compiling its dependencies for the first time takes longer than a host is waited for.
    let mut build = host::wisted(&["build".as_ref(), project.as_os_str()]);
    let built = build
        .env("CARGO_TARGET_DIR", workspace::projects())
        .output();
    let built = built.expect("wisted runs");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let host = Host::run_file(&project)
        .variable("CARGO_TARGET_DIR", workspace::projects())
        .start();
    let mut client = host.connect();
    assert_eq!(client.line(), "say something");
    assert_eq!(client.ask("hello"), "HELLO");
    client.finish_sending();
    assert_eq!(client.rest(), (Vec::new(), End::Closed));
    let _ = host.wait_for_log("the end", |record| {
        record.mentions(&["connection 1 is over", "Done"])
    });
    host.finish();
}
