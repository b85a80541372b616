//! Redirects: where they may lead, what goes with them, and how many.

use super::server::{Answer, Event, Server};
use super::*;

/// A server that redirects from `/` to wherever the test wants, and its port.
fn redirecting(status: u16, to: impl Fn(u16) -> String + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        let host = request
            .split("host: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next());
        let port = host.and_then(|host| host.rsplit(':').next()?.parse().ok());
        match request.split(' ').nth(1) {
            Some("/") => Answer::redirect(status, &to(port.expect("a port"))),
            _ => Answer::ok("there"),
        }
    })
}

fn url(server: &Server) -> String {
    format!("http://localhost:{}/", server.port())
}

fn grants(server: &Server) -> [String; 2] {
    let port = server.port();
    [format!("localhost:{port}"), format!("127.0.0.1:{port}")]
}

fn client(server: &Server) -> Client {
    let [name, address] = grants(server);
    Client::new(&[&name, &address])
}

fn post(server: &Server) -> Request {
    Request {
        method: "POST".to_owned(),
        headers: vec![
            ("Authorization".to_owned(), "Bearer secret".to_owned()),
            ("Content-Type".to_owned(), "text/plain".to_owned()),
        ],
        body: b"content".to_vec(),
        ..Request::get(url(server))
    }
}

#[test]
fn the_page_says_where_it_came_from() {
    let server = redirecting(302, |_| "/next".to_owned());
    let page = client(&server).get(&url(&server)).expect("a page");
    assert_eq!(
        (page.status, page.body.as_slice()),
        (200, b"there".as_slice())
    );
    assert_eq!(page.url, format!("{}next", url(&server)));
}

#[test]
fn method_and_body_go_along_where_http_says_so() {
    for (status, line, content) in [
        (301, "GET /next", false),
        (302, "GET /next", false),
        (303, "GET /next", false),
        (307, "POST /next", true),
        (308, "POST /next", true),
    ] {
        let server = redirecting(status, |_| "/next".to_owned());
        client(&server).send(post(&server)).expect("a page");
        server.request();
        let second = server.request();
        assert!(second.starts_with(line), "{status}: {second}");
        assert_eq!(second.ends_with("content"), content, "{status}: {second}");
        assert_eq!(
            second.contains("content-type"),
            content,
            "{status}: {second}"
        );
        assert!(second.contains("authorization: Bearer secret"), "{second}");
        assert!(!second.contains("referer"), "{second}");
    }
}

#[test]
fn secrets_do_not_go_along_to_another_host() {
    let server = redirecting(307, |port| format!("http://127.0.0.1:{port}/next"));
    client(&server).send(post(&server)).expect("a page");
    server.request();
    let second = server.request();
    assert!(second.ends_with("content"), "{second}");
    assert!(!second.contains("authorization"), "{second}");
}

#[test]
fn each_redirect_must_be_granted() {
    for (to, flag) in [
        (
            "http://169.254.169.254/latest",
            "--allow-fetch 169.254.169.254",
        ),
        ("http://localhost/", "--allow-fetch localhost"),
        ("//other.test:81/", "--allow-fetch other.test:81"),
    ] {
        let server = redirecting(302, move |_| to.to_owned());
        let error = client(&server).get_error(&url(&server));
        assert!(
            matches!(&error, FetchError::Denied(text) if text.ends_with(flag)),
            "{error:?}"
        );
    }
}

#[test]
fn the_addresses_behind_a_redirect_are_checked_too() {
    let server = redirecting(302, |port| format!("http://rebound.test:{port}/next"));
    let port = server.port();
    let client = Client::new(&[
        &format!("localhost:{port}"),
        &format!("rebound.test:{port}"),
    ]);
    let error = client.get_error(&url(&server));
    assert!(matches!(error, FetchError::Denied(_)), "{error:?}");
}

#[test]
fn redirects_lead_to_plain_http_urls_only() {
    for to in ["ftp://localhost/", "http://user:secret@localhost/"] {
        let server = redirecting(302, move |_| to.to_owned());
        let error = client(&server).get_error(&url(&server));
        assert!(matches!(error, FetchError::Denied(_)), "{to}: {error:?}");
    }
}

#[test]
fn redirects_are_counted() {
    let server = redirecting(302, |_| "/next".to_owned());
    let [name, _] = grants(&server);
    for (redirects_max, followed) in [(1, true), (0, false)] {
        let limits = WebLimits {
            redirects_max,
            ..WebLimits::default()
        };
        let page = Client::with_limits(&[&name], limits).get(&url(&server));
        match followed {
            true => assert!(page.is_ok(), "{page:?}"),
            false => assert_eq!(page, Err(FetchError::TooManyRedirects(0))),
        }
    }
}

#[test]
fn a_loop_ends_at_the_limit() {
    let server = redirecting(302, |_| "/".to_owned());
    let page = client(&server).get(&url(&server));
    assert_eq!(page, Err(FetchError::TooManyRedirects(10)));
    let events = server.events_so_far();
    let requests = events
        .iter()
        .filter(|event| matches!(event, Event::Request(_)));
    assert_eq!(requests.count(), 11);
}
