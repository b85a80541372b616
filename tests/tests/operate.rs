//! The commands that ask and order a running host, as a person types them; `top` on a real terminal, which tmux is.
#![allow(missing_docs)]

use std::process::{Command, Output};
use std::time::Instant;

use serde_json::Value;
use wisted_tests::host::{self, Scratch};
use wisted_tests::programs::program;
use wisted_tests::{Admin, End, Host, PATIENCE, workspace};

fn start(builder: host::Builder) -> (Host, String) {
    let host = builder.flag("--admin", "tcp:127.0.0.1:0").start();
    let endpoint = Admin::of(&host).endpoint();
    (host, endpoint)
}

fn wisted(endpoint: &str, arguments: &[&str]) -> Output {
    let mut command = host::wisted(arguments);
    command
        .env("WISTED_ADMIN", endpoint)
        .output()
        .expect("wisted runs")
}

fn says(endpoint: &str, arguments: &[&str]) -> String {
    let output = wisted(endpoint, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "wisted {arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn fails(endpoint: &str, arguments: &[&str]) -> String {
    let output = wisted(endpoint, arguments);
    assert_eq!(output.status.code(), Some(1), "wisted {arguments:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.starts_with("error: ") && !text.contains("panicked"),
        "{text}"
    );
    text
}

fn contains_all(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}

#[test]
fn status_and_connections() {
    let (host, endpoint) = start(Host::run("hostile"));
    assert_eq!(says(&endpoint, &["connections"]), "no open connections\n");
    let mut client = host.connect();
    client.check_echo("hello\n");
    let mut offender = host.connect();
    offender.send("do trap\n");
    assert_eq!(offender.wait_for_end(), End::Reset);
    Admin::at(&endpoint).wait_for("a failure", |service| service["failures"] == 1);
    let status = says(&endpoint, &["status"]);
    contains_all(
        &status,
        &[
            "wisted 0.1.0",
            "ready",
            "SERVICE",
            "hostile",
            "up",
            "hostile failed",
        ],
    );
    contains_all(
        &status,
        &[&format!("tcp:{}", host.address()), "trap in data-received"],
    );
    let details = says(&endpoint, &["status", "hostile"]);
    contains_all(&details, &["hostile.wasm", "p99.9", "unreachable", "0: "]);
    contains_all(
        &fails(&endpoint, &["status", "other"]),
        &["no service \"other\""],
    );
    let json: Value = serde_json::from_str(&says(&endpoint, &["status", "--json"])).expect("JSON");
    assert_eq!(json["services"][0]["failures"], 1);
    let connections = says(&endpoint, &["connections", "--service", "hostile"]);
    let peer = client.stream().local_addr().expect("connected").to_string();
    contains_all(&connections, &["PEER", "RECEIVED", &peer, "6 B"]);
    let json = says(&endpoint, &["connections", "--json", "--limit", "5000"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["connections"][0]["peer"], peer);
    drop(client);
    host.finish();
}

#[test]
fn more_connections_than_were_asked_for() {
    let (host, endpoint) = start(Host::run("echo"));
    let mut clients: Vec<_> = (0..5).map(|_| host.connect()).collect();
    clients
        .iter_mut()
        .for_each(|client| client.check_echo("hello\n"));
    let first = says(&endpoint, &["connections", "--limit", "3"]);
    let (_, hint) = first
        .split_once("there are more: --after ")
        .expect("a hint");
    let after = hint.split(',').next().expect("an id");
    let rest = says(&endpoint, &["connections", "--after", after]);
    assert_eq!(
        rest.lines().count(),
        3,
        "a head and two connections:\n{rest}"
    );
    drop(clients);
    host.finish();
}

#[test]
fn kill_drain_and_reload() {
    let (host, endpoint) = start(Host::run("echo"));
    let mut client = host.connect();
    client.check_echo("hello\n");
    let json: Value =
        serde_json::from_str(&says(&endpoint, &["connections", "--json"])).expect("JSON");
    let id = json["connections"][0]["id"].to_string();
    assert_eq!(
        says(&endpoint, &["kill", &id]),
        format!("connection {id} is killed\n")
    );
    assert_eq!(client.wait_for_end(), End::Reset);
    contains_all(
        &fails(&endpoint, &["kill", &id, "77"]),
        &["no connection 77"],
    );
    contains_all(&says(&endpoint, &["reload"]), &["changed:", "echo"]);
    let json: Value = serde_json::from_str(&says(&endpoint, &["reload", "--json"])).expect("JSON");
    assert_eq!(json["changed"][0], "echo");
    contains_all(
        &fails(&endpoint, &["drain", "a b/c?"]),
        &["no service \"a b/c?\""],
    );
    contains_all(
        &says(&endpoint, &["drain", "echo"]),
        &["echo takes no new connections"],
    );
    assert!(host.wait().success());
}

#[test]
fn where_nobody_listens() {
    let scratch = Scratch::new();
    let endpoint = format!("unix:{}", scratch.path().join("no.sock").display());
    for arguments in [
        &["status"][..],
        &["connections"],
        &["kill", "1"],
        &["reload"],
        &["top"],
    ] {
        let error = fails(&endpoint, arguments);
        contains_all(&error, &[&endpoint, "is `wisted serve` running?"]);
    }
    let bad = wisted("nowhere", &["status"]);
    assert_eq!(bad.status.code(), Some(2));
    contains_all(
        &String::from_utf8_lossy(&bad.stderr),
        &["unix:/run/wisted.sock"],
    );
    // The default is in the user's runtime folder.
    let mut command = host::wisted(&["status"]);
    command
        .env_remove("WISTED_ADMIN")
        .env("XDG_RUNTIME_DIR", scratch.path());
    let output = command.output().expect("wisted runs");
    let socket = scratch.path().join("wisted.sock").display().to_string();
    contains_all(&String::from_utf8_lossy(&output.stderr), &[&socket]);
}

/// What a web server of somebody else's answers is no status.
#[test]
fn where_somebody_else_listens() {
    let web = wisted_tests::web::Web::start();
    let url = web.url("/");
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    contains_all(
        &fails(&format!("tcp:{address}"), &["status"]),
        &["no answer of Wisted's"],
    );
}

#[test]
fn top_prints_one_picture_where_there_is_no_terminal() {
    let (host, endpoint) = start(Host::run("echo"));
    host.connect().check_echo("hello\n");
    let picture = says(&endpoint, &["top", "--interval", "100ms"]);
    contains_all(&picture, &["wisted 0.1.0", "SERVICE", "P99", "echo", "up"]);
    assert!(
        !picture.contains('\u{1b}') && !picture.contains("[q]uit"),
        "{picture:?}"
    );
    host.finish();
}

/// A terminal, in a tmux server of its own.
struct Terminal {
    tmux: std::path::PathBuf,
    scratch: Scratch,
}

impl Terminal {
    fn start(command: &str) -> Self {
        let terminal = Self {
            tmux: program("tmux", "tmux"),
            scratch: Scratch::new(),
        };
        let size = ["-x", "120", "-y", "20"];
        terminal.tmux(&[&["new-session", "-d", "-s", "t"], &size[..], &["sh"]].concat());
        terminal.tmux(&["send-keys", "-t", "t", command, "Enter"]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.tmux)
            .arg("-S")
            .arg(self.scratch.path().join("tmux"))
            .args(["-f", "/dev/null"])
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .output()
            .expect("tmux runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys", "-t", "t"], keys].concat());
    }

    fn wait_for(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.tmux(&["capture-pane", "-p", "-t", "t"]);
            if is_so(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "not {what}:\n{screen}");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new(&self.tmux)
            .arg("-S")
            .arg(self.scratch.path().join("tmux"))
            .arg("kill-server")
            .output();
    }
}

