//! Tests of the connection's rules, on a fake wire and a fake clock.

use proptest::prelude::*;

use super::*;

/// A wire that takes `room` bytes and then is full.
#[derive(Default)]
struct FakeWire {
    sent: Vec<u8>,
    room: usize,
    shut: bool,
    broken: bool,
}

impl FakeWire {
    fn with_room(room: usize) -> Self {
        Self {
            room,
            ..Self::default()
        }
    }
}

impl Wire for FakeWire {
    fn send(&mut self, bytes: &[u8]) -> Sent {
        assert!(!self.shut, "sent after the shutdown");
        if self.broken {
            return Sent::Failed("broken pipe".into());
        }
        let count = bytes.len().min(self.room);
        self.room -= count;
        self.sent.extend_from_slice(&bytes[..count]);
        if count == 0 {
            Sent::Full
        } else {
            Sent::Bytes(count)
        }
    }

    fn shutdown_write(&mut self) {
        assert!(!self.shut, "shut twice");
        self.shut = true;
    }
}

const LIMITS: ConnectionLimits = ConnectionLimits {
    write_buffer_high_bytes: 10,
    write_buffer_low_bytes: 4,
    write_buffer_max_bytes: 20,
    write_stall_max: Duration::from_secs(30),
    write_bytes_per_second_max: None,
};

fn connection() -> (Connection, Instant) {
    let now = Instant::now();
    (Connection::new(LIMITS, now), now)
}

fn write(connection: &mut Connection, bytes: &[u8], wire: &mut FakeWire, now: Instant) {
    connection.apply(TransportCommand::Write(bytes.len()), bytes, wire, now);
}

#[test]
fn writes_go_straight_out_while_there_is_room() {
    let (mut connection, now) = connection();
    let mut wire = FakeWire::with_room(100);
    write(&mut connection, b"hello", &mut wire, now);
    assert_eq!(wire.sent, b"hello");
    assert!(!connection.wants_write());
}

#[test]
fn lose_connection_waits_for_the_flush() {
    let (mut connection, now) = connection();
    let mut wire = FakeWire::with_room(2);
    write(&mut connection, b"hello", &mut wire, now);
    connection.apply(TransportCommand::LoseConnection, &[], &mut wire, now);
    write(&mut connection, b"ignored", &mut wire, now);
    assert_eq!(connection.ending(), None);
    assert!(!connection.wants_read());
    wire.room = 100;
    connection.flush(&mut wire, now);
    assert_eq!(wire.sent, b"hello");
    assert_eq!(connection.ending(), Some(&Ending::Close(CloseReason::Done)));
}

#[test]
fn abort_drops_what_is_unsent() {
    let (mut connection, now) = connection();
    let mut wire = FakeWire::default();
    write(&mut connection, b"hello", &mut wire, now);
    connection.apply(TransportCommand::AbortConnection, &[], &mut wire, now);
    assert_eq!(
        connection.ending(),
        Some(&Ending::Abort(CloseReason::Aborted))
    );
    assert!(!connection.wants_write());
}

#[test]
fn backpressure_pauses_reading_between_the_watermarks() {
    let (mut connection, now) = connection();
    let mut wire = FakeWire::default();
    write(&mut connection, &[1; 10], &mut wire, now);
    assert!(connection.wants_read(), "at the high watermark");
    write(&mut connection, &[2; 1], &mut wire, now);
    assert!(!connection.wants_read(), "above the high watermark");
    wire.room = 6;
    assert!(!connection.flush(&mut wire, now), "5 bytes are left");
    assert!(!connection.wants_read());
    wire.room = 1;
    assert!(
        connection.flush(&mut wire, now),
        "drained at the low watermark"
    );
    assert!(connection.wants_read());
}

#[test]
fn more_than_the_buffer_holds_ends_the_connection() {
    let (mut connection, now) = connection();
    let mut wire = FakeWire::default();
    write(&mut connection, &[1; 20], &mut wire, now);
    assert_eq!(connection.ending(), None);
    write(&mut connection, &[1; 1], &mut wire, now);
    assert!(matches!(
        connection.ending(),
        Some(Ending::Abort(CloseReason::PeerNotReading(text))) if text.contains("more than 20 bytes")
    ));
}

#[test]
fn a_peer_that_does_not_read_is_given_up_unless_there_is_progress() {
    let (mut connection, start) = connection();
    let mut wire = FakeWire::default();
    assert_eq!(connection.stall_deadline(), None);
    let seconds = |count| start + Duration::from_secs(count);
    write(&mut connection, &[1; 5], &mut wire, seconds(1));
    assert_eq!(connection.stall_deadline(), Some(seconds(31)));
    wire.room = 1;
    connection.flush(&mut wire, seconds(20));
    connection.check_stall(seconds(31));
    assert_eq!(connection.ending(), None);
    connection.check_stall(seconds(50));
    assert!(matches!(
        connection.ending(),
        Some(Ending::Abort(CloseReason::PeerNotReading(_)))
    ));
}

