//! Pages over plain HTTP, and everything that may be wrong with them.

use std::net::{Ipv4Addr, TcpListener};

use super::server::{Answer, Event, Server};
use super::*;

fn url(server: &Server, path: &str) -> String {
    format!("http://localhost:{}{path}", server.port())
}

fn client_of(server: &Server) -> Client {
    Client::new(&[&format!("localhost:{}", server.port())])
}

fn limited(server: &Server, limits: WebLimits) -> Client {
    Client::with_limits(&[&format!("localhost:{}", server.port())], limits)
}

#[test]
fn a_page_arrives_with_its_headers() {
    let server = Server::start(|_| {
        let mut answer = b"HTTP/1.1 404 Not Found\r\nX-Name: \xe4\r\nX-Name: two\r\n".to_vec();
        answer.extend_from_slice(b"Set-Cookie: a=b\r\nContent-Length: 4\r\n\r\nbody");
        Answer::Bytes(answer)
    });
    let client = client_of(&server);
    let page = client
        .get(&url(&server, "/path?query#part"))
        .expect("a page");
    assert_eq!(
        (page.status, page.body.as_slice()),
        (404, b"body".as_slice())
    );
    assert_eq!(page.headers[0], ("x-name".to_owned(), "ä".to_owned()));
    assert_eq!(page.headers[1], ("x-name".to_owned(), "two".to_owned()));

    let request = server.request();
    assert!(
        request.starts_with("GET /path?query HTTP/1.1\r\n"),
        "{request}"
    );
    let agent = format!("user-agent: wisted/{}\r\n", env!("CARGO_PKG_VERSION"));
    assert!(request.contains(&agent), "{request}");
    assert!(!request.contains("accept-encoding"), "{request}");

    let _ = client.get(&url(&server, "/")).expect("a page");
    assert!(!server.request().contains("cookie"));
}

#[test]
fn method_headers_and_body_are_sent() {
    let server = Server::start(|_| Answer::ok("thanks"));
    let request = Request {
        method: "PUT".to_owned(),
        headers: vec![("X-Say".to_owned(), "hello".to_owned())],
        body: b"content".to_vec(),
        ..Request::get(url(&server, "/"))
    };
    let page = client_of(&server).send(request).expect("a page");
    assert_eq!(page.body, b"thanks");
    let request = server.request();
    assert!(request.starts_with("PUT / HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-say: hello\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\ncontent"), "{request}");
}

#[test]
fn the_longest_length_may_be_claimed_of_a_page_without_body() {
    let server =
        Server::start(|_| Answer::text("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n"));
    let mut request = Request::get(url(&server, "/"));
    request.method = "HEAD".to_owned();
    assert_eq!(client_of(&server).send(request).expect("a page").body, b"");
}

#[test]
fn what_is_not_granted_is_denied_with_what_to_grant() {
    let server = Server::start(|_| Answer::ok("secret"));
    let error = Client::new(&["example.org"]).get_error(&url(&server, "/"));
    let port = server.port();
    assert_eq!(
        error,
        FetchError::Denied(format!(
            "fetching http://localhost:{port}/ is not granted; start the service with --allow-fetch localhost:{port}"
        ))
    );
    assert_eq!(server.events_so_far(), []);
}

#[test]
fn a_granted_name_must_not_lead_to_this_host() {
    let server = Server::start(|_| Answer::ok("secret"));
    let port = server.port();
    let name = format!("rebound.test:{port}");
    let error = Client::new(&[&name]).get_error(&format!("http://{name}/"));
    let FetchError::Denied(text) = &error else {
        panic!("{error:?}");
    };
    assert!(text.contains("a loopback address"), "{text}");
    assert!(
        text.ends_with(&format!("--allow-fetch 127.0.0.1:{port}")),
        "{text}"
    );
    assert_eq!(server.events_so_far(), []);

    let both = Client::new(&[&name, &format!("127.0.0.1:{port}")]);
    assert!(both.get(&format!("http://{name}/")).is_ok());
}

#[test]
fn an_address_is_fetched_from_when_it_is_granted() {
    let server = Server::start(|_| Answer::ok("page"));
    let address = server.address.to_string();
    assert!(
        Client::new(&[&address])
            .get(&format!("http://{address}/"))
            .is_ok()
    );
}

#[test]
fn names_that_lead_nowhere_are_told_from_hosts_that_refuse() {
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let address = unused.local_addr().expect("its address").to_string();
    drop(unused);
    let client = Client::new(&["nonexistent.invalid", "nowhere.test", &address]);
    for name in ["nonexistent.invalid", "nowhere.test"] {
        let error = client.get_error(&format!("http://{name}/"));
        assert!(
            matches!(&error, FetchError::Dns(text) if text.contains(name)),
            "{error:?}"
        );
    }
    let error = client.get_error(&format!("http://{address}/"));
    assert!(
        matches!(&error, FetchError::Connect(text) if text.contains("refused")),
        "{error:?}"
    );
}

