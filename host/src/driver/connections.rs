//! One connection's reading, writing and ending. Its rules are [`crate::core`]'s, its socket the reactor's; here they meet.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::allowance::Allowance;
use super::crew::Mail;
use super::events::Event;
use super::instances::{InstanceKey, Role};
use super::{Driver, Due, Ready};
use crate::clock;
use crate::core::{self, Admission, CloseReason, Ending, Ledger, TransportCommand};
use crate::guest::{Call, ConnectionNumber};
use crate::limits::{Limits, SERVICE_RECORDS_PER_SECOND_MAX, per_turn};
use crate::reactor::{Read, Token};
use crate::telemetry::SpanKey;

/// Names a connection: its socket's token, and a number that is never given twice, since tokens are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionKey {
    pub token: Token,
    pub id: u64,
}

/// Smaller reads are buffered: copying them costs less than to ask how many bytes wait.
const UNBUFFERED_READ_MIN_BYTES: usize = 16 << 10;

/// What each message touches comes first; see [`Instance`](super::Instance).
#[derive(Debug)]
#[repr(C)]
pub(super) struct Connection {
    pub key: ConnectionKey,
    pub instance: InstanceKey,
    pub number: ConnectionNumber,
    /// There may be data: readiness is reported once, so it is remembered until the socket has none left.
    readable: bool,
    /// The peer's data has an end, which no further event will announce: a short read does not mean that all is read.
    read_closed: bool,
    hung_up: bool,
    /// It is in the queue of this turn or the next.
    queued: bool,
    /// Its last read was a large one, so it is worth asking how large the next one is.
    reads_much: bool,
    /// A deadline for the write buffer is pending; it is looked at when it comes, not moved with each write.
    stall_pending: bool,
    /// What the instance was told last.
    buffered_bytes_told: usize,
    /// What it has used. Of the bytes, only once it has ended: until then its socket counts them.
    pub ledger: Ledger,
    pub state: core::Connection,
    /// What its service's limits let come and go, and how long it may last.
    pub allowance: Allowance,
    pub service: usize,
    pub peer: SocketAddr,
    /// Not the turn's time: the peer may have come since the turn began.
    pub made_at: Instant,
    /// Its span, once somebody has needed to know it.
    pub span: Option<SpanKey>,
}

impl Connection {
    #[expect(clippy::too_many_arguments, reason = "they are its fields")]
    pub fn new(
        id: u64,
        token: Token,
        service: usize,
        instance: InstanceKey,
        number: ConnectionNumber,
        peer: SocketAddr,
        limits: &Limits,
        now: Instant,
    ) -> Self {
        Self {
            key: ConnectionKey { token, id },
            service,
            instance,
            number,
            peer,
            state: core::Connection::new(limits.of_connection(), now),
            readable: false,
            read_closed: false,
            hung_up: false,
            queued: false,
            reads_much: false,
            stall_pending: false,
            buffered_bytes_told: 0,
            allowance: Allowance::new(limits, now),
            made_at: clock::now(),
            ledger: Ledger::default(),
            span: None,
        }
    }

    pub fn buffered_bytes(&self) -> usize {
        self.state.buffered_bytes()
    }

    fn can_read(&self) -> bool {
        self.readable && !self.allowance.read_waits && self.state.wants_read()
    }
}

impl Driver {
    pub(super) fn connection(&mut self, key: ConnectionKey) -> Option<&mut Connection> {
        let connection = self
            .connections
            .get_mut(key.token.index())?
            .as_deref_mut()?;
        (connection.key.id == key.id).then_some(connection)
    }

    /// The reactor has reported the socket.
    pub(super) fn connection_is_ready(&mut self, token: Token, readable: bool, writable: bool) {
        let slot = self.connections.get_mut(token.index());
        let Some(connection) = slot.and_then(Option::as_deref_mut) else {
            self.ready.push_back(Ready::Lingering(token));
            return;
        };
        connection.readable |= readable;
        let key = connection.key;
        if writable && connection.state.wants_write() {
            self.flush(key);
        }
        self.queue_connection(key);
    }

