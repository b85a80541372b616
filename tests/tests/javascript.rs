//! The SDK and the guests in JavaScript by their own tests, natively; and what is said of guests that are wrong. It
//! needs Node.js.
#![allow(missing_docs)]

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use wisted_tests::host::{self, Scratch};
use wisted_tests::workspace;

/// Runs Node's test runner in a folder of this workspace.
fn own_tests_pass(folder: &str) {
    let folder = workspace::root().join(folder);
    let mut test = workspace::command("npm");
    passes(test.arg("test").current_dir(&folder), "npm test");
}

fn passes(command: &mut Command, what: &str) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{what}: {error}; the tests need Node.js and npm"));
    assert!(
        output.status.success(),
        "{what} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_sdk_passes_its_tests() {
    own_tests_pass("guest-sdk/javascript");
}

#[test]
fn the_guests_pass_their_tests() {
    let guests = "guests/javascript";
    let mut link = workspace::command("npm");
    link.args(["ci", "--offline", "--no-audit", "--no-fund"])
        .current_dir(workspace::root().join(guests));
    passes(&mut link, "npm ci");
    own_tests_pass(guests);
}

/// Writes a guest that uses this workspace's SDK, and returns what its build says.
fn build_says(files: &[(&str, &str)], main: &str) -> String {
    let scratch = Scratch::new();
    let sdk = workspace::root().join("guest-sdk/javascript");
    let package = format!(
        r#"{{ "name": "wrong", "type": "module", "main": {main:?}, "dependencies": {{ "wisted": "file:{}" }} }}"#,
        sdk.display()
    );
    let _ = scratch.file("package.json", &package);
    for (name, content) in files {
        let _ = scratch.file(name, content);
    }
    said(scratch.path())
}

fn said(folder: &Path) -> String {
    let arguments: [&OsStr; 2] = ["build".as_ref(), folder.as_ref()];
    let output = host::wisted(&arguments).output().expect("wisted runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it should not build:\n{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[track_caller]
fn has(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
}

const ECHO: &str =
    "import { Protocol } from 'wisted';\nexport default class Echo extends Protocol {}\n";

#[test]
fn wrong_syntax_is_shown_with_its_line() {
    let text = build_says(
        &[("main.js", "export default class {\n  oops(\n}\n")],
        "main.js",
    );
    has(
        &text,
        &["main.js:3:", "the guest does not compile (esbuild: "],
    );
}

#[test]
fn wrong_types_are_shown_with_their_line() {
    let config = r#"{ "compilerOptions": { "strict": true, "lib": ["es2024"], "types": [] }, "include": ["*.ts"] }"#;
    let main = format!("{ECHO}const length: number = 'text';\nvoid length;\n");
    let text = build_says(&[("tsconfig.json", config), ("main.ts", &main)], "main.ts");
    has(
        &text,
        &[
            "main.ts(3,7)",
            "'string' is not assignable to type 'number'",
            "(tsc: ",
        ],
    );
}

#[test]
fn what_fails_while_it_is_loaded_is_shown_with_its_line() {
    let main = format!("{ECHO}function broken() {{\n  throw new Error('no');\n}}\nbroken();\n");
    let text = build_says(&[("main.js", &main)], "main.js");
    has(
        &text,
        &[
            "at broken (main.js:4)",
            "at <anonymous> (main.js:6)",
            "(componentize-qjs: ",
        ],
    );
    assert!(
        !text.contains("wasm backtrace") && !text.contains("wisted-bundle"),
        "{text}"
    );
    let text = build_says(
        &[(
            "main.js",
            "import { config } from 'wisted';\nconfig.get('key');\n",
        )],
        "main.js",
    );
    has(&text, &["there is no host yet", "main.js:2"]);
    let text = build_says(&[("main.js", "export default 5;\n")], "main.js");
    has(&text, &["`export default` a class that extends Protocol"]);
}

#[test]
fn what_is_missing_is_named() {
    let text = build_says(&[("main.js", "import 'no-such-package';\n")], "main.js");
    has(&text, &["no-such-package", "main.js:1:"]);
    let text = build_says(&[], "main.js");
    has(&text, &["the main module is main.js", "no such file"]);
    let scratch = Scratch::new();
    let _ = scratch.file(
        "package.json",
        r#"{ "main": "main.js", "dependencies": { "wisted": "^1" } }"#,
    );
    let _ = scratch.file("main.js", ECHO);
    has(
        &said(scratch.path()),
        &["the package wisted (^1) is not there", "npm install"],
    );
}