#[test]
fn rubbish_is_a_protocol_error() {
    for rubbish in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: minus one\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        let server = Server::start(move |_| Answer::Last(rubbish.into()));
        let error = client_of(&server).get_error(&url(&server, "/"));
        assert!(
            matches!(error, FetchError::Protocol(_)),
            "{rubbish:?}: {error:?}"
        );
    }
}

#[test]
fn an_answer_that_breaks_off_is_a_lost_connection() {
    for part in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
    ] {
        let server = Server::start(move |_| Answer::Last(part.into()));
        let error = client_of(&server).get_error(&url(&server, "/"));
        assert!(
            matches!(error, FetchError::Connect(_)),
            "{part:?}: {error:?}"
        );
    }
}

#[test]
fn headers_are_bounded() {
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-Many: x\r\n".repeat(10_000));
    let endless = format!("HTTP/1.1 200 OK\r\nX-Endless: {}", "x".repeat(2_000_000));
    for answer in [long, many, endless] {
        let server = Server::start(move |_| Answer::Stall(answer.clone().into_bytes()));
        let error = client_of(&server).get_error(&url(&server, "/"));
        assert!(matches!(error, FetchError::Protocol(_)), "{error:?}");
    }
}

#[test]
fn a_page_may_be_as_long_as_the_limit_and_no_longer() {
    let limits = || WebLimits {
        page_max_bytes: 10,
        ..WebLimits::default()
    };
    for (answer, fits) in [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
            true,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n1\r\n0\r\n",
            false,
        ),
        ("HTTP/1.1 200 OK\r\n\r\n0123456789x", false),
    ] {
        // None of them ends by closing: what is too long must be noticed before.
        let server = Server::start(move |_| Answer::Stall(answer.into()));
        let page = limited(&server, limits()).get(&url(&server, "/"));
        match fits {
            true => assert_eq!(page.expect("a page").body, b"0123456789"),
            false => assert_eq!(page, Err(FetchError::TooLarge(10)), "{answer:?}"),
        }
    }
}

#[test]
fn slow_servers_run_into_the_timeout() {
    for part in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0"] {
        let server = Server::start(move |_| Answer::Stall(part.into()));
        // The service's limit, and a shorter one of the request's own.
        for (limit_ms, timeout_ms) in [(50, 0), (50, u32::MAX), (30_000, 50)] {
            let limits = WebLimits {
                fetch_timeout_max_ms: limit_ms,
                ..WebLimits::default()
            };
            let request = Request {
                timeout_ms,
                ..Request::get(url(&server, "/"))
            };
            let page = limited(&server, limits).send(request);
            assert_eq!(page, Err(FetchError::Timeout));
        }
    }
}

#[test]
fn dropping_a_fetch_closes_its_connection() {
    for part in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0"] {
        let server = Server::start(move |_| Answer::Stall(part.into()));
        let client = client_of(&server);
        let (fetch, told) = client.start(Request::get(url(&server, "/")));
        server.request();
        drop(fetch);
        assert_eq!(server.event(), Event::Closed);
        // The other end of the channel is dropped, and nothing was sent.
        assert_eq!(
            told.recv_timeout(PATIENCE),
            Err(mpsc::RecvTimeoutError::Disconnected)
        );
    }
}

#[test]
fn connections_are_used_again() {
    let server = Server::start(|_| Answer::ok("page"));
    let client = client_of(&server);
    for _ in 0..3 {
        client.get(&url(&server, "/")).expect("a page");
    }
    let closed = |event: &Event| *event == Event::Closed;
    assert!(!server.events_so_far().iter().any(closed));
}

#[test]
fn a_wildcard_keeps_no_idle_connections() {
    let server = Server::start(|_| Answer::ok("page"));
    let port = server.port();
    let client = Client::new(&[&format!("*.test:{port}"), &format!("127.0.0.1:{port}")]);
    let url = format!("http://other.test:{port}/");
    client.get(&url).expect("a page");
    server.request();
    assert_eq!(server.event(), Event::Closed);
}

#[test]
fn invalid_requests_are_not_sent() {
    let client = Client::new(&["localhost"]);
    for url in ["gopher://localhost/", "http://user@localhost/", "nonsense"] {
        let error = client.get_error(url);
        assert!(matches!(error, FetchError::InvalidRequest(_)), "{error:?}");
    }
    let mut request = Request::get("http://localhost/".to_owned());
    request.headers = vec![("Host".to_owned(), "metadata.internal".to_owned())];
    let error = client.send(request).expect_err("no page");
    assert!(matches!(error, FetchError::InvalidRequest(_)), "{error:?}");
}
