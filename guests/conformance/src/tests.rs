//! The commands against the SDK's fakes: those that the suite's scripts cannot tell from the outside, and the quick ones.

use super::*;
use wisted_guest::testing::{Clock, Pages, Peer, Server, take_log};

fn ask(peer: &Peer<ConformanceFactory>, commands: &str) -> String {
    peer.send_bytewise(commands.as_bytes());
    String::from_utf8(peer.take_received()).unwrap()
}

#[test]
fn lines_and_bytes() {
    let server = Server::<ConformanceFactory>::start(&[("key", "value")]).unwrap();
    let peer = server.connect();
    assert_eq!(
        ask(&peer, "line a b\nwhat now\necho x\n"),
        "a b\nerror unknown command: what\nerror not a number up to 2147483648: x\n"
    );
    assert_eq!(
        ask(&peer, "echo 5\nab\ncdmany 3\necho 0\n"),
        "ab\ncd0\n1\n2\n"
    );
    assert_eq!(
        ask(&peer, "config key\nconfig other\n"),
        "config value\nconfig\n"
    );
    assert_eq!(ask(&peer, "random 8\n").len(), 17);
    assert_eq!(ask(&peer, "log warn a text\n"), "logged\n");
    assert_eq!(ask(&peer, "netstring\n5:hello,"), "5:hello,");
    assert_eq!(take_log(), [(log::Level::Warn, "a text".to_owned())]);
}

#[test]
fn time() {
    let clock = Clock::new();
    let server = Server::<ConformanceFactory>::start(&[]).unwrap();
    let peer = server.connect();
    assert_eq!(
        ask(&peer, "cancel 5\nsleep 7\nwait 3\nnow\n"),
        "cancelled true\ncancelled false\nslept\nwaited\nnow 10000000\n"
    );
    assert_eq!(ask(&peer, "later 5 tea\npause 3\n"), "");
    server.advance(&clock, Duration::from_millis(5));
    assert_eq!(peer.take_received(), b"resumed\nlater tea\n");
}

#[test]
fn pages() {
    let (_clock, pages) = (Clock::new(), Pages::new());
    pages.respond("http://a/", "four");
    let server = Server::<ConformanceFactory>::start(&[]).unwrap();
    let peer = server.connect();
    assert_eq!(
        ask(&peer, "fetch-wait http://a/ http://b/\n"),
        "page 200 4\npage error connect\n"
    );
    assert_eq!(ask(&peer, "post http://a/ body\n"), "page 200 4\n");
}

#[test]
fn state_is_handed_over() {
    let old = Server::<ConformanceFactory>::start(&[]).unwrap();
    assert_eq!(old.save_state(), b"");
    assert_eq!(
        ask(&old.connect(), "recall\nkeep a b\n"),
        "recalled\nkept\n"
    );
    let state = old.save_state();
    let new = Server::<ConformanceFactory>::start(&[]).unwrap();
    assert_eq!(
        new.restore_state(b"spoilt"),
        Err("the state is spoilt".to_owned())
    );
    new.restore_state(&state).unwrap();
    assert_eq!(ask(&new.connect(), "recall\n"), "recalled a b\n");
}
