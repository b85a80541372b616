//! What a guest may record in one call, and what becomes of it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn exchange(limits: Limits) -> Shared {
    Shared::new(Arc::new(limits))
}

/// A wire that takes so many bytes, a thousand at a time.
#[derive(Debug)]
struct Room(AtomicUsize);

impl DirectWire for Room {
    fn send(&self, bytes: &[u8]) -> Sent {
        let count = bytes.len().min(1_000).min(self.0.load(Ordering::Relaxed));
        self.0.fetch_sub(count, Ordering::Relaxed);
        match count {
            0 => Sent::Full,
            count => Sent::Bytes(count),
        }
    }

    fn receive(&self, _: &mut [u8]) -> usize {
        0
    }
}

fn made(exchange: &mut Exchange) -> ConnectionNumber {
    made_with(exchange, &Arc::new(Room(AtomicUsize::new(0))))
}

fn made_with(exchange: &mut Exchange, room: &Arc<Room>) -> ConnectionNumber {
    let wire: Weak<Room> = Arc::downgrade(room);
    exchange.connection_made(7, SocketAddr::from(([127, 0, 0, 1], 9)), None, wire)
}

#[test]
fn a_large_write_goes_out_at_once_while_nothing_is_before_it() {
    let room = Arc::new(Room(AtomicUsize::new(20_500)));
    let shared = exchange(Limits::default());
    let mut exchange = shared.lock();
    let number = made_with(&mut exchange, &room);
    let large: Vec<u8> = (0..DIRECT_WRITE_MIN_BYTES).map(|n| n as u8).collect();

    exchange.record_write(number, &[&large]).unwrap();
    assert_eq!(exchange.buffered_bytes(number).unwrap(), 0);
    exchange.record_write(number, &[&large]).unwrap();
    let rest = 2 * large.len() - 20_500;
    assert_eq!(exchange.buffered_bytes(number).unwrap(), rest);
    let outbox = exchange.take_outbox();
    assert!(matches!(
        outbox.commands[..],
        [Command::Transport(1, TransportCommand::Write(count))] if count == rest
    ));
    assert_eq!(outbox.bytes, large[large.len() - rest..]);

    room.0.store(usize::MAX, Ordering::Relaxed);
    // Something is before it: recorded in the same batch, or with the operating system not yet.
    exchange.record_write(number, &[b"small"]).unwrap();
    exchange.record_write(number, &[&large]).unwrap();
    assert_eq!(exchange.take_outbox().bytes.len(), 5 + large.len());
    if let Some(view) = exchange.connections.get_mut(number) {
        view.buffered_bytes = 1;
    }
    exchange.record_write(number, &[&large]).unwrap();
    assert_eq!(exchange.take_outbox().bytes.len(), large.len());
    // The socket is gone.
    if let Some(view) = exchange.connections.get_mut(number) {
        view.buffered_bytes = 0;
    }
    drop(room);
    exchange.record_write(number, &[&large]).unwrap();
    assert_eq!(exchange.take_outbox().bytes.len(), large.len());
}

#[test]
fn consecutive_writes_to_one_connection_become_one() {
    let shared = exchange(Limits::default());
    let mut exchange = shared.lock();
    let (first, second) = (made(&mut exchange), made(&mut exchange));
    exchange.record_write(first, &[b"a", b"b"]).unwrap();
    exchange.record_write(first, &[b"c"]).unwrap();
    exchange.record_write(second, &[b"d"]).unwrap();
    assert_eq!(exchange.buffered_bytes(first).unwrap(), 3);
    let outbox = exchange.take_outbox();
    assert_eq!(outbox.bytes, b"abcd");
    assert!(matches!(
        outbox.commands[..],
        [
            Command::Transport(1, TransportCommand::Write(3)),
            Command::Transport(2, TransportCommand::Write(1)),
        ]
    ));
    assert_eq!(exchange.buffered_bytes(first).unwrap(), 0);
}

#[test]
fn a_number_that_was_never_given_is_an_error_and_a_lost_one_is_not() {
    let shared = exchange(Limits::default());
    let mut exchange = shared.lock();
    let number = made(&mut exchange);
    assert!(exchange.record_write(0, &[b"x"]).is_err());
    assert!(exchange.record_write(number + 1, &[b"x"]).is_err());
    exchange.connections.remove(number);
    exchange.record_write(number, &[b"x"]).unwrap();
    assert_eq!(exchange.buffered_bytes(number).unwrap(), 0);
}

#[test]
fn more_than_the_write_buffer_is_recorded_as_one_overflow() {
    let shared = exchange(Limits {
        write_buffer_max_bytes: 9,
        ..Limits::default()
    });
    let mut exchange = shared.lock();
    let number = made(&mut exchange);
    if let Some(view) = exchange.connections.get_mut(number) {
        view.buffered_bytes = 4;
    }
    for _ in 0..3 {
        exchange.record_write(number, &[b"abc"]).unwrap();
    }
    assert!(
        exchange.record_write(number, &[b"x"]).is_err(),
        "more than any peer could have read"
    );
    let outbox = exchange.take_outbox();
    assert!(matches!(
        outbox.commands[..],
        [
            Command::Transport(1, TransportCommand::Write(3)),
            Command::Transport(1, TransportCommand::Overflow),
        ]
    ));
    assert_eq!(outbox.bytes, b"abc");
}

#[test]
fn a_handler_records_no_more_than_its_limits() {
    let shared = exchange(Limits {
        commands_max: 2,
        outbox_max_bytes: 4,
        ..Limits::default()
    });
    let mut exchange = shared.lock();
    let number = made(&mut exchange);
    assert!(exchange.record_write(number, &[b"abcde"]).is_err());
    exchange.record(Command::Cancel(1)).unwrap();
    exchange.record(Command::Cancel(1)).unwrap();
    assert!(exchange.record(Command::Cancel(1)).is_err());
}