    /// The reactor has reported that the peer's side is closed, or that the connection is no more.
    pub(super) fn connection_is_closing(&mut self, token: Token, read_closed: bool, hung_up: bool) {
        let slot = self.connections.get_mut(token.index());
        if let Some(connection) = slot.and_then(Option::as_deref_mut)
            && (read_closed || hung_up)
        {
            connection.read_closed |= read_closed;
            connection.hung_up |= hung_up;
            let key = connection.key;
            self.queue_connection(key);
        }
    }

    /// Looks at the connection in this turn, if there is anything to do.
    pub(super) fn queue_connection(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connection(key)
            && !connection.queued
            && (connection.can_read() || connection.hung_up)
        {
            connection.queued = true;
            self.ready.push_back(Ready::Connection(key));
        }
    }

    /// Reads and delivers, within the connection's budget.
    pub(super) fn serve_connection(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connection(key) {
            connection.queued = false;
        }
        for _ in 0..per_turn::READS_MAX {
            let Some(connection) = self.connection(key) else {
                return;
            };
            if !connection.can_read() {
                break;
            }
            let (instance, number) = (connection.instance, connection.number);
            if !self.instance_takes_data(instance, key) {
                break;
            }
            self.read(key, instance, number);
        }
        let Some(connection) = self.connection(key) else {
            return;
        };
        if connection.can_read() {
            if !self.instance_is_blocked_for(key) {
                self.carry_connection(key);
            }
            return;
        }
        self.notice_hang_up(key);
    }

    fn carry_connection(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connection(key)
            && !connection.queued
        {
            connection.queued = true;
            self.carried.push(Ready::Connection(key));
        }
    }

    fn instance_is_blocked_for(&mut self, key: ConnectionKey) -> bool {
        let Some(instance) = self.connection(key).map(|connection| connection.instance) else {
            return false;
        };
        let blocked = !self.instance_takes_data(instance, key);
        if blocked {
            // It reads again when its handler returns. An error cannot wait for that: the handler may wait for ever for the
            // sake of this peer.
            self.notice_hang_up(key);
        }
        blocked
    }

    /// A connection that cannot be read now still learns that it has failed.
    fn notice_hang_up(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connection(key) else {
            return;
        };
        if !std::mem::take(&mut connection.hung_up) {
            return;
        }
        let error = self
            .reactor
            .socket(key.token)
            .and_then(|socket| socket.take_error());
        if let (Some(error), Some(connection)) = (error, self.connection(key)) {
            connection.state.failed(error.to_string());
            self.settle(key);
        }
    }

    /// One read, and what follows from it.
    fn read(&mut self, key: ConnectionKey, instance: InstanceKey, number: ConnectionNumber) {
        let Some(may) = self.may_read(key) else {
            return;
        };
        if self.is_cold()
            && let Some(instance) = self.instance_at(instance)
            && instance.role == Role::Connection
        {
            instance.guest.prefetch();
        }
        if let Some(bytes) = self.takes_what_waits(key, may) {
            let buffer = self.take_buffer();
            return self.call(instance, Call::DataWaiting(number, buffer, bytes));
        }
        let mut buffer = self.take_buffer();
        let read = match self.reactor.socket(key.token) {
            Some(socket) => socket.read(&mut buffer[..may]),
            None => Read::WouldBlock,
        };
        let Some(connection) = self.connection(key) else {
            return;
        };
        match read {
            Read::Bytes { count, all } => {
                connection.allowance.has_read(count);
                connection.readable = !all || connection.read_closed;
                connection.reads_much = count >= UNBUFFERED_READ_MIN_BYTES;
                self.call(instance, Call::DataReceived(number, buffer, count));
                return;
            }
            Read::WouldBlock => connection.readable = false,
            Read::Closed => {
                connection.readable = false;
                self.peer_closed(key);
            }
            Read::Failed(error) => {
                connection.state.failed(error.to_string());
                self.settle(key);
            }
        }
        self.give_back_buffer(buffer);
    }