#[test]
fn the_peers_half_close_ends_the_connection_unless_the_guest_handles_it() {
    let (mut plain, now) = connection();
    let mut wire = FakeWire::with_room(2);
    write(&mut plain, b"hello", &mut wire, now);
    plain.peer_closed(false, &mut wire);
    assert_eq!(plain.ending(), None, "what is unsent goes first");
    wire.room = 100;
    plain.flush(&mut wire, now);
    assert_eq!(plain.ending(), Some(&Ending::Close(CloseReason::Done)));

    let (mut handled, now) = connection();
    let mut wire = FakeWire::with_room(100);
    handled.peer_closed(true, &mut wire);
    assert_eq!(handled.ending(), None);
    write(&mut handled, b"bye", &mut wire, now);
    handled.apply(TransportCommand::ShutdownWrite, &[], &mut wire, now);
    assert!(wire.shut);
    assert_eq!(handled.ending(), Some(&Ending::Close(CloseReason::Done)));
}

#[test]
fn shutdown_write_waits_for_the_flush_and_goes_on_reading() {
    let (mut connection, now) = connection();
    let mut wire = FakeWire::with_room(1);
    write(&mut connection, b"hi", &mut wire, now);
    connection.apply(TransportCommand::ShutdownWrite, &[], &mut wire, now);
    write(&mut connection, b"ignored", &mut wire, now);
    assert!(!wire.shut);
    wire.room = 10;
    connection.flush(&mut wire, now);
    assert!(wire.shut);
    assert_eq!(wire.sent, b"hi");
    assert!(connection.wants_read());
    assert_eq!(connection.ending(), None);
}

#[test]
fn an_error_is_the_reason_even_when_closing() {
    let (mut connection, now) = connection();
    let mut wire = FakeWire {
        broken: true,
        ..FakeWire::default()
    };
    write(&mut connection, b"hi", &mut wire, now);
    connection.lose(&mut wire);
    assert_eq!(
        connection.ending(),
        Some(&Ending::Abort(CloseReason::Lost("broken pipe".into())))
    );
}

proptest! {
    /// Whatever a guest does and however little the socket takes: bytes go out in order, the buffer keeps its limit, and
    /// nothing panics.
    #[test]
    fn any_sequence_keeps_order_and_limits(
        steps in prop::collection::vec((0u8..8, prop::collection::vec(any::<u8>(), 1..12), 0usize..12), 0..60),
    ) {
        let (mut connection, now) = connection();
        let mut wire = FakeWire::default();
        let mut written = Vec::new();
        for (step, bytes, room) in steps {
            let before = wire.room;
            wire.room = before + room;
            match step {
                0..=3 => {
                    written.extend_from_slice(&bytes);
                    write(&mut connection, &bytes, &mut wire, now);
                }
                4 => { connection.flush(&mut wire, now); }
                5 => { connection.apply(TransportCommand::PauseReading, &[], &mut wire, now); }
                6 => { connection.apply(TransportCommand::ResumeReading, &[], &mut wire, now); }
                _ => if room == 11 { connection.lose(&mut wire) },
            }
            prop_assert!(written.starts_with(&wire.sent));
            prop_assert!(connection.buffered_bytes() <= LIMITS.write_buffer_max_bytes);
            if connection.ending().is_some() {
                break;
            }
        }
    }
}

#[test]
fn sends_no_faster_than_it_may_and_drops_nothing() {
    let now = Instant::now();
    let limits = ConnectionLimits {
        write_buffer_high_bytes: 1_000,
        write_buffer_max_bytes: 1_000,
        write_bytes_per_second_max: NonZero::new(100),
        ..LIMITS
    };
    let mut connection = Connection::new(limits, now);
    let mut wire = FakeWire::with_room(1_000);
    let all: Vec<u8> = (0..200).collect();
    write(&mut connection, &all, &mut wire, now);
    // A tenth of a second's worth at once.
    assert_eq!(wire.sent.len(), 10);
    let mut time = now;
    while let Some(at) = connection.pace_deadline(time) {
        assert!(at > time);
        time = at;
        connection.flush(&mut wire, time);
        let may = 10 + (time - now).as_millis() as usize / 10;
        assert!(wire.sent.len() <= may, "{} of {may}", wire.sent.len());
    }
    assert_eq!(wire.sent, all);
    assert!((time - now).as_millis() >= 1_900);

    // Without the limit the rest goes at once.
    write(&mut connection, &all, &mut wire, time);
    connection.set_limits(LIMITS, time);
    connection.flush(&mut wire, time);
    assert_eq!(wire.sent.len(), 400);
}

#[test]
fn an_expired_connection_is_closed_in_order() {
    let (mut connection, _) = connection();
    connection.expire("idle for 5s".into());
    let reason = CloseReason::Lost("idle for 5s".into());
    assert_eq!(connection.ending(), Some(&Ending::Close(reason)));
}
