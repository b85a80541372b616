//! `wisted new` and `wisted build`: a project that is made builds, passes its test and serves, by the commands that are
//! printed.
#![allow(missing_docs)]

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use wisted_tests::host::{self, Scratch};
use wisted_tests::{Host, workspace};

/// Runs `wisted` in a folder, and returns whether it succeeds and what it says.
fn wisted(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = host::wisted(arguments).current_dir(folder).output();
    let output = output.expect("wisted runs");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[track_caller]
fn fails(folder: &Path, arguments: &[&str], words: &[&str]) {
    let (success, said) = wisted(folder, arguments);
    assert!(!success && !said.contains("panicked"), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
}

/// The commands that `wisted new` prints, in order: each indented line.
fn commands(said: &str) -> Vec<&str> {
    said.lines()
        .filter_map(|line| line.strip_prefix("  "))
        .collect()
}

/// Makes a project, runs the test command that is printed, and serves it.
fn new_project_works(language: &str) {
    let scratch = Scratch::new();
    let (success, said) = wisted(scratch.path(), &["new", "parrot", "--lang", language]);
    assert!(success, "{said}");
    let commands = commands(&said);
    assert!(commands.len() <= 3, "{said}");
    assert_eq!(
        (commands[0], *commands.last().expect("some")),
        ("cd parrot", "wisted run .")
    );
    let project = scratch.path().join("parrot");
    for command in &commands[1..commands.len() - 1] {
        let mut test = workspace::command("sh");
        test.args(["-c", command])
            .current_dir(&project)
            .env("CARGO_TARGET_DIR", workspace::projects())
            .env("WISTED_TOOLCHAINS", workspace::toolchains())
            .env("PATH", path_with_wisted());
        passes(test, command);
    }
    let wisted_passes = |arguments: &[&str]| {
        let mut wisted = host::wisted(arguments);
        wisted
            .current_dir(&project)
            .env("CARGO_TARGET_DIR", workspace::projects());
        passes(wisted, &format!("wisted {}", arguments.join(" ")));
    };
    // Compiling its dependencies for the first time, and a large component, takes longer than a host is waited for.
    wisted_passes(&["compile", "."]);
    let host = Host::run_file(&project)
        .variable("CARGO_TARGET_DIR", workspace::projects())
        .start();
    host.connect().check_echo("from a new project\n");
    host.finish();
    if VECTORISING.contains(&language) {
        wisted_passes(&["build", ".", "-o", "parrot.wasm"]);
        let component = std::fs::read(project.join("parrot.wasm")).expect("built");
        assert!(may_use_simd(&component), "{language}");
    }
}

/// Whose compilers make SIMD of loops, if they may.
const VECTORISING: [&str; 4] = ["rust", "c", "cpp", "zig"];

/// By the section `target_features` of its module, which tool chains write.
fn may_use_simd(component: &[u8]) -> bool {
    let feature = b"+\x07simd128";
    component
        .windows(feature.len())
        .any(|bytes| bytes == feature)
}

/// The PATH of somebody who has installed `wisted`: a language's test may begin by having it install the tools.
fn path_with_wisted() -> OsString {
    let own = workspace::wisted().parent().map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = own.into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(folders).expect("no colons")
}

fn passes(mut command: Command, what: &str) {
    let output = command.output().expect("a shell");
    assert!(
        output.status.success(),
        "{what} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_new_project_in_rust() {
    new_project_works("rust");
}

#[test]
fn a_new_project_in_javascript() {
    new_project_works("javascript");
}

#[test]
fn a_new_project_in_typescript() {
    new_project_works("typescript");
}

#[test]
fn a_new_project_in_go() {
    new_project_works("go");
}

#[test]
fn a_new_project_in_c() {
    new_project_works("c");
}

#[test]
fn a_new_project_in_cpp() {
    new_project_works("cpp");
}

#[test]
fn a_new_project_in_zig() {
    new_project_works("zig");
}

#[test]
fn a_new_project_in_assemblyscript() {
    new_project_works("assemblyscript");
}

#[test]
fn a_new_project_in_python() {
    new_project_works("python");
}

#[test]
fn what_is_no_new_project() {
    let scratch = Scratch::new();
    let folder = scratch.path();
    let _ = scratch.file("full/file", "");
    let _ = scratch.file("taken", "");
    std::fs::create_dir(folder.join("empty")).expect("a folder");
    fails(
        folder,
        &["new", "full", "--lang", "rust"],
        &["full", "something in this folder"],
    );
    fails(
        folder,
        &["new", "taken", "--lang", "rust"],
        &["taken", "a file already"],
    );
    fails(
        folder,
        &["new", "../up", "--lang", "rust"],
        &["../up", "no name for a project"],
    );
    fails(
        folder,
        &["new", "fn", "--lang", "rust"],
        &["fn", "means something else"],
    );
    fails(
        folder,
        &["new", "parrot", "--lang", "cobol"],
        &["cobol", "there are: rust"],
    );
    fails(folder, &["new", "parrot"], &["--lang"]);
    assert!(wisted(folder, &["new", "empty", "--lang", "Rust"]).0);
    assert!(folder.join("empty/wisted-sdk/src/lib.rs").is_file());
}

#[test]
fn building_says_where_the_component_is() {
    let scratch = Scratch::new();
    let guest = workspace::root().join("guests/echo");
    let guest = guest.to_str().expect("UTF-8");
    let (success, said) = wisted(scratch.path(), &["build", guest, "-o", "echo.wasm"]);
    assert!(
        success && said.contains("echo.wasm (") && said.contains("KiB)"),
        "{said}"
    );
    let host = Host::run_file(&scratch.path().join("echo.wasm")).start();
    host.connect().check_echo("from a file\n");
    host.finish();
    let entries = std::fs::read_dir(scratch.path()).expect("a folder");
    assert_eq!(entries.count(), 1, "nothing is left but the component");
    fails(
        scratch.path(),
        &["build", guest, "-o", "."],
        &["this is a folder"],
    );
    fails(
        scratch.path(),
        &["build", "nowhere"],
        &["nowhere", "no such folder"],
    );
    fails(
        scratch.path(),
        &["build", "."],
        &["no guest to build here", "Cargo.toml (Rust)"],
    );
}
