//! What a reactor promises to the driver, on real sockets: whatever it learns of readiness by.

use std::io::{ErrorKind, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{Accept, Bound, Event, ListenerToken, Reactor, Read, Token};
use crate::core::{Sent, Wire as _};

const PATIENCE: Duration = Duration::from_secs(10);
/// For what is not to happen.
const A_WHILE: Duration = Duration::from_millis(30);

/// A reactor that listens.
struct Port {
    reactor: Reactor,
    listener: ListenerToken,
    address: SocketAddr,
}

impl Port {
    fn new() -> Self {
        let mut reactor = Reactor::new().unwrap();
        let endpoint = "tcp:127.0.0.1:0".parse().unwrap();
        let bound = Bound::to(&endpoint).unwrap();
        let address = bound.address();
        let listener = reactor.listen(bound).unwrap();
        Self {
            reactor,
            listener,
            address,
        }
    }

    /// Accepts one peer. Its socket is not adopted yet.
    fn accept(&mut self) -> (super::Socket, TcpStream) {
        let peer = TcpStream::connect(self.address).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let begun = Instant::now();
        loop {
            match self.reactor.accept(self.listener) {
                Accept::Socket { socket, .. } => return (socket, peer),
                Accept::WouldBlock => assert!(begun.elapsed() < PATIENCE),
                other => panic!("{other:?}"),
            }
        }
    }

    /// A peer, and its socket, which has reported that it is writable.
    fn connection(&mut self) -> (Token, TcpStream) {
        let (socket, peer) = self.accept();
        let token = self.reactor.adopt(socket).unwrap();
        self.wait(
            |event| matches!(event, Event::Ready { token: of, writable: true, .. } if *of == token),
        );
        (token, peer)
    }

    /// All events until one fits.
    #[track_caller]
    fn wait(&mut self, fits: impl Fn(&Event) -> bool) -> Vec<Event> {
        let begun = Instant::now();
        let mut events = Vec::new();
        while !events.iter().any(&fits) {
            assert!(begun.elapsed() < PATIENCE, "{events:?}");
            self.reactor.poll(Some(A_WHILE), &mut events).unwrap();
        }
        events
    }

    #[track_caller]
    fn wait_readable(&mut self, token: Token) -> Vec<Event> {
        self.wait(|event| is_readable(event, token))
    }

    /// All events within a while.
    fn settle(&mut self) -> Vec<Event> {
        let begun = Instant::now();
        let mut events = Vec::new();
        while begun.elapsed() < A_WHILE {
            self.reactor.poll(Some(A_WHILE), &mut events).unwrap();
        }
        events
    }

    /// The events of one poll that waits.
    fn settle_once(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        let timeout = Some(Duration::from_millis(1));
        self.reactor.poll(timeout, &mut events).unwrap();
        events
    }

    fn read(&mut self, token: Token) -> Read {
        let mut buffer = [0; 4096];
        self.reactor.socket(token).unwrap().read(&mut buffer)
    }
}

fn is_readable(event: &Event, token: Token) -> bool {
    matches!(event, Event::Ready { token: of, readable: true, .. } if *of == token)
}

#[test]
fn what_came_before_it_was_adopted_is_reported() {
    let mut port = Port::new();
    let (socket, mut peer) = port.accept();
    peer.write_all(b"early").unwrap();
    while SockRef::from(socket.stream())
        .peek(&mut [MaybeUninit::uninit(); 5])
        .unwrap_or(0)
        < 5
    {}
    let token = port.reactor.adopt(socket).unwrap();
    port.wait_readable(token);
    assert!(matches!(port.read(token), Read::Bytes { count: 5, .. }));
}

#[test]
fn what_waits_is_known_and_kept_even_over_a_reset() {
    let mut port = Port::new();
    let (token, mut peer) = port.connection();
    let socket = port.reactor.socket(token).unwrap();
    assert_eq!(socket.waiting_bytes(), 0);
    let wire = socket.direct_wire().upgrade().unwrap();
    assert_eq!(wire.receive(&mut [0; 8]), 0);
    peer.write_all(b"what waits").unwrap();
    port.wait_readable(token);
    let traffic_before = port.reactor.traffic(token).unwrap();
    assert_eq!(port.reactor.socket(token).unwrap().waiting_bytes(), 10);
    let mut received = [0; 4];
    assert_eq!(wire.receive(&mut received), 4);
    assert_eq!(&received, b"what");
    assert_eq!(port.reactor.socket(token).unwrap().waiting_bytes(), 6);
    SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(peer);
    port.wait(|event| matches!(event, Event::Ready { hung_up: true, .. }));
    assert_eq!(port.reactor.socket(token).unwrap().waiting_bytes(), 6);
    let mut received = [0; 8];
    assert_eq!(wire.receive(&mut received), 6);
    assert_eq!(&received[..6], b" waits");
    assert_eq!(wire.receive(&mut received), 0);
    let traffic = port.reactor.traffic(token).unwrap();
    assert_eq!(traffic.0 - traffic_before.0, 10);
}

#[test]
fn each_arrival_is_reported_once() {
    let mut port = Port::new();
    let (token, mut peer) = port.connection();
    for _ in 0..3 {
        peer.write_all(b"x").unwrap();
        port.wait_readable(token);
        // Not read, and nothing new.
        assert_eq!(port.settle(), []);
    }
    assert!(matches!(port.read(token), Read::Bytes { count: 3, .. }));
    assert!(matches!(port.read(token), Read::WouldBlock));
    peer.write_all(b"y").unwrap();
    port.wait_readable(token);
}

#[test]
fn room_is_reported_after_there_was_none() {
    let mut port = Port::new();
    let (token, mut peer) = port.connection();
    let mut sent = 0;
    let bytes = vec![7; 64 << 10];
    while let Sent::Bytes(count) = port.reactor.socket(token).unwrap().send(&bytes) {
        sent += count;
    }
    let full = port.settle();
    let is_writable = |event: &Event| matches!(event, Event::Ready { writable: true, .. });
    assert!(!full.iter().any(is_writable), "{full:?}");
    let reading = thread::spawn(move || {
        let mut received = vec![0; sent];
        peer.read_exact(&mut received).unwrap();
        peer
    });
    port.wait(is_writable);
    reading.join().unwrap();
}

#[test]
fn the_end_of_a_peers_data_is_reported_with_the_data() {
    let mut port = Port::new();
    let (token, mut peer) = port.connection();
    peer.write_all(b"last").unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    let events = port.wait(|event| {
        matches!(
            event,
            Event::Ready {
                read_closed: true,
                ..
            }
        )
    });
    assert!(events.iter().any(|event| is_readable(event, token)));
    let hung_up = |event: &Event| matches!(event, Event::Ready { hung_up: true, .. });
    assert!(!events.iter().any(hung_up), "{events:?}");
    assert!(matches!(port.read(token), Read::Bytes { count: 4, .. }));
    assert!(matches!(port.read(token), Read::Closed));
}

#[test]
fn a_reset_is_reported() {
    let mut port = Port::new();
    let (token, peer) = port.connection();
    SockRef::from(&peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(peer);
    port.wait(|event| {
        matches!(
            event,
            Event::Ready {
                hung_up: true,
                readable: true,
                ..
            }
        )
    });
    assert!(port.reactor.socket(token).unwrap().take_error().is_some());
    // It is reported once, not again and again.
    assert!(port.settle().len() < 3);
}

#[test]
fn a_closed_socket_is_closed_with_the_next_poll() {
    let mut port = Port::new();
    let (token, mut peer) = port.connection();
    port.reactor.close(token);
    let mut events = Vec::new();
    port.reactor
        .poll(Some(Duration::ZERO), &mut events)
        .unwrap();
    port.reactor
        .poll(Some(Duration::ZERO), &mut events)
        .unwrap();
    assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(events, []);
}

#[test]
fn a_socket_is_closed_although_its_wake_up_is_under_way() {
    let mut port = Port::new();
    for _ in 0..20 {
        let (token, mut peer) = port.connection();
        peer.write_all(b"x").unwrap();
        port.reactor.abort(token);
        // Nobody's token.
        assert_eq!(port.settle_once(), []);
        let end = peer.read(&mut [0; 8]).unwrap_err();
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn a_closed_socket_is_no_longer_watched_although_somebody_holds_it() {
    let mut port = Port::new();
    let (token, mut peer) = port.connection();
    let socket = port.reactor.socket(token).unwrap();
    let held = socket.direct_wire().upgrade().unwrap();
    port.reactor.close(token);
    peer.write_all(b"x").unwrap();
    assert_eq!(port.settle(), []);
    assert_eq!(held.receive(&mut [0; 8]), 1);
}

#[test]
fn what_is_accepted_does_not_wait_for_acknowledgements() {
    let mut port = Port::new();
    let (socket, _peer) = port.accept();
    assert!(SockRef::from(socket.stream()).tcp_nodelay().unwrap());
}

#[test]
fn a_tokens_next_socket_gets_none_of_the_last_ones_events() {
    let mut port = Port::new();
    let (old, mut old_peer) = port.connection();
    let (socket, mut peer) = port.accept();
    port.settle();
    old_peer.write_all(b"old").unwrap();
    drop(old_peer);
    // Armed and given up without a poll in between, and its descriptor given to somebody else.
    port.reactor.close(old);
    let (short_lived, _other_peer) = port.accept();
    let short_lived = port.reactor.adopt(short_lived).unwrap();
    port.reactor.close(short_lived);
    let token = port.reactor.adopt(socket).unwrap();
    assert_eq!(token, old);
    let events = port.settle();
    assert!(
        !events.iter().any(|event| is_readable(event, token)),
        "{events:?}"
    );
    peer.write_all(b"new").unwrap();
    port.wait_readable(token);
    assert!(matches!(port.read(token), Read::Bytes { count: 3, .. }));
}

#[test]
fn more_sockets_than_the_kernel_takes_at_once() {
    const MANY: usize = 300;
    let mut port = Port::new();
    let mut all: Vec<_> = (0..MANY)
        .map(|_| {
            let (socket, peer) = port.accept();
            (port.reactor.adopt(socket).unwrap(), peer)
        })
        .collect();
    for (_, peer) in &mut all {
        peer.write_all(b"x").unwrap();
    }
    let begun = Instant::now();
    let mut events = Vec::new();
    while !all
        .iter()
        .all(|(token, _)| events.iter().any(|event| is_readable(event, *token)))
    {
        assert!(begun.elapsed() < PATIENCE);
        port.reactor.poll(Some(A_WHILE), &mut events).unwrap();
    }
    for (token, _) in &all {
        port.reactor.close(*token);
    }
    port.settle();
    for (_, mut peer) in all {
        // What was not read makes it a reset.
        let end = peer.read(&mut [0; 8]).unwrap_err();
        assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn peers_and_mail_wake_it() {
    let mut port = Port::new();
    let _peer = TcpStream::connect(port.address).unwrap();
    let listener = port.listener;
    port.wait(|event| *event == Event::Acceptable(listener));
    let (mailbox, mail) = port.reactor.mailbox().unwrap();
    for number in 0..3 {
        let mailbox = mailbox.clone();
        let sending = thread::spawn(move || mailbox.send(number));
        let mut events = Vec::new();
        while !events.contains(&Event::Mail) {
            port.reactor.poll(None, &mut events).unwrap();
        }
        sending.join().unwrap();
        assert_eq!(mail.recv(), Ok(number));
    }
    port.reactor.stop_listening(listener);
    assert!(TcpStream::connect(port.address).is_err());
}

#[test]
fn it_waits_as_long_as_it_is_told() {
    let mut port = Port::new();
    let (_token, _peer) = port.connection();
    port.settle();
    let begun = Instant::now();
    let mut events = Vec::new();
    port.reactor
        .poll(Some(Duration::ZERO), &mut events)
        .unwrap();
    assert!(begun.elapsed() < A_WHILE);
    port.reactor.poll(Some(A_WHILE), &mut events).unwrap();
    assert!(begun.elapsed() >= A_WHILE && begun.elapsed() < PATIENCE);
    assert_eq!(events, []);
}

#[test]
fn it_is_made_on_one_thread_and_polled_on_another() {
    let mut port = Port::new();
    thread::spawn(move || {
        let (token, mut peer) = port.connection();
        peer.write_all(b"x").unwrap();
        port.wait_readable(token);
    })
    .join()
    .unwrap();
}

#[test]
fn what_was_closed_last_is_closed_when_the_reactor_is_dropped() {
    let mut port = Port::new();
    let (token, mut peer) = port.connection();
    let (_open, mut other) = port.connection();
    port.reactor.close(token);
    drop(port);
    assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(other.read(&mut [0; 8]).unwrap(), 0);
}