    /// Whether so much waits at the socket that it is to be read into the guest's memory, past the host's buffer: how many bytes.
    /// They count as read.
    fn takes_what_waits(&mut self, key: ConnectionKey, may: usize) -> Option<usize> {
        if !self.connection(key)?.reads_much {
            return None;
        }
        let waiting = self.reactor.socket(key.token)?.waiting_bytes();
        let connection = self.connection(key)?;
        let bytes = waiting.min(may);
        connection.reads_much = bytes >= UNBUFFERED_READ_MIN_BYTES;
        if !connection.reads_much {
            return None;
        }
        connection.allowance.has_read(bytes);
        connection.readable = waiting > bytes || connection.read_closed;
        Some(bytes)
    }

    fn peer_closed(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connection(key) else {
            return;
        };
        let (instance, number) = (connection.instance, connection.number);
        let guest_handles_it = self.exports_of(instance).half_close;
        self.with_wire(key, |connection, socket, _| {
            connection.peer_closed(guest_handles_it, socket);
        });
        if guest_handles_it && self.connection(key).is_some() {
            self.push_event(instance, Event::ReadClosed(number));
        }
    }

    /// Does what a guest asked of one of its connections.
    pub(super) fn apply_to_connection(
        &mut self,
        key: ConnectionKey,
        command: TransportCommand,
        bytes: &[u8],
    ) {
        self.with_wire(key, |connection, socket, now| {
            connection.apply(command, bytes, socket, now);
        });
        if command == TransportCommand::ResumeReading {
            self.queue_connection(key);
        }
    }

    /// Sends what waits.
    pub(super) fn flush(&mut self, key: ConnectionKey) {
        let mut drained = false;
        self.with_wire(key, |connection, socket, now| {
            drained = connection.flush(socket, now);
        });
        if let Some(connection) = self.connection(key)
            && drained
        {
            let (instance, number) = (connection.instance, connection.number);
            if self.exports_of(instance).flow {
                self.push_event(instance, Event::Drained(number));
            }
            self.queue_connection(key);
        }
    }

    pub(super) fn check_stall(&mut self, key: ConnectionKey) {
        let now = self.now;
        if let Some(connection) = self.connection(key) {
            connection.stall_pending = false;
            connection.state.check_stall(now);
            self.settle(key);
        }
    }

    /// Gives the connection's state its socket.
    fn with_wire(
        &mut self,
        key: ConnectionKey,
        act: impl FnOnce(&mut core::Connection, &mut crate::reactor::Socket, Instant),
    ) {
        let Some(socket) = self.reactor.socket(key.token) else {
            return;
        };
        let slot = self.connections.get_mut(key.token.index());
        let Some(connection) = slot.and_then(Option::as_deref_mut) else {
            return;
        };
        if connection.key.id == key.id {
            act(&mut connection.state, socket, self.now);
            self.settle(key);
        }
    }

    /// After anything that may have changed the connection's state: ends it, or keeps its deadline and what its instance
    /// was told.
    pub(super) fn settle(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connection(key) else {
            return;
        };
        if let Some(ending) = connection.state.ending() {
            let ending = ending.clone();
            return self.end_connection(key, ending);
        }
        let buffered = connection.state.buffered_bytes();
        if buffered > 0 {
            self.schedule_sending(key);
        }
        let Some(connection) = self.connection(key) else {
            return;
        };
        if buffered == 0 && connection.buffered_bytes_told == 0 {
            return;
        }
        let stall = connection.state.stall_deadline();
        let new_stall = stall.filter(|_| !connection.stall_pending);
        connection.stall_pending |= new_stall.is_some();
        let told = std::mem::replace(&mut connection.buffered_bytes_told, buffered);
        let (instance, number) = (connection.instance, connection.number);
        if let Some(deadline) = new_stall {
            self.deadlines.insert(deadline, Due::Stall(key));
        }
        if told != buffered
            && let Some(instance) = self.instance(instance)
        {
            instance.guest.set_buffered_bytes(number, buffered);
        }
    }

