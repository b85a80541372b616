//! The server over fake connections: whole conversations, in one piece and in every other.

mod corpus;
mod cuts;
mod responses;

use std::time::Duration;

use wisted_guest::testing::{Clock, Peer, Server};

use crate::protocol::HttpFactory;
use corpus::{After, Nginx, cases};
use responses::{Response, parse, parse_all};

type HttpPeer = Peer<HttpFactory>;

fn start(config: &[(&str, &str)]) -> Server<HttpFactory> {
    Server::start(config).expect("a good configuration")
}

/// Everything that has come back. It must be whole responses.
fn responses(peer: &HttpPeer) -> Vec<Response> {
    let received = peer.take_received();
    let (responses, rest) = parse_all(&received, peer.is_disconnected());
    assert_eq!(String::from_utf8_lossy(rest), "", "half a response");
    responses
}

fn one_response(peer: &HttpPeer) -> Response {
    let mut responses = responses(peer);
    assert_eq!(responses.len(), 1, "{responses:?}");
    responses.remove(0)
}

/// Everything until nothing comes any more.
fn drain_all(peer: &HttpPeer) -> Vec<u8> {
    let mut received = peer.drain();
    while !peer.received().is_empty() {
        received.extend(peer.drain());
    }
    received
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn shown(request: &[u8]) -> String {
    let text = request.escape_ascii().to_string();
    text.chars().take(300).collect()
}

/// Sends a request in pieces of `cut` bytes and compares.
fn check_case(case: &corpus::Case, cut: usize) {
    let _clock = Clock::new();
    let server = start(&[]);
    let peer = server.connect();
    for piece in case.request.chunks(cut) {
        peer.send(piece);
    }
    let what = format!("{} in pieces of {cut}", shown(&case.request));
    let responses = responses(&peer);
    let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
    assert_eq!(statuses, case.statuses, "{what}");
    assert_eq!(
        peer.is_disconnected(),
        case.after == After::Closed,
        "{what}"
    );
    let last = responses.last().expect("a response");
    assert_eq!(
        last.field("connection") == "close",
        peer.is_disconnected(),
        "{what}"
    );
    if case.after == After::Open {
        peer.send(get("/bytes/3").as_bytes());
        assert_eq!(one_response(&peer).body, b"012", "{what}");
    }
}

#[test]
fn the_corpus_in_one_piece_and_in_every_other() {
    for case in cases() {
        for cut in [1, 2, 3, 5, 7, 64, case.request.len()] {
            check_case(&case, cut);
        }
    }
}

#[test]
fn the_corpus_is_large_and_says_why_nginx_differs() {
    let cases = cases();
    let agrees = |case: &&corpus::Case| case.nginx == Nginx::Agrees;
    assert!(cases.iter().filter(agrees).count() >= 60);
    let reasons = cases.iter().filter_map(|case| match case.nginx {
        Nginx::Agrees => None,
        Nginx::Differs(reason) => Some(reason),
    });
    assert!(reasons.into_iter().all(|reason| !reason.is_empty()));
}

#[test]
fn a_response_is_complete() {
    let server = start(&[]);
    let peer = server.connect();
    peer.send(get("/bytes/1024").as_bytes());
    let received = peer.take_received();
    let (response, length) = parse(&received, false, false).expect("complete");
    assert_eq!(length, received.len());
    let names: Vec<&str> = response
        .fields
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["server", "date", "content-type", "content-length"]);
    assert_eq!(response.field("content-length"), "1024");
    assert!(response.field("date").ends_with(" GMT") && response.field("date").len() == 29);
    assert_eq!(response.body.len(), 1024);
    assert!(response.body.starts_with(b"0123456789:;<=>?@ABC"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start(&[]);
    let peer = server.connect();
    let requests: String = (1..=100)
        .map(|length| get(&format!("/bytes/{length}")))
        .collect();
    peer.send(requests.as_bytes());
    let lengths: Vec<usize> = responses(&peer)
        .iter()
        .map(|response| response.body.len())
        .collect();
    assert_eq!(lengths, (1..=100).collect::<Vec<usize>>());
}

#[test]
fn head_has_the_head_of_get_and_no_body() {
    let server = start(&[]);
    let peer = server.connect();
    for path in [
        "/",
        "/bytes/1024",
        "/bytes/9999999",
        "/chunked/100000",
        "/nothing",
        "/echo",
    ] {
        let fields = |method: &str| {
            peer.send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            let received = peer.take_received();
            let (response, length) = parse(&received, true, false).expect("a head");
            if method == "HEAD" {
                assert_eq!(length, received.len(), "{path} has a body");
            } else {
                // What a slow peer would still have to get.
                drain_all(&peer);
            }
            (response.status, response.fields)
        };
        let head = fields("HEAD");
        assert_eq!(head, fields("GET"), "{path}");
    }
}

#[test]
fn allow_says_what_is_allowed() {
    let server = start(&[]);
    let peer = server.connect();
    for (method, path, status, allow) in [
        ("POST", "/", 405, "GET, HEAD, OPTIONS"),
        ("PUT", "/bytes/1", 405, "GET, HEAD, OPTIONS"),
        ("GET", "/echo", 405, "POST, OPTIONS"),
        ("OPTIONS", "/chunked/1", 204, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "*", 204, "GET, HEAD, POST, OPTIONS"),
    ] {
        peer.send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let response = one_response(&peer);
        assert_eq!(
            (response.status, response.field("allow")),
            (status, allow),
            "{method} {path}"
        );
        assert_eq!(response.field("content-length").is_empty(), status == 204);
    }
}

#[test]
fn echoes_keep_their_type_in_every_framing() {
    let server = start(&[("echo-buffer-max-bytes", "10")]);
    let chunked = "5\r\nhello\r\n1;x\r\n!\r\n0\r\nT: u\r\n\r\n";
    for cut in [1, 4, 1000] {
        let peer = server.connect();
        for (fields, body, echoed, streams) in [
            ("Content-Length: 6", "hello!", "hello!", false),
            ("Transfer-Encoding: chunked", chunked, "hello!", false),
            ("Content-Length: 11", "hello world", "hello world", false),
            (
                "Transfer-Encoding: chunked",
                "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n",
                "hello world",
                true,
            ),
        ] {
            let request = format!(
                "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: a/b; c=d\r\n{fields}\r\n\r\n{body}"
            );
            for piece in request.as_bytes().chunks(cut) {
                peer.send(piece);
            }
            let response = one_response(&peer);
            assert_eq!(String::from_utf8_lossy(&response.body), echoed);
            assert_eq!(response.field("content-type"), "a/b; c=d");
            assert_eq!(
                response.field("transfer-encoding") == "chunked",
                streams,
                "{fields}"
            );
        }
    }
}

#[test]
fn a_long_echo_begins_before_its_body_is_complete() {
    let server = start(&[("echo-buffer-max-bytes", "10")]);
    let peer = server.connect();
    peer.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nhello");
    assert!(
        peer.take_received()
            .ends_with(b"Content-Length: 20\r\n\r\nhello")
    );
    peer.send(b" world");
    assert_eq!(peer.take_received(), b" world");
    // It can't be taken back, so that an error shows as an end that comes too early.
    let peer = server.connect();
    peer.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\nx");
    assert!(peer.is_disconnected());
    assert!(peer.take_received().ends_with(b"b\r\nhello world\r\n"));
}

#[test]
fn an_echo_to_a_slow_peer_is_not_read_for() {
    let clock = Clock::new();
    let server = start(&[]);
    let peer = server.connect();
    let length = 300 << 10;
    peer.send(
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").as_bytes(),
    );
    let piece = [b'x'; 50 << 10];
    for _ in 0..6 {
        peer.send(&piece);
    }
    assert!(peer.connection().is_reading_paused());
    let waiting = peer.received().len();
    assert!(
        waiting < 200 << 10,
        "{waiting} bytes wait for a peer that does not read"
    );
    // While it does not read, nothing changes; when it has read, all goes on.
    server.advance(&clock, Duration::from_secs(1));
    assert_eq!(peer.received().len(), waiting);
    let mut received = peer.drain();
    assert!(!peer.connection().is_reading_paused() || !peer.received().is_empty());
    server.advance(&clock, Duration::from_secs(1));
    received.extend(drain_all(&peer));
    let (response, _) = parse(&received, false, false).expect("complete");
    assert_eq!(response.body.len(), length);
}

#[test]
fn long_answers_are_produced_as_the_peer_reads() {
    for (path, version) in [
        ("/bytes/1000000", "1.1"),
        ("/chunked/1000000", "1.1"),
        ("/chunked/1000000", "1.0"),
    ] {
        let clock = Clock::new();
        let server = start(&[]);
        let peer = server.connect();
        let request = format!(
            "GET {path} HTTP/{version}\r\nHost: a\r\n\r\nGET / HTTP/{version}\r\nHost: a\r\n\r\n"
        );
        peer.send(request.as_bytes());
        server.advance(&clock, Duration::from_secs(3600));
        let waiting = peer.received().len();
        assert!(
            (64 << 10..200 << 10).contains(&waiting),
            "{waiting} bytes wait for a peer that does not read"
        );
        assert!(peer.connection().is_reading_paused());
        let received = drain_all(&peer);
        let (responses, rest) = parse_all(&received, peer.is_disconnected());
        assert!(rest.is_empty());
        assert_eq!(responses[0].body.len(), 1_000_000);
        let lines = responses[0].body.chunks(64);
        assert!(lines.clone().all(|line| line.starts_with(b"0123456789")));
        // Without chunks, the end of the connection is the end of the body.
        assert_eq!(responses.len(), if version == "1.0" { 1 } else { 2 });
        assert_eq!(peer.is_disconnected(), version == "1.0");
    }
}

#[test]
fn a_batch_of_many_long_answers_is_cut() {
    let clock = Clock::new();
    let server = start(&[]);
    let peer = server.connect();
    peer.send(get("/bytes/60000").repeat(100).as_bytes());
    let first = peer.received().len();
    assert!(first < 600 << 10, "{first} bytes at once");
    let mut received = Vec::new();
    while !peer.received().is_empty() {
        received.extend(peer.drain());
        server.advance(&clock, Duration::from_secs(1));
    }
    assert_eq!(parse_all(&received, false).0.len(), 100);
}

#[test]
fn what_is_held_is_bounded() {
    let _clock = Clock::new();
    let server = start(&[]);
    let peer = server.connect();
    peer.send(get("/bytes/1000000").as_bytes());
    // The host would not deliver it while reading is paused.
    peer.transport().resume_reading();
    for _ in 0..4 {
        peer.send(&[b'x'; 64 << 10]);
        peer.transport().resume_reading();
    }
    assert!(!peer.is_disconnected());
    peer.send(b"x");
    assert!(peer.is_disconnected());
}

#[test]
fn a_peer_that_closes_its_side_gets_what_it_asked_for() {
    let _clock = Clock::new();
    let server = start(&[]);
    let peer = server.connect();
    peer.send(get("/bytes/200000").repeat(2).as_bytes());
    peer.close();
    let received = drain_all(&peer);
    assert_eq!(parse_all(&received, true).0.len(), 2);
    assert!(peer.is_disconnected());
    let idle = server.connect();
    idle.close();
    assert!(idle.is_disconnected());
}

#[test]
fn what_takes_too_long_is_ended() {
    const CONFIG: &[(&str, &str)] = &[
        ("idle-timeout-ms", "30000"),
        ("head-timeout-ms", "2000"),
        ("body-timeout-ms", "5000"),
    ];
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n";
    let streamed = post.replace("99", "99999");
    for (request, timeout_ms, answers) in [
        ("", 30_000, 0),
        ("G", 2_000, 1),
        ("GET / HTTP/1.1\r\nHost: a\r\n", 2_000, 1),
        (post, 5_000, 1),
        // The answer has begun, so that there is no place for an error.
        (&streamed, 5_000, 0),
    ] {
        // As the first request, and behind another: then the time counts from there.
        for before in ["", &get("/")] {
            let clock = Clock::new();
            let server = start(CONFIG);
            let peer = server.connect();
            if !before.is_empty() {
                server.advance(&clock, Duration::from_secs(7));
                peer.send(before.as_bytes());
                peer.take_received();
            }
            peer.send(request.as_bytes());
            server.advance(&clock, Duration::from_millis(timeout_ms - 1));
            assert!(!peer.is_disconnected(), "{request:?}");
            server.advance(&clock, Duration::from_millis(1));
            assert!(peer.is_disconnected(), "{request:?}");
            check_timed_out(&peer, answers, request);
        }
    }
}

fn check_timed_out(peer: &HttpPeer, answers: usize, request: &str) {
    let received = peer.take_received();
    let (responses, _) = parse_all(&received, false);
    let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
    assert_eq!(statuses, vec![408; answers], "{request:?}");
}

#[test]
fn requests_move_the_deadline_and_dripping_does_not() {
    let clock = Clock::new();
    let server = start(&[("head-timeout-ms", "2000"), ("idle-timeout-ms", "3000")]);
    let peer = server.connect();
    for _ in 0..100 {
        server.advance(&clock, Duration::from_millis(1000));
        peer.send(get("/").as_bytes());
    }
    assert_eq!(responses(&peer).len(), 100);
    for _ in 0..3 {
        assert!(!peer.is_disconnected());
        peer.send(b"x");
        server.advance(&clock, Duration::from_millis(667));
    }
    assert_eq!(one_response(&peer).status, 408);
}

#[test]
fn a_wrong_configuration_is_refused() {
    for (key, value) in [("head-timeout-ms", "soon"), ("no-such-key", "1")] {
        let error = Server::<HttpFactory>::start(&[(key, value)]).expect_err("an error");
        assert!(error.contains(key), "{error}");
    }
}
