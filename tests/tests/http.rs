//! The HTTP guest over real sockets: clients that others wrote, requests in and out of order, and nginx beside it.
#![allow(missing_docs)]

#[path = "../../guests/http/src/tests/corpus.rs"]
mod corpus;
#[path = "http/exchange.rs"]
mod exchange;
#[path = "http/nginx.rs"]
mod nginx;
#[path = "../../guests/http/src/tests/responses.rs"]
mod responses;

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use corpus::{After, Case, cases};
use exchange::{Exchange, PROBE, ask};
use nginx::Nginx;
use wisted_tests::host::Scratch;
use wisted_tests::programs::program;
use wisted_tests::{Client, End, Host};

fn start() -> Host {
    Host::run("http-server").start()
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("http://{address}{path}")
}

/// What a client program says; it has to succeed.
fn run(name: &str, package: &str, arguments: &[&str]) -> String {
    let output = Command::new(program(name, package))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complaint) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success(),
        "{name} {arguments:?}: {said}{complaint}"
    );
    said
}

fn curl(arguments: &[&str]) -> String {
    run(
        "curl",
        "curl",
        &[&["--silent", "--show-error", "--max-time", "20"], arguments].concat(),
    )
}

#[test]
fn curl_gets_and_keeps_the_connection() {
    let host = start();
    let [one, two] = ["/", "/bytes/10"].map(|path| url(host.address(), path));
    let said = curl(&["--write-out", "[%{http_code} %{num_connects}]", &one, &two]);
    assert!(said.starts_with("This is Wisted."), "{said}");
    // Nothing but the first of them needed a connection.
    assert!(said.contains("[200 1]"), "{said}");
    assert!(said.ends_with("0123456789[200 0]"), "{said}");
    host.finish();
}

#[test]
fn curl_asks_for_heads_and_options() {
    let host = start();
    let said = curl(&["--head", &url(host.address(), "/bytes/1024")]);
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
    assert!(
        said.contains("\r\nContent-Length: 1024\r\n") && said.ends_with("\r\n\r\n"),
        "{said}"
    );
    let options = ["--include", "--request", "OPTIONS"];
    let said = curl(&[&options[..], &[&url(host.address(), "/echo")]].concat());
    assert!(said.contains("\r\nAllow: POST, OPTIONS\r\n"), "{said}");
    host.finish();
}

#[test]
fn curl_posts_in_every_framing() {
    let host = start();
    let scratch = Scratch::new();
    let data: String = (0..400_000).map(|number| format!("{number:7}\n")).collect();
    let echo = url(host.address(), "/echo");
    // Up to the buffer an echo has a length; above it, it is streamed.
    for length in [1, 1000, 64 << 10, (64 << 10) + 1, 3_000_000] {
        let file = scratch.file("body", &data[..length]);
        let body = format!("@{}", file.display());
        for field in [
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Expect:",
        ] {
            let said = curl(&[
                "--data-binary",
                &body,
                "--header",
                "Content-Type: a/b",
                "--header",
                field,
                "--write-out",
                "[%{http_code} %{content_type}]",
                &echo,
            ]);
            let (back, rest) = said.split_at(length.min(said.len()));
            assert!(
                back == &data[..length],
                "{length} {field}: {} bytes",
                said.len()
            );
            assert_eq!(rest, "[200 a/b]", "{length} {field}");
        }
    }
    host.finish();
}

#[test]
fn curl_waits_for_the_hundred() {
    let host = start();
    let said = curl(&[
        "--include",
        "--data",
        "hello",
        "--header",
        "Expect: 100-continue",
        "--expect100-timeout",
        "15",
        &url(host.address(), "/echo"),
    ]);
    assert!(
        said.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"),
        "{said}"
    );
    assert!(said.ends_with("\r\n\r\nhello"), "{said}");
    // Refused, it need not send anything.
    let said = curl(&[
        "--include",
        "--data",
        "hello",
        "--header",
        "Expect: 100-continue",
        "--expect100-timeout",
        "15",
        &url(host.address(), "/nothing"),
    ]);
    assert!(said.starts_with("HTTP/1.1 404 Not Found\r\n"), "{said}");
    host.finish();
}

#[test]
fn curl_speaks_http_1_0() {
    let host = start();
    for (path, length) in [("/bytes/1024", 1024), ("/chunked/100000", 100_000)] {
        let said = curl(&["--http1.0", "--include", &url(host.address(), path)]);
        let (head, body) = said.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains("\r\nConnection: close"), "{head}");
        assert!(!head.contains("chunked"), "{head}");
        assert_eq!(body.len(), length, "{path}");
    }
    let body = curl(&[&url(host.address(), "/chunked/1000000")]);
    assert_eq!(body.len(), 1_000_000);
    host.finish();
}

#[test]
fn wrk_fails_no_request() {
    let host = start();
    for path in ["/bytes/1024", "/chunked/100000"] {
        let target = url(host.address(), path);
        let said = run("wrk", "wrk", &["-c", "50", "-t", "1", "-d", "1s", &target]);
        assert!(
            !said.contains("Non-2xx") && !said.contains("Socket errors"),
            "{said}"
        );
        let requests = said.lines().find_map(|line| {
            line.split_once(" requests in ")?
                .0
                .trim()
                .parse::<u64>()
                .ok()
        });
        assert!(requests.is_some_and(|requests| requests > 50), "{said}");
    }
    host.finish();
}

