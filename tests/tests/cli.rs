//! The command line: what people type, what they read when it is wrong, and how a host stops.
#![allow(missing_docs)]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::time::Instant;

use wisted_tests::host::{self, Scratch};
use wisted_tests::web::Web;
use wisted_tests::{End, Host, PATIENCE, workspace};

const ECHO: &str = include_str!("fixtures/echo.wat");

/// Runs `wisted` in the expectation that it fails, and returns what it says.
fn fails(arguments: &[&str]) -> String {
    let output = host::run(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success(),
        "wisted {arguments:?} succeeded: {text}"
    );
    assert!(
        output.status.code().is_some_and(|code| code < 100),
        "no crash: {} {text}",
        output.status
    );
    assert!(
        !text.contains("panicked at") && !text.contains("RUST_BACKTRACE"),
        "{text}"
    );
    text
}

fn succeeds(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn contains_all(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}

#[test]
fn help() {
    contains_all(
        &succeeds(&host::run(&["--help"])),
        &["new", "build", "run", "serve", "check", "compile"],
    );
    let flags = [
        "--listen",
        "--isolation",
        "--allow-fetch",
        "--config",
        "--log-format",
        "--memory-max",
        "--drain-max",
    ];
    contains_all(&succeeds(&host::run(&["run", "--help"])), &flags);
    contains_all(
        &succeeds(&host::run(&["serve", "--help"])),
        &["wisted.toml", "docs/configuration.md", "--log-format"],
    );
    assert!(succeeds(&host::run(&["--version"])).contains("0.1"));
}

#[test]
fn wrong_flags() {
    contains_all(
        &fails(&["run", "x.wasm", "--isolation", "none"]),
        &["connection", "service"],
    );
    contains_all(
        &fails(&["run", "x.wasm", "--listen", "tcp:99999"]),
        &["99999", "65535", "tcp:127.0.0.1:8000"],
    );
    contains_all(
        &fails(&["run", "x.wasm", "--listen", "ssl:443"]),
        &["TLS", "only tcp"],
    );
    contains_all(
        &fails(&["run", "x.wasm", "--config", "keyonly"]),
        &["keyonly"],
    );
    contains_all(
        &fails(&["run", "x.wasm", "--memory-max", "lots"]),
        &["lots"],
    );
    contains_all(
        &fails(&["run", "x.wasm", "--call-cpu-max", "soon"]),
        &["soon"],
    );
    contains_all(
        &fails(&["run", "x.wasm", "--no-such-flag"]),
        &["--no-such-flag"],
    );
    contains_all(&fails(&["run"]), &["GUEST"]);
}

#[test]
fn check_says_what_a_guest_is() {
    let guest = workspace::guest("hostile");
    let output = succeeds(&host::run(&["check", text(&guest)]));
    contains_all(
        &output,
        &["connection-handler", "timer-handler", "transport"],
    );
    contains_all(&output, &["may wait", "fibers"]);
    let guest = workspace::guest("echo");
    contains_all(
        &succeeds(&host::run(&["check", text(&guest)])),
        &["never waits", "plainly"],
    );
    let guest = workspace::guest("kingslayer");
    contains_all(
        &succeeds(&host::run(&["check", text(&guest)])),
        &["program"],
    );
}

#[test]
fn what_is_no_guest() {
    let scratch = Scratch::new();
    contains_all(
        &fails(&["run", "/no/such/guest.wasm"]),
        &["/no/such/guest.wasm"],
    );
    for (name, content, words) in [
        (
            "garbage.wasm",
            b"not wasm at all".as_slice(),
            ["garbage.wasm"].as_slice(),
        ),
        ("empty.wasm", b"", &["empty.wasm"]),
        ("module.wat", b"(module)", &["module.wat", "component"]),
        ("broken.wat", b"(component", &["broken.wat"]),
    ] {
        let path = scratch.file(name, content);
        contains_all(&fails(&["run", text(&path)]), words);
        contains_all(&fails(&["check", text(&path)]), words);
    }
    let folder = scratch.path().join("folder");
    std::fs::create_dir(&folder).expect("a folder");
    contains_all(&fails(&["run", text(&folder)]), &["folder", "Rust"]);
}

/// The tutorial's "you must override execute", for a whole component: what is missing, how it is declared, what to do.
#[test]
fn guests_without_handlers() {
    let scratch = Scratch::new();
    let path = scratch.file("nothing.wat", "(component)");
    let error = fails(&["run", text(&path)]);
    contains_all(
        &error,
        &[
            "connection-handler",
            "data-received",
            "func(connection: connection-id, data: list<u8>)",
        ],
    );
}

#[test]
fn guests_with_foreign_imports() {
    let scratch = Scratch::new();
    let import = r#"(import "acme:things/stuff@1.0.0" (instance (export "do" (func))))"#;
    let path = scratch.file(
        "foreign.wat",
        ECHO.replacen("(component", &format!("(component {import}"), 1),
    );
    contains_all(&fails(&["run", text(&path)]), &["acme:things/stuff"]);
}

#[test]
fn code_is_compiled_ahead_of_time() {
    let scratch = Scratch::new();
    let path = scratch.file("echo.wat", ECHO);
    let compile = || {
        let mut compile = host::wisted(&["compile", text(&path)]);
        let compile = compile.env("XDG_CACHE_HOME", scratch.path().join("cache"));
        succeeds(&compile.output().expect("wisted runs"))
    };
    assert!(compile().starts_with("compiled "));
    assert!(compile().contains("was compiled already"));
    contains_all(
        &fails(&["compile", text(&path), "--no-cache"]),
        &["no cache to compile into"],
    );
}

#[test]
fn text_components_are_served() {
    let scratch = Scratch::new();
    let path = scratch.file("echo.wat", ECHO);
    let host = Host::run_file(&path).start();
    host.connect().check_echo("from text\n");
    // It exports no half-close handler: the host closes for it, after everything is sent.
    let mut client = host.connect();
    client.send("the end");
    client.finish_sending();
    assert_eq!(client.rest(), (b"the end".to_vec(), End::Closed));
    host.finish();
}

#[test]
fn folders_are_built_and_served() {
    let host = Host::run_file(&workspace::root().join("guests/echo")).start();
    host.connect().check_echo("from source\n");
}

#[test]
fn config_reaches_the_guest() {
    let host = Host::run("hostile")
        .config("b", "two=2")
        .config("a", "")
        .start();
    assert_eq!(
        host.connect().ask("do config"),
        r#"config [("a", ""), ("b", "two=2")] missing=None"#
    );
}

#[test]
fn start_up_says_what_is_served_where() {
    let host = Host::run("hostile").start();
    let lines = host.stdout().so_far();
    assert!(lines.len() < 5, "{}", host.stdout().tail());
    assert!(
        lines.iter().any(|line| line.line.contains("hostile")),
        "{}",
        host.stdout().tail()
    );
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let guest = workspace::guest("hostile");
    let error = fails(&["run", text(&guest), "--listen", &format!("tcp:{address}")]);
    contains_all(&error, &[&address, "in use"]);
}

/// Asks the host to stop, and waits until it accepts nobody any more.
fn stop_accepting(host: &Host) {
    host.signal_to_stop();
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(host.address()).is_ok() {
        assert!(Instant::now() < deadline, "the host goes on accepting");
    }
}

#[test]
fn sigterm_lets_connections_finish() {
    let web = Web::start();
    let host = Host::run("hostile")
        .flag("--allow-fetch", web.grant())
        .start();
    let mut talking = host.connect();
    talking.check_echo("before\n");
    let mut waiting = host.connect();
    waiting.send(format!("do wait {}\n", web.url("/slow/page")));
    assert_eq!(waiting.line(), "waiting");
    web.wait_for("GET /slow/page", 1);
    stop_accepting(&host);
    talking.check_echo("while draining\n");
    web.release("page");
    assert!(waiting.line().contains("slow page"));
    drop((talking, waiting));
    let status = host.wait();
    assert!(status.success(), "{status}");
}

#[test]
fn sigterm_without_connections() {
    let host = Host::run("hostile").start();
    host.connect().check_echo("once\n");
    host.finish();
}

#[test]
fn control_c_drains_too() {
    let host = Host::run("hostile").start();
    let mut client = host.connect();
    client.check_echo("before\n");
    host.interrupt();
    client.check_echo("while draining\n");
    drop(client);
    let status = host.wait();
    assert!(status.success(), "{status}");
}

#[test]
fn a_drain_has_its_end() {
    let host = Host::run("hostile").flag("--drain-max", "300ms").start();
    let mut client = host.connect();
    client.check_echo("before\n");
    let mut sleeper = host.connect();
    sleeper.send("do wait-timer 4294967295\n");
    host.signal_to_stop();
    host.wait_for_log("the guest's farewell", |record| {
        record.mentions(&["connection 1 lost", "Stopping"])
    });
    client.wait_for_end();
    sleeper.wait_for_end();
    let status = host.wait();
    assert!(status.success(), "{status}");
}

#[test]
fn a_second_signal_aborts() {
    let host = Host::run("hostile").flag("--drain-max", "1h").start();
    let mut client = host.connect();
    client.check_echo("before\n");
    stop_accepting(&host);
    host.signal_to_stop();
    client.wait_for_end();
    let status = host.wait();
    assert!(!status.success(), "an aborted drain is no success");
}