#[test]
fn top_is_live_and_leaves_the_terminal_as_it_was() {
    let (host, endpoint) = start(Host::run("echo"));
    let command = format!(
        "stty -g > before; clear; {} top --admin {endpoint} --interval 100ms; stty -g > after; cmp before after && echo as it was",
        workspace::wisted().display()
    );
    let scratch = Scratch::new();
    let terminal = Terminal::start(&format!("cd {} && {command}", scratch.path().display()));
    terminal.wait_for("a table", |screen| {
        screen.contains("SERVICE") && screen.contains("[q]uit")
    });
    let mut client = host.connect();
    client.check_echo("hello\n");
    terminal.wait_for("a connection", |screen| screen.contains(" 1 connection,"));
    terminal.keys(&["n"]);
    // Smaller, and larger again: what is at the bottom stays at the bottom.
    for (width, height) in [("60", "8"), ("140", "30")] {
        terminal.tmux(&["resize-window", "-t", "t", "-x", width, "-y", height]);
        let rows: usize = height.parse().expect("a number");
        terminal.wait_for("resized", |screen| {
            let keys = screen.lines().position(|line| line.contains("sort by"));
            keys == Some(rows - 1)
        });
    }
    terminal.keys(&["q"]);
    terminal.wait_for("the shell", |screen| {
        screen.contains("as it was") && !screen.contains("SERVICE")
    });
    drop(client);
    host.finish();
}