#[test]
fn h2load_fails_no_request() {
    let host = start();
    let target = url(host.address(), "/bytes/1024");
    let load = ["--h1", "-n", "20000", "-c", "20", "-t", "1"];
    // Once each request behind its answer, and once pipelined.
    for depth in ["1", "16"] {
        let said = run(
            "h2load",
            "nghttp2-client",
            &[&load[..], &["-m", depth, &target]].concat(),
        );
        assert!(
            said.contains("20000 succeeded, 0 failed, 0 errored, 0 timeout"),
            "{said}"
        );
        assert!(said.contains("status codes: 20000 2xx"), "{said}");
    }
    host.finish();
}

/// The corpus: what has to come back, whether the network delivers it whole or byte by byte.
fn check(address: SocketAddr, case: &Case, cut: usize) {
    let exchange = ask(address, &case.request, cut);
    let mut expected = case.statuses.to_vec();
    if case.after == After::Open {
        // It took the probe, and for what it is: nothing is out of step.
        expected.push(200);
        assert_eq!(exchange.last_body(), b"012", "{}", shown(case));
    }
    assert_eq!(
        exchange.statuses(),
        expected,
        "{} in pieces of {cut}",
        shown(case)
    );
}

fn shown(case: &Case) -> String {
    let text = case.request.escape_ascii().to_string();
    text.chars().take(300).collect()
}

#[test]
fn the_corpus_in_one_piece() {
    let host = start();
    for case in cases() {
        check(host.address(), &case, usize::MAX);
    }
    host.finish();
}

#[test]
fn the_corpus_byte_by_byte() {
    let host = start();
    for case in cases() {
        check(host.address(), &case, 1);
    }
    host.finish();
}

#[test]
fn the_corpus_in_one_instance() {
    let host = Host::run("http-server")
        .flag("--isolation", "service")
        .start();
    for case in cases() {
        check(host.address(), &case, 100);
    }
    host.finish();
}

#[test]
fn nginx_agrees_on_what_is_a_request() {
    let nginx = Nginx::start();
    let mut breaches = Vec::new();
    for case in cases() {
        if case.nginx != corpus::Nginx::Agrees {
            continue;
        }
        let statuses = ask(nginx.address(), &case.request, usize::MAX).statuses();
        let is_taken = |status: &u16| *status < 300;
        let mut expected: Vec<bool> = case.statuses.iter().map(is_taken).collect();
        // The probe.
        expected.extend((case.after == After::Open).then_some(true));
        if !expected.into_iter().eq(statuses.iter().map(is_taken)) {
            breaches.push(format!("nginx answers {statuses:?} to {}", shown(&case)));
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn a_request_that_takes_too_long_is_ended() {
    let host = Host::run("http-server")
        .config("head-timeout-ms", "200")
        .config("body-timeout-ms", "200")
        .config("idle-timeout-ms", "200")
        .start();
    let requests = [
        ("GET / HTTP/1.1\r\nHost: a\r\n", vec![408]),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
            vec![408],
        ),
        ("", vec![]),
    ];
    for (request, statuses) in requests {
        let begun = Instant::now();
        let mut exchange = Exchange::begin(host.address());
        exchange.send(request.as_bytes());
        exchange.read_to_the_end();
        assert_eq!(exchange.statuses(), statuses, "{request:?}");
        assert!(begun.elapsed() >= Duration::from_millis(200), "{request:?}");
    }
    host.finish();
}

/// A second one would trap.
#[test]
fn one_timer_is_enough() {
    let host = Host::run("http-server").flag("--pending-max", "1").start();
    let mut exchange = Exchange::begin(host.address());
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    for _ in 0..20 {
        // Whole, in two pieces, and so long that it is produced in many portions.
        exchange.send(get("/bytes/1024").as_bytes());
        let request = get("/chunked/300000");
        let (start, rest) = request.split_at(10);
        exchange.send(start.as_bytes());
        exchange.send(rest.as_bytes());
        exchange.send(get("/bytes/300000").as_bytes());
    }
    exchange.send(PROBE);
    exchange.read_to_the_end();
    assert_eq!(exchange.statuses(), [200; 61]);
    host.finish();
}

#[test]
fn a_slow_reader_gets_everything_and_nobody_else_waits() {
    let host = start();
    let mut slow = Client::connect_narrow(host.address());
    slow.send("GET /bytes/20000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let before = host.memory_peak_bytes();
    assert_eq!(ask(host.address(), b"", usize::MAX).last_body(), b"012");
    let (received, end) = slow.rest();
    assert_eq!(end, End::Closed);
    let (response, length) = responses::parse(&received, false, true).expect("complete");
    assert_eq!((response.body.len(), length), (20_000_000, received.len()));
    let grown = host.memory_peak_bytes() - before;
    assert!(grown < 8 << 20, "the host buffered {grown} bytes more");
    host.finish();
}

#[test]
fn a_wrong_configuration_is_told() {
    let host = Host::run("http-server")
        .config("head-timeout-ms", "soon")
        .start();
    let mut exchange = Exchange::begin(host.address());
    exchange.send(PROBE);
    exchange.read_to_the_end();
    assert_eq!(exchange.statuses(), [0_u16; 0]);
    host.wait_for_complaint(&["head-timeout-ms=soon", "1 to 86400000"]);
    host.finish();
}
