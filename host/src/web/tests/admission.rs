//! How many fetches may be under way and wait, and what frees a place.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::server::{Answer, Event, Server};
use super::*;

/// A server whose answers wait for the gate, and a client that may have so many.
fn gated(limits: WebLimits) -> (Arc<Semaphore>, Server, Client) {
    let gate = Arc::new(Semaphore::new(0));
    let servers = gate.clone();
    let server = Server::start(move |request| match request.starts_with("GET /open") {
        true => Answer::ok("page"),
        false => Answer::Gated(servers.clone(), b"HTTP/1.1 204 OK\r\n\r\n".to_vec()),
    });
    let client = Client::with_limits(&[&format!("localhost:{}", server.port())], limits);
    (gate, server, client)
}

fn get(server: &Server) -> Request {
    Request::get(format!("http://localhost:{}/", server.port()))
}

fn limits(fetches_max: u32, fetches_queued_max: u32) -> WebLimits {
    WebLimits {
        fetches_max,
        fetches_queued_max,
        ..WebLimits::default()
    }
}

fn status(told: &mpsc::Receiver<Page>) -> u16 {
    let page = told.recv_timeout(PATIENCE).expect("an outcome");
    page.expect("a page").status
}

#[test]
fn no_more_are_under_way_than_may() {
    let (gate, server, client) = gated(limits(2, 10));
    let fetches: Vec<_> = (0..6).map(|_| client.start(get(&server))).collect();
    server.request();
    server.request();
    // Whoever else was under way would have come while another client was served several times.
    let other = Client::new(&[&format!("localhost:{}", server.port())]);
    for _ in 0..5 {
        let page = other.get(&format!("http://localhost:{}/open", server.port()));
        assert_eq!(page.expect("a page").body, b"page");
        assert!(server.request().starts_with("GET /open"));
    }
    assert_eq!(server.events_so_far(), []);
    gate.add_permits(6);
    for (_fetch, told) in &fetches {
        assert_eq!(status(told), 204);
    }
}

#[test]
fn a_full_queue_refuses_at_once() {
    let (gate, server, client) = gated(limits(1, 1));
    let (_first, first) = client.start(get(&server));
    let (second_fetch, _second) = client.start(get(&server));
    assert_eq!(
        client.send(get(&server)),
        Err(FetchError::TooManyRequests(1))
    );

    // One that is given up frees its place, as soon as the side thread has dropped it.
    drop(second_fetch);
    let (_third, third) = loop {
        let (fetch, told) = client.start(get(&server));
        client.catch_up();
        match told.try_recv() {
            Ok(Err(FetchError::TooManyRequests(1))) => continue,
            Err(mpsc::TryRecvError::Empty) => break (fetch, told),
            other => panic!("{other:?}"),
        }
    };
    gate.add_permits(2);
    assert_eq!((status(&first), status(&third)), (204, 204));
}

#[test]
fn whoever_is_told_finds_the_place_free() {
    let (gate, server, client) = gated(limits(1, 0));
    gate.add_permits(20);
    for _ in 0..20 {
        assert!(client.send(get(&server)).is_ok());
    }
}

#[test]
fn the_timeout_counts_while_waiting() {
    let (_gate, server, client) = gated(limits(1, 1));
    let (_first, _told) = client.start(get(&server));
    server.request();
    let request = Request {
        timeout_ms: 20,
        ..get(&server)
    };
    assert_eq!(client.send(request), Err(FetchError::Timeout));
    assert_eq!(server.events_so_far(), []);
}

#[test]
fn cancelling_what_is_under_way_lets_the_next_one_begin() {
    let (gate, server, client) = gated(limits(1, 1));
    let (first, _told) = client.start(get(&server));
    server.request();
    let (_second, told) = client.start(get(&server));
    drop(first);
    // The gate lets the abandoned answer pass as well: its server does not know.
    server.request();
    gate.add_permits(2);
    assert_eq!(status(&told), 204);
}

#[test]
fn bodies_are_bounded_together() {
    let (gate, server, client) = gated(WebLimits {
        bodies_max_bytes: 10,
        ..WebLimits::default()
    });
    let post = |length: usize| Request {
        method: "POST".to_owned(),
        body: vec![b'x'; length],
        ..get(&server)
    };
    let error = client.send(post(11)).expect_err("no page");
    assert!(matches!(error, FetchError::InvalidRequest(_)), "{error:?}");

    let (_first, first) = client.start(post(6));
    let page = client.send(post(5));
    assert_eq!(page, Err(FetchError::TooManyRequests(1_000)));
    let (_second, second) = client.start(post(4));
    gate.add_permits(2);
    assert_eq!((status(&first), status(&second)), (204, 204));
}

#[test]
fn ending_the_side_thread_ends_its_fetches() {
    let server = Server::start(|_| Answer::Stall(Vec::new()));
    let client = Client::new(&[&format!("localhost:{}", server.port())]);
    let (_fetch, told) = client.start(get(&server));
    server.request();
    let Client { web, side } = client;
    drop(side);
    assert_eq!(server.event(), Event::Closed);
    assert_eq!(
        told.recv_timeout(PATIENCE),
        Err(mpsc::RecvTimeoutError::Disconnected)
    );
    // Too late, but no reason to panic.
    let (tell, told) = mpsc::channel();
    let _late = web.fetch(get(&server), move |page| {
        let _ = tell.send(page);
    });
    assert_eq!(
        told.recv_timeout(PATIENCE),
        Err(mpsc::RecvTimeoutError::Disconnected)
    );
}
