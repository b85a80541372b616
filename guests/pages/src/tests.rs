//! The program on a fake clock with fake pages.

use super::*;
use wisted_guest::testing::{self, Clock, Peer, Server};
use wisted_guest::{CloseReason, FetchError, WaitError, now};

/// The first page takes longer than the second.
fn connect() -> (Clock, Peer<PagesFactory>) {
    let (clock, web) = (Clock::new(), testing::Pages::new());
    web.respond_after(Duration::from_millis(300), "http://one/", [b'x'; 1000]);
    web.respond_after(Duration::from_millis(100), "http://two/", "two");
    web.fail("http://late/", FetchError::Timeout);
    let server = Server::start(&[("url1", "http://one/"), ("url2", "http://two/")]).unwrap();
    (clock, server.connect())
}

#[test]
fn callbacks_run_after_the_handler_in_order_of_arrival() {
    let (_clock, peer) = connect();
    peer.send_bytewise(b"go\n");
    assert_eq!(
        peer.take_received(),
        b"done\nhttp://two/ 3\nhttp://one/ 1000\n"
    );
    assert_eq!(now(), Duration::from_secs(2));
}

#[test]
fn waiting_has_the_pages_first_in_the_order_asked_for() {
    let (_clock, peer) = connect();
    peer.send_bytewise(b"wait\n");
    assert_eq!(
        peer.take_received(),
        b"http://one/ 1000\nhttp://two/ 3\ndone\n"
    );
    assert_eq!(now(), Duration::from_millis(2300));
}

#[test]
fn errors_are_told_and_a_peer_that_closes_gets_its_pages() {
    let (_clock, web) = (Clock::new(), testing::Pages::new());
    web.fail("http://late/", FetchError::Timeout);
    web.respond_after(Duration::from_secs(9), "http://one/", "1");
    let server =
        Server::<PagesFactory>::start(&[("url1", "http://late/"), ("url2", "http://one/")])
            .unwrap();
    let peer = server.connect();
    peer.send(b"\n");
    assert_eq!(
        peer.take_received(),
        b"done\nhttp://late/ error: the request timed out\n"
    );
    peer.close();
    assert_eq!(peer.take_received(), b"http://one/ 1\n");
    assert!(peer.is_disconnected());
}

#[test]
fn a_lost_connection_ends_the_naps() {
    let (clock, peer) = connect();
    clock.break_waits(WaitError::ConnectionLost(CloseReason::Done));
    peer.send(b"\n");
    assert!(!peer.received().ends_with(b"done\n"));
    assert_eq!(now(), Duration::ZERO);
}

#[test]
fn a_line_to_be_echoed_is_echoed_at_once() {
    let (_clock, peer) = connect();
    peer.send_bytewise(b"echo hello\n");
    assert_eq!(peer.take_received(), b"echo hello\n");
    assert_eq!(now(), Duration::ZERO);
}
