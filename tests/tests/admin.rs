//! The admin endpoint: every route, and what is wrong with requests.
#![allow(missing_docs)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use wisted_tests::admin::AdminSocket;
use wisted_tests::fixture::{ECHO, echo_that};
use wisted_tests::host;
use wisted_tests::programs::program;
use wisted_tests::{Admin, Client, Collector, End, Host, workspace};

fn number(value: &Value, name: &str) -> u64 {
    let number = value[name].as_u64();
    number.unwrap_or_else(|| panic!("no number {name} in {value:#}"))
}

#[test]
fn each_route_answers() {
    let socket = AdminSocket::new();
    let (host, admin) = socket.start(Host::run("echo").flag("--reactors", "2"));
    let mut client = host.connect();
    client.check_echo("hello\n");
    assert_eq!(
        (
            admin.get("/healthz").status,
            admin.get("/healthz").body.as_str()
        ),
        (200, "ok\n")
    );
    assert_eq!(admin.get("/readyz").status, 200);
    let status = admin.json("/api/v1/status");
    assert_eq!(
        status["reactors"].as_array().map(Vec::len),
        Some(2),
        "{status:#}"
    );
    assert_eq!(status["ready"], true);
    assert!(
        status["version"]
            .as_str()
            .is_some_and(|version| version.starts_with("0.1"))
    );
    assert!(
        status["uptime_seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0)
    );
    let service = &status["services"][0];
    assert_eq!(service["name"], "echo");
    assert_eq!(service["condition"], "up");
    assert_eq!(service["isolation"], "connection");
    assert_eq!(service["endpoints"][0], format!("tcp:{}", host.address()));
    assert!(
        service["component"]
            .as_str()
            .is_some_and(|path| path.ends_with("echo.wasm"))
    );
    assert_eq!(number(service, "received_bytes"), 6);
    assert_eq!(number(service, "sent_bytes"), 6);
    assert_eq!(number(service, "connections"), 1);
    assert!(number(service, "memory_bytes") > 0);
    assert!(number(service, "calls") >= 1);
    let times = &service["call_seconds"];
    assert!(number(times, "count") >= 1);
    for percentile in ["p50", "p90", "p99", "p999", "max"] {
        let seconds = times[percentile].as_f64().unwrap_or_default();
        assert!(seconds > 0.0 && seconds < 60.0, "{times:#}");
    }
    assert!(service.get("call_buckets").is_none());
    let buckets = admin.json("/api/v1/status?buckets=true")["services"][0]["call_buckets"].clone();
    assert!(
        buckets
            .as_array()
            .is_some_and(|buckets| !buckets.is_empty())
    );
    assert_eq!(
        admin.json("/api/v1/connections")["connections"][0]["service"],
        "echo"
    );
    let head = admin.request("HEAD", "/healthz", "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    admin.get("/nowhere").check(404, &["nothing"]);
    admin.post("/healthz").check(405, &[]);
    admin.get("/api/v1/reload").check(405, &[]);
    drop(client);
    host.finish();
}

#[test]
fn connections_come_in_pages() {
    let socket = AdminSocket::new();
    let (host, admin) = socket.start(Host::run("echo").flag("--reactors", "2"));
    let mut clients: Vec<Client> = (0..5).map(|_| host.connect()).collect();
    clients
        .iter_mut()
        .for_each(|client| client.check_echo("hello\n"));
    let (mut ids, mut after) = (Vec::new(), 0);
    loop {
        let page = admin.json(&format!(
            "/api/v1/connections?limit=2&after={after}&service=echo"
        ));
        let found = page["connections"].as_array().expect("a list").clone();
        assert!(found.len() <= 2, "{page:#}");
        ids.extend(found.iter().map(|connection| number(connection, "id")));
        for connection in &found {
            assert_eq!(number(connection, "received_bytes"), 6);
            assert!(number(connection, "memory_bytes") > 0);
        }
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(ids.len(), 5);
    assert!(ids.is_sorted(), "{ids:?}");
    let other = admin.json("/api/v1/connections?service=other");
    assert_eq!(other["connections"].as_array().map(Vec::len), Some(0));
    for query in [
        "limit=0",
        "limit=1001",
        "limit=many",
        "after=-1",
        "after=99999999999999999999",
    ] {
        admin
            .get(&format!("/api/v1/connections?{query}"))
            .check(400, &[]);
    }
    admin.get("/api/v1/status?buckets=perhaps").check(400, &[]);
    drop(clients);
    host.finish();
}

#[test]
fn a_kill_resets_the_peer_and_nobody_else() {
    let socket = AdminSocket::new();
    let (host, admin) = socket.start(Host::run("echo").flag("--reactors", "2"));
    let mut victim = host.connect();
    victim.check_echo("hello\n");
    let id = number(&admin.json("/api/v1/connections")["connections"][0], "id");
    let mut neighbour = host.connect();
    neighbour.check_echo("hello\n");
    let answer = admin.post(&format!("/api/v1/connections/{id}/kill"));
    assert_eq!((answer.status, number(&answer.json(), "killed")), (200, id));
    assert_eq!(victim.wait_for_end(), End::Reset);
    neighbour.check_echo("undisturbed\n");
    admin
        .post(&format!("/api/v1/connections/{id}/kill"))
        .check(404, &["no connection"]);
    admin.post("/api/v1/connections/0/kill").check(404, &[]);
    for id in ["x", "-1", "18446744073709551616", "%00"] {
        admin
            .post(&format!("/api/v1/connections/{id}/kill"))
            .check(400, &["number"]);
    }
    drop(neighbour);
    host.finish();
}

#[test]
fn failures_are_told_with_their_backtrace() {
    let socket = AdminSocket::new();
    let (host, admin) = socket.start(Host::run("hostile"));
    let mut offender = host.connect();
    offender.send("do trap\n");
    assert_eq!(offender.wait_for_end(), End::Reset);
    let service = admin.wait_for("a failure", |service| number(service, "failures") == 1);
    let failure = &service["recent_failures"][0];
    assert_eq!(failure["kind"], "trap");
    assert_eq!(failure["handler"], "data-received");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|text| text.contains("unreachable"))
    );
    assert!(
        failure["backtrace"]
            .as_str()
            .is_some_and(|text| text.contains("hostile"))
    );
    assert!(
        failure["peer"]
            .as_str()
            .is_some_and(|peer| peer.starts_with("127.0.0.1:"))
    );
    assert!(number(failure, "at_ms") > 1_500_000_000_000);
    host.finish();
}

#[test]
fn metrics_are_as_prometheus_wants_them() {
    let promtool = program("promtool", "prometheus");
    let socket = AdminSocket::new();
    let collector = Collector::start();
    let (host, admin) = socket.start(
        Host::run("hostile")
            .flag("--reactors", "2")
            .flag("--otlp-endpoint", collector.url()),
    );
    let mut client = host.connect();
    client.check_echo("hello\n");
    let mut offender = host.connect();
    offender.send("do trap\n");
    assert_eq!(offender.wait_for_end(), End::Reset);
    admin.wait_for("a failure", |service| number(service, "failures") == 1);
    let answer = admin.get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .field("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    let mut stdin = check.stdin.take().expect("piped");
    stdin
        .write_all(answer.body.as_bytes())
        .expect("promtool reads");
    drop(stdin);
    let checked = check.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&checked.stderr) + String::from_utf8_lossy(&checked.stdout);
    assert!(
        checked.status.success() && said.trim().is_empty(),
        "{said}\n{}",
        answer.body
    );
    for line in [
        "wisted_build_info{version=\"0.1.0\"} 1",
        "wisted_reactor_up{reactor=\"1\"} 1",
        "wisted_guest_failures_total{service=\"hostile\"} 1",
        "wisted_trace_spans_dropped_total 0",
        "wisted_service_condition{service=\"hostile\",condition=\"up\"} 1",
        "wisted_service_condition{service=\"hostile\",condition=\"broken\"} 0",
    ] {
        assert!(
            answer.body.lines().any(|told| told == line),
            "{line} is not in\n{}",
            answer.body
        );
    }
    let sum = |name: &str| -> f64 {
        let samples = answer
            .body
            .lines()
            .filter(|line| line.starts_with(&format!("{name}{{")));
        let values = samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    };
    assert_eq!(sum("wisted_connections"), 1.0);
    assert_eq!(sum("wisted_connections_made_total"), 2.0);
    assert_eq!(sum("wisted_received_bytes_total"), 14.0);
    let calls = sum("wisted_guest_call_duration_seconds_count");
    assert!(calls >= 2.0, "{}", answer.body);
    assert!(sum("wisted_guest_busy_seconds_total") > 0.0);
    assert!(answer.body.contains("process_resident_memory_bytes "));
    drop(client);
    host.finish();
}

/// The component's file is replaced: new connections get the new one, and a broken one changes nothing.
#[test]
fn reload_takes_what_is_new_and_refuses_what_is_broken() {
    let socket = AdminSocket::new();
    let path = socket.scratch.file("echo.wat", ECHO);
    let (host, admin) = socket.start(Host::run_file(&path));
    let mut old = host.connect();
    old.check_echo("old\n");
    fs::write(&path, "(component").expect("written");
    admin.post("/api/v1/reload").check(422, &["echo.wat"]);
    host.connect().check_echo("still\n");
    // Another build: it writes the first byte only.
    let writes = "(call $write (local.get $connection) (local.get $data) (local.get $length))";
    assert!(ECHO.contains(writes), "the fixture has changed");
    let first = writes.replace("(local.get $length)", "(i32.const 1)");
    fs::write(&path, ECHO.replace(writes, &first)).expect("written");
    let answer = admin.post("/api/v1/reload");
    assert_eq!(
        (answer.status, &answer.json()["changed"][0]),
        (200, &Value::from("echo"))
    );
    let mut new = host.connect();
    new.send("new");
    assert_eq!(new.receive(1), b"n");
    old.check_echo("as before\n");
    drop((old, new));
    host.finish();
}

#[test]
fn the_only_service_is_drained_and_the_host_ends() {
    let socket = AdminSocket::new();
    let (host, admin) = socket.start(Host::run("echo"));
    let mut client = host.connect();
    client.check_echo("hello\n");
    admin
        .post("/api/v1/services/other/drain")
        .check(404, &["no service", "other"]);
    admin.post("/api/v1/services/%ff/drain").check(400, &[]);
    assert_eq!(admin.post("/api/v1/services/echo/drain").status, 200);
    assert_eq!(admin.get("/readyz").status, 503);
    client.check_echo("while draining\n");
    // Reactors that are done have ended, which is healthy.
    let is_ended = |admin: &Admin| {
        let reactors = admin.json("/api/v1/status")["reactors"].clone();
        let mut states = reactors.as_array().into_iter().flatten();
        states.any(|reactor| reactor["state"] == "ended")
    };
    let deadline = Instant::now() + wisted_tests::PATIENCE;
    while !is_ended(&admin) {
        assert!(Instant::now() < deadline, "no reactor ends");
    }
    assert_eq!(admin.get("/healthz").status, 200);
    assert_eq!(number(&admin.service(), "connections"), 1);
    client.check_echo("still draining\n");
    drop(client);
    assert!(host.wait().success());
    assert!(!socket.scratch.path().join("admin.sock").exists());
}

#[test]
fn the_socket_is_its_owners_alone() {
    let socket = AdminSocket::new();
    let path = socket.scratch.path().join("admin.sock");
    // What the umask would allow is of no account.
    let (host, _) = socket.start(Host::run("echo"));
    let mode = fs::metadata(&path).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    let guest = workspace::guest("echo");
    let run = [
        "run".as_ref(),
        guest.as_os_str(),
        "--listen".as_ref(),
        "tcp:127.0.0.1:0".as_ref(),
    ];
    let second = host::wisted(&run)
        .args(["--admin", &socket.endpoint])
        .output();
    let second = second.expect("wisted runs");
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(
        !second.status.success() && said.contains("another process listens there"),
        "{said}"
    );
    host.finish();
    assert!(!path.exists());
    // What a killed host leaves is replaced.
    drop(UnixListener::bind(&path).expect("a socket"));
    let (host, admin) = socket.start(Host::run("echo"));
    assert_eq!(admin.get("/healthz").status, 200);
    drop(host);
    assert!(path.exists(), "it was killed");
    let (host, admin) = socket.start(Host::run("echo"));
    assert_eq!(admin.get("/healthz").status, 200);
    host.finish();
    let left: Vec<_> = fs::read_dir(socket.scratch.path())
        .expect("a folder")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A guest that is called without a fiber keeps its reactor to itself: nobody waits for it for ever.
#[test]
fn a_busy_reactor_is_said_to_be_so() {
    let spins = echo_that("(loop $again (br $again))", "");
    let socket = AdminSocket::new();
    let path = socket.scratch.file("spins.wat", spins);
    let builder = Host::run_file(&path)
        .flag("--call-cpu-max", "1h")
        .flag("--reactors", "1");
    let (host, admin) = socket.start(builder);
    let mut offender = host.connect();
    offender.check_echo("hello\n");
    let id = number(&admin.json("/api/v1/connections")["connections"][0], "id");
    assert_eq!(admin.get("/healthz").status, 200);
    offender.send("! loop\n");
    let begun = Instant::now();
    let mut health = admin.get("/healthz");
    // It may have been asked before the guest was called.
    while health.status == 200 {
        health = admin.get("/healthz");
    }
    assert_eq!(health.status, 503);
    assert!(
        health.body.contains("reactor 0 does not answer within 1s"),
        "{}",
        health.body
    );
    let status = admin.json("/api/v1/status");
    assert_eq!(status["reactors"][0]["state"], "silent");
    // What it said last.
    assert_eq!(number(&status["services"][0], "connections"), 1);
    let metrics = admin.get("/metrics").body;
    assert!(
        metrics.contains("wisted_reactor_up{reactor=\"0\"} 0"),
        "{metrics}"
    );
    assert_eq!(
        number(&admin.json("/api/v1/connections"), "silent_reactors"),
        1
    );
    admin
        .post(&format!("/api/v1/connections/{id}/kill"))
        .check(504, &["busy"]);
    assert!(
        begun.elapsed() < Duration::from_secs(25),
        "{:?}",
        begun.elapsed()
    );
}
