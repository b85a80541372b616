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

/// What the guest's side does with an open window. Returns whether it has room for that.
fn write_through(shared: &Shared, connection: ConnectionNumber, bytes: &[u8]) -> bool {
    let window = &shared.0.window;
    let [at, end, open] = [&window.at, &window.end, &window.connection].map(|field| {
        let word = field.load(Ordering::Relaxed);
        usize::try_from(word).unwrap()
    });
    if open != connection as usize || end - at < bytes.len() {
        return false;
    }
    // SAFETY: as the window says.
    #[allow(unsafe_code)]
    unsafe {
        let to = std::ptr::with_exposed_provenance_mut(at);
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
    }
    window
        .at
        .store((at + bytes.len()) as u64, Ordering::Relaxed);
    window.from.store(50, Ordering::Relaxed);
    window.memory_pages.store(3, Ordering::Relaxed);
    true
}

/// An exchange in a call to a guest that has written before.
fn in_call(limits: Limits) -> (Shared, ConnectionNumber) {
    let shared = exchange(limits);
    let mut exchange = shared.lock();
    let number = made(&mut exchange);
    exchange.memory = LinearMemory::new(1 << 20, 2 << 16);
    exchange.lend_outbox(Box::default());
    drop(exchange);
    (shared, number)
}

fn data(number: ConnectionNumber, length: usize) -> Call {
    Call::DataReceived(number, vec![b'd'; length + SLACK_BYTES], length)
}

fn open(shared: &Shared, number: ConnectionNumber) {
    let call = shared.through_window(&mut shared.lock(), data(number, 5));
    assert!(matches!(call, Call::DataShown(_, _, 5)), "{call:?}");
}

#[test]
fn what_is_written_through_the_window_is_recorded() {
    let (shared, number) = in_call(Limits::default());
    open(&shared, number);
    for text in ["one, ", "", "two"] {
        assert!(write_through(&shared, number, text.as_bytes()));
    }
    let mut exchange = shared.lock();
    assert!(!write_through(&shared, number, b"closed"));
    assert_eq!(exchange.buffered_bytes(number).unwrap(), 8);
    assert_eq!(exchange.written_at, (1 << 20) + 50);
    exchange.record_write(number, &[b", three"]).unwrap();
    let outbox = exchange.take_outbox();
    assert_eq!(outbox.bytes, b"one, two, three");
    assert!(matches!(
        outbox.commands[..],
        [Command::Transport(1, TransportCommand::Write(15))]
    ));
    assert_eq!(exchange.buffered_bytes(number).unwrap(), 0);
}

#[test]
fn nothing_written_through_the_window_is_no_command() {
    let (shared, number) = in_call(Limits::default());
    open(&shared, number);
    assert!(shared.lock().take_outbox().commands.is_empty());
}

#[test]
fn the_window_has_room_for_what_no_limit_forbids() {
    let limits = |write_buffer_max_bytes, outbox_max_bytes| Limits {
        write_buffer_max_bytes,
        outbox_max_bytes,
        ..Limits::default()
    };
    for (limits, buffered_bytes, room) in [
        (limits(9, 100), 4, 5),
        (limits(9, 100), 9, 0),
        (limits(9, 100), 10, 0),
        (limits(100, 7), 4, 7),
        (Limits::default(), 0, WINDOW_BYTES),
    ] {
        let (shared, number) = in_call(limits);
        if let Some(view) = shared.lock().connections.get_mut(number) {
            view.buffered_bytes = buffered_bytes;
        }
        open(&shared, number);
        assert!(!write_through(&shared, number, &vec![b'x'; room + 1]));
        assert!(!write_through(&shared, number + 1, b"x"));
        assert!(write_through(&shared, number, &vec![b'x'; room]));
        let mut exchange = shared.lock();
        let buffered = exchange.buffered_bytes(number).unwrap();
        assert_eq!(buffered, buffered_bytes + room);
        assert_eq!(exchange.take_outbox().bytes.len(), room);
    }
}

#[test]
fn the_window_stays_closed_behind_a_write_and_for_a_lost_connection() {
    let (shared, number) = in_call(Limits::default());
    shared.lock().record_write(number, &[b"first"]).unwrap();
    open(&shared, number);
    assert!(!write_through(&shared, number, b"second"));
    let (shared, number) = in_call(Limits::default());
    if let Some(view) = shared.lock().connections.get_mut(number) {
        view.lost = Some(CloseReason::Done);
    }
    open(&shared, number);
    assert!(!write_through(&shared, number, b"to nobody"));
    let (shared, _) = in_call(Limits {
        commands_max: 0,
        ..Limits::default()
    });
    open(&shared, 1);
    assert!(!write_through(&shared, 1, b"too much"));
}

#[test]
fn long_data_and_those_of_a_guest_that_has_not_written_take_the_usual_way() {
    let (shared, number) = in_call(Limits::default());
    let is_shown = |call| {
        let call = shared.through_window(&mut shared.lock(), call);
        matches!(call, Call::DataShown(..))
    };
    assert!(is_shown(data(number, 2_047)));
    assert!(!is_shown(data(number, 2_048)));
    let without_slack = vec![0; 5 + SLACK_BYTES - 1];
    assert!(!is_shown(Call::DataReceived(number, without_slack, 5)));
    assert!(!is_shown(Call::Drained(number)));
    shared.lock().memory = LinearMemory::default();
    assert!(!is_shown(data(number, 5)));
}
