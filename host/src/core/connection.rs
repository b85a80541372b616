//! The state of one connection: may it read, what must it send, when does it end. It is told what happened and sends
//! through a [`Wire`]; it knows neither the socket behind that nor the guest that it serves.

use std::num::NonZero;
use std::time::{Duration, Instant};

use super::{CloseReason, Pace, Transport, TransportCommand};

/// The limits of a connection; see [`crate::limits::Limits`] for each.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Reading pauses above so many unsent bytes.
    pub write_buffer_high_bytes: usize,
    /// Reading goes on at so many unsent bytes.
    pub write_buffer_low_bytes: usize,
    /// The connection ends above so many unsent bytes.
    pub write_buffer_max_bytes: usize,
    /// The connection ends when unsent bytes have made no progress for so long.
    pub write_stall_max: Duration,
    /// So many bytes are sent in a second; more wait.
    pub write_bytes_per_second_max: Option<NonZero<u32>>,
}

/// What a connection sends through: a socket, or a fake in tests.
pub trait Wire {
    /// Hands bytes over, as many as fit now.
    fn send(&mut self, bytes: &[u8]) -> Sent;
    /// Tells the peer that no more will come.
    fn shutdown_write(&mut self);
}

/// The way to a peer for bytes that need not be recorded first, because none are queued before them, and the way from it for
/// those that need not be buffered. What is not taken is recorded as ever, so an error is none here: it comes again.
pub trait DirectWire: std::fmt::Debug + Send + Sync {
    /// Hands bytes over, as many as fit now.
    fn send(&self, bytes: &[u8]) -> Sent;
    /// Reads once, what is there and fits, and returns how many bytes that was: none after an error or the peer's last, which the
    /// next read tells apart.
    fn receive(&self, into: &mut [u8]) -> usize;
}

/// What came of sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// So many bytes were taken, at least one.
    Bytes(usize),
    /// Nothing fits now; the socket reports when it does.
    Full,
    /// It never will.
    Failed(String),
}