    /// The connection is no more: the socket is closed, the guest will be told, and others may be accepted.
    pub(super) fn end_connection(&mut self, key: ConnectionKey, ending: Ending) {
        let Some(connection) = self.take_connection(key) else {
            return;
        };
        let (Ending::Close(reason) | Ending::Abort(reason)) = &ending;
        self.trace_end(&connection, reason, None);
        let reason = match ending {
            Ending::Close(reason) => {
                if connection.state.is_read_open() {
                    self.linger(key);
                } else {
                    self.reactor.close(key.token);
                }
                reason
            }
            Ending::Abort(reason) => {
                self.reactor.abort(key.token);
                reason
            }
        };
        self.log_end(&connection, &reason);
        self.connection_is_lost(connection.instance, connection.number, reason);
        self.connection_has_gone(connection.service, connection.peer.ip());
    }

    /// Takes a connection out of the table; its socket is still open.
    pub(super) fn take_connection(&mut self, key: ConnectionKey) -> Option<Box<Connection>> {
        self.connection(key)?;
        let mut connection = self.connections[key.token.index()].take()?;
        self.connections_open -= 1;
        self.stop_its_time(connection.allowance.take_deadlines());
        connection.ledger = self.ledger_of(&connection);
        let served = &mut self.services[connection.service];
        served.totals.connection_has_ended(&connection.ledger);
        Some(connection)
    }

    /// A connection of the service has gone: others may come.
    pub(super) fn connection_has_gone(&mut self, service: usize, peer: IpAddr) {
        let census = &self.services[service].census;
        let awaited = census.remove(peer.to_canonical());
        let service = census.door();
        if !self.place.is_first() {
            if awaited {
                self.place.mailboxes[0].send(Mail::AcceptAgain(service));
            }
            return;
        }
        if self.exhausted {
            self.accept_again();
        }
        self.service_may_accept_again(service);
    }

    /// The access log, and a warning where a peer is to blame.
    pub(super) fn log_end(&mut self, connection: &Connection, reason: &CloseReason) {
        let peer_is_to_blame = matches!(reason, CloseReason::PeerNotReading(_));
        let is_wanted =
            peer_is_to_blame || tracing::enabled!(target: "access", tracing::Level::INFO);
        // A record that nobody wants must not take another one's place.
        if !is_wanted || !self.may_log(connection.service) {
            return;
        }
        let origin = &self.services[connection.service].service.origin;
        let (service, id, peer) = (origin.service.as_str(), connection.key.id, connection.peer);
        let duration = self.now.saturating_duration_since(connection.made_at);
        let duration_ms = duration.as_millis() as u64;
        let ledger = &connection.ledger;
        if peer_is_to_blame {
            tracing::warn!(service, connection = id, %peer, duration_ms, %reason, "connection closed");
        }
        tracing::info!(
            target: "access",
            service,
            connection = id,
            %peer,
            duration_ms,
            received_bytes = ledger.received_bytes,
            sent_bytes = ledger.sent_bytes,
            calls = ledger.calls,
            busy_us = ledger.busy.as_micros() as u64,
            longest_run_us = ledger.longest_run.as_micros() as u64,
            %reason,
            "connection lost"
        );
    }

    /// Whether one more record about a service may be written in this second.
    pub(super) fn may_log(&mut self, service: usize) -> bool {
        let served = &mut self.services[service];
        let admission = served.records.take(self.now);
        if admission == Admission::Last {
            tracing::warn!(
                service = served.service.origin.service,
                "more than {SERVICE_RECORDS_PER_SECOND_MAX} records about this service in a second: dropping the rest of them"
            );
        }
        admission == Admission::Write
    }

    /// A buffer of [`per_turn::READ_BYTES`].
    fn take_buffer(&mut self) -> Vec<u8> {
        self.buffers
            .pop()
            .unwrap_or_else(|| vec![0; per_turn::READ_BYTES])
    }

    pub(super) fn give_back_buffer(&mut self, buffer: Vec<u8>) {
        /// More are only in use while many handlers are suspended.
        const KEPT_BUFFERS_MAX: usize = 4;
        if self.buffers.len() < KEPT_BUFFERS_MAX {
            self.buffers.push(buffer);
        }
    }

    /// All connections that are open.
    pub(super) fn connection_keys(&self) -> Vec<ConnectionKey> {
        let open = self.connections.iter().flatten();
        open.map(|connection| connection.key).collect()
    }
}
