//! The SDKs and the guests in C and C++ by their own tests, natively; what is said of guests that are wrong; and what the C
//! library does in a guest. It needs a C and a C++ compiler.
#![allow(missing_docs)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use wisted_tests::host::{self, Scratch};
use wisted_tests::{Host, workspace};

/// Builds a guest, which installs the tools, and returns the folder that CMake is in.
static TOOLS: LazyLock<PathBuf> = LazyLock::new(|| {
    let scratch = Scratch::new();
    let guest = workspace::root().join("guests/c/echo");
    let output = scratch.path().join("echo.wasm");
    let arguments: [&OsStr; 4] = [
        "build".as_ref(),
        guest.as_ref(),
        "-o".as_ref(),
        output.as_ref(),
    ];
    passes(&mut host::wisted(&arguments), "wisted build guests/c/echo");
    let installed = std::fs::read_dir(workspace::toolchains()).expect("a folder");
    let mut tools = installed.filter_map(|entry| {
        let entry = entry.ok()?;
        let programs = entry.path().join("venv/bin");
        let is_ours = entry.file_name().to_string_lossy().starts_with("cmake-");
        (is_ours && programs.join("ctest").exists()).then_some(programs)
    });
    tools.next().expect("CMake is installed")
});

fn passes(command: &mut Command, what: &str) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        output.status.success(),
        "{what} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Builds a project natively and runs its tests.
fn own_tests_pass(project: &str) {
    let build = workspace::cache().join("native").join(project);
    let tool = |name: &str| workspace::command(TOOLS.join(name).to_str().expect("UTF-8"));
    let mut configure = tool("cmake");
    configure
        .args(["--fresh", "-G", "Ninja", "-S"])
        .arg(workspace::root().join(project))
        .arg("-B")
        .arg(&build)
        .arg(format!(
            "-DCMAKE_MAKE_PROGRAM={}",
            TOOLS.join("ninja").display()
        ));
    passes(&mut configure, &format!("configuring {project}"));
    passes(tool("cmake").arg("--build").arg(&build), project);
    let mut test = tool("ctest");
    test.args(["--output-on-failure", "--no-tests=error", "--test-dir"]);
    passes(test.arg(&build), project);
}

#[test]
fn the_sdks_pass_their_tests() {
    own_tests_pass("guest-sdk/c");
    own_tests_pass("guest-sdk/cpp");
}

#[test]
fn the_guests_pass_their_tests() {
    for language in ["c", "cpp"] {
        for guest in ["echo", "pages", "chat", "kingslayer"] {
            own_tests_pass(&format!("guests/{language}/{guest}"));
        }
    }
}

const ECHO: &str = "#include <wisted.h>
static const wisted_factory factory = {0};
WISTED_EXPORT_FACTORY(factory)
";

/// Writes a guest that uses this workspace's SDK for C.
fn guest(rest: &str, source: &str) -> Scratch {
    let scratch = Scratch::new();
    let sdk = workspace::root().join("guest-sdk/c");
    let _ = scratch.file(
        "CMakeLists.txt",
        format!(
            "cmake_minimum_required(VERSION 3.21)\nproject(parrot LANGUAGES C)\nadd_subdirectory({} wisted-sdk)\n{rest}\n",
            sdk.display()
        ),
    );
    let _ = scratch.file("parrot.c", source);
    scratch
}

/// What the build says of a guest that is wrong.
fn build_says(rest: &str, source: &str) -> String {
    let scratch = guest(rest, source);
    let arguments: [&OsStr; 2] = ["build".as_ref(), scratch.path().as_ref()];
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

#[test]
fn what_is_wrong_is_shown_with_its_line() {
    let add = "wisted_add_guest(parrot parrot.c)";
    let said = build_says(add, &format!("{ECHO}int oops = ;\n"));
    has(&said, &["parrot.c:4:", "error:", "does not compile"]);
    let said = build_says(add, "int nothing;\n");
    has(&said, &["handler", "data-received"]);
    let said = build_says("no_such_command()", ECHO);
    has(&said, &["CMakeLists.txt:4", "no_such_command"]);
}

#[test]
fn one_guest_is_wanted() {
    let said = build_says("", ECHO);
    has(&said, &["no .wasm module", "wisted_add_guest"]);
    let two = "wisted_add_guest(parrot parrot.c)\nwisted_add_guest(other parrot.c)";
    has(&build_says(two, ECHO), &["more than one .wasm module"]);
}

/// CMake keeps the flags that it once took from a toolchain file.
#[test]
fn another_build_of_wisted_brings_its_flags() {
    let scratch = guest("wisted_add_guest(parrot parrot.c)", ECHO);
    build(scratch.path());
    let output = scratch.path().join(".wisted/build");
    let toolchain = output.join("wasm32.cmake");
    let cache = output.join("cmake/CMakeCache.txt");
    for file in [&toolchain, &cache] {
        let text = std::fs::read_to_string(file).expect("written by the build");
        assert!(text.contains(" -msimd128"), "{}", file.display());
        std::fs::write(file, text.replace(" -msimd128", "")).expect("written");
    }
    build(scratch.path());
    let text = std::fs::read_to_string(cache).expect("written by the build");
    assert!(text.contains(" -msimd128"));
}

/// Everything that the C library asks of the system is answered in the guest.
#[test]
fn the_c_library_works_in_a_guest() {
    let source = r#"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wisted.h>

static void data_received(void *self, wisted_transport transport, const uint8_t *data, size_t size) {
    (void)self;
    printf("printed %.*s %.2f\n", (int)size - 1, (const char *)data, 1.5);
    fprintf(stderr, "complained\n");
    uint64_t before = wisted_now();
    usleep(50000);
    const char *slept = wisted_now() - before >= 50 ? "slept" : "did not sleep";
    FILE *file = fopen("/etc/passwd", "r");
    wisted_transport_printf(transport, "%s %s %s %s\n", time(NULL) > 1700000000 ? "now" : "never", slept,
                            file == NULL ? strerror(errno) : "opened", getenv("HOME") == NULL ? "homeless" : "home");
    if (data[0] == 'x')
        exit(0);
}

static const wisted_factory factory = {.protocol = {.data_received = data_received}};
WISTED_EXPORT_FACTORY(factory)
"#;
    let scratch = guest("wisted_add_guest(parrot parrot.c)", source);
    build(scratch.path());
    let host = Host::run_file(scratch.path()).start();
    let mut client = host.connect();
    client.send("words\n");
    assert_eq!(
        client.line(),
        "now slept No such file or directory homeless"
    );
    host.wait_for_log("what was printed", |record| {
        record.mentions(&["printed words 1.50"])
    });
    host.wait_for_log("what was printed on standard error", |record| {
        record.mentions(&["complained"])
    });
    client.send("x\n");
    host.wait_for_complaint(&["unreachable", "exit"]);
}

fn build(folder: &Path) {
    let arguments: [&OsStr; 2] = ["build".as_ref(), folder.as_ref()];
    passes(&mut host::wisted(&arguments), "wisted build");
}