/// How a connection is to be ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order: everything was sent.
    Close(CloseReason),
    /// At once, dropping what is unsent.
    Abort(CloseReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteSide {
    Open,
    /// To be shut when the buffer is empty.
    ShuttingDown,
    Shut,
}

/// One connection. After each call that may have ended it, ask [`ending`](Self::ending).
///
/// What each message touches comes first: of many connections, all is cold.
#[derive(Debug)]
#[repr(C)]
pub struct Connection {
    read_open: bool,
    paused_by_guest: bool,
    write_side: WriteSide,
    /// The guest, or the end of the peer's data, asked for the end; it comes when the buffer is empty.
    losing: bool,
    ending: Option<Ending>,
    transport: Transport,
    /// What may be sent in a second. Rare, and boxed so that it costs others little.
    write_pace: Option<Box<Pace>>,
    limits: ConnectionLimits,
    /// When the buffer last became non-empty or shorter.
    progress_at: Instant,
}

impl Connection {
    /// A connection that has just been made.
    pub fn new(limits: ConnectionLimits, now: Instant) -> Self {
        Self {
            transport: Transport::new(
                limits.write_buffer_high_bytes,
                limits.write_buffer_low_bytes,
            ),
            limits,
            read_open: true,
            paused_by_guest: false,
            write_side: WriteSide::Open,
            losing: false,
            ending: None,
            progress_at: now,
            write_pace: write_pace(&limits, now),
        }
    }

    /// From here on these limits hold. Call [`flush`](Self::flush) afterwards: they may let more be sent.
    pub fn set_limits(&mut self, limits: ConnectionLimits, now: Instant) {
        self.transport.set_watermarks(
            limits.write_buffer_high_bytes,
            limits.write_buffer_low_bytes,
        );
        if limits.write_bytes_per_second_max != self.limits.write_bytes_per_second_max {
            self.write_pace = write_pace(&limits, now);
        }
        self.limits = limits;
    }

    /// Whether data is wanted from the peer now. Ask before each read.
    pub fn wants_read(&self) -> bool {
        self.read_open
            && !self.paused_by_guest
            && !self.losing
            && self.ending.is_none()
            && !self.transport.is_above_watermark()
    }

    /// Whether bytes wait for the socket to take more.
    pub fn wants_write(&self) -> bool {
        self.ending.is_none() && !self.transport.is_empty()
    }

    /// How many bytes wait.
    pub fn buffered_bytes(&self) -> usize {
        self.transport.buffered_bytes()
    }

    /// Whether the peer may still send.
    pub fn is_read_open(&self) -> bool {
        self.read_open
    }

    /// How the connection is to be ended, once it is. The caller does that and drops the connection.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Does what the guest asked for. `bytes` are those of [`TransportCommand::Write`], empty otherwise.
    pub fn apply(
        &mut self,
        command: TransportCommand,
        bytes: &[u8],
        wire: &mut impl Wire,
        now: Instant,
    ) {
        match command {
            TransportCommand::Write(_) => self.write(bytes, wire, now),
            TransportCommand::Overflow => self.overflow(),
            TransportCommand::LoseConnection => self.losing = true,
            TransportCommand::AbortConnection => self.end(Ending::Abort(CloseReason::Aborted)),
            TransportCommand::ShutdownWrite => {
                if self.write_side == WriteSide::Open {
                    self.write_side = WriteSide::ShuttingDown;
                }
            }
            TransportCommand::PauseReading => self.paused_by_guest = true,
            TransportCommand::ResumeReading => self.paused_by_guest = false,
        }
        self.settle(wire);
    }

    /// Sends what waits. Call it when the socket reports that it takes more. Returns whether the guest is to be told
    /// `drained`.
    pub fn flush(&mut self, wire: &mut impl Wire, now: Instant) -> bool {
        let mut drained = false;
        while self.wants_write() {
            let may = self.may_send(self.transport.buffered_bytes(), now);
            if may == 0 {
                break;
            }
            match wire.send(&self.transport.unsent()[..may]) {
                Sent::Bytes(count) => {
                    self.progress_at = now;
                    self.has_sent(count);
                    drained |= self.transport.advance(count);
                }
                Sent::Full => break,
                Sent::Failed(error) => self.failed(error),
            }
        }
        self.settle(wire);
        drained && self.ending.is_none()
    }

    /// The peer has closed its side. Without `guest_handles_it` the connection is closed too, once everything is sent.
    pub fn peer_closed(&mut self, guest_handles_it: bool, wire: &mut impl Wire) {
        self.read_open = false;
        self.losing |= !guest_handles_it;
        self.settle(wire);
    }

    /// Closes the connection once everything is sent, as `lose-connection` does.
    pub fn lose(&mut self, wire: &mut impl Wire) {
        self.losing = true;
        self.settle(wire);
    }

    /// The operating system reported an error.
    pub fn failed(&mut self, error: String) {
        self.end(Ending::Abort(CloseReason::Lost(error)));
    }

    /// The connection is over for a reason of the host's: its time is up.
    pub fn expire(&mut self, reason: String) {
        self.end(Ending::Close(CloseReason::Lost(reason)));
    }

    /// When to call [`flush`](Self::flush) although the socket will not report: more may be sent then than now.
    pub fn pace_deadline(&mut self, now: Instant) -> Option<Instant> {
        if !self.wants_write() {
            return None;
        }
        let pace = self.write_pace.as_deref_mut()?;
        (pace.left(now) == 0).then(|| now + pace.wait_for_more())
    }

    /// When to call [`check_stall`](Self::check_stall): the connection ends then unless bytes are sent before.
    pub fn stall_deadline(&self) -> Option<Instant> {
        self.wants_write()
            .then(|| self.progress_at + self.limits.write_stall_max)
    }

    /// Ends the connection if its deadline is over.
    pub fn check_stall(&mut self, now: Instant) {
        if self
            .stall_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.end(Ending::Abort(CloseReason::PeerNotReading(format!(
                "{} unsent bytes made no progress for {:?} (--write-stall-max)",
                self.buffered_bytes(),
                self.limits.write_stall_max
            ))));
        }
    }

    fn write(&mut self, bytes: &[u8], wire: &mut impl Wire, now: Instant) {
        if self.losing || self.write_side != WriteSide::Open || self.ending.is_some() {
            return;
        }
        let mut rest = bytes;
        // Straight to the socket while nothing waits: most bytes are never copied into the buffer.
        while self.transport.is_empty() && !rest.is_empty() {
            let may = self.may_send(rest.len(), now);
            if may == 0 {
                break;
            }
            match wire.send(&rest[..may]) {
                Sent::Bytes(count) => {
                    self.has_sent(count);
                    rest = &rest[count.min(rest.len())..];
                }
                Sent::Full => break,
                Sent::Failed(error) => return self.failed(error),
            }
        }
        if rest.is_empty() {
            return;
        }
        if self.transport.buffered_bytes() + rest.len() > self.limits.write_buffer_max_bytes {
            return self.overflow();
        }
        if self.transport.is_empty() {
            self.progress_at = now;
        }
        self.transport.push(rest);
    }

    /// How many of so many bytes may be sent now.
    fn may_send(&mut self, wanted: usize, now: Instant) -> usize {
        match self.write_pace.as_deref_mut() {
            Some(pace) => wanted.min(usize::try_from(pace.left(now)).unwrap_or(usize::MAX)),
            None => wanted,
        }
    }

    fn has_sent(&mut self, count: usize) {
        if let Some(pace) = &mut self.write_pace {
            pace.take(count as u64);
        }
    }

    fn overflow(&mut self) {
        self.end(Ending::Abort(CloseReason::PeerNotReading(format!(
            "more than {} bytes unsent (--write-buffer-max)",
            self.limits.write_buffer_max_bytes
        ))));
    }

    /// Does what was put off until everything is sent.
    fn settle(&mut self, wire: &mut impl Wire) {
        if !self.transport.is_empty() || self.ending.is_some() {
            return;
        }
        if self.losing {
            return self.end(Ending::Close(CloseReason::Done));
        }
        if self.write_side == WriteSide::ShuttingDown {
            wire.shutdown_write();
            self.write_side = WriteSide::Shut;
        }
        if self.write_side == WriteSide::Shut && !self.read_open {
            self.end(Ending::Close(CloseReason::Done));
        }
    }

    /// The first ending counts.
    fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }
}

fn write_pace(limits: &ConnectionLimits, now: Instant) -> Option<Box<Pace>> {
    let per_second = limits.write_bytes_per_second_max?;
    Some(Box::new(Pace::of_bytes(per_second.get(), now)))
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
