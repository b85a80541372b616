//! A connection as its protocol sees it; knows nothing of protocols.

use crate::host;
use alloc::string::String;
use core::fmt;

/// A handle on one connection: Twisted's `ITCPTransport`.
///
/// It is as cheap as a number: clone it and keep it, for instance so that one connection can write to another. It may
/// outlive its connection: on a connection that is lost every method does nothing. Nothing here blocks, fails or
/// calls a protocol back; what happened is told later, through `connection_lost` at the latest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Transport {
    id: u32,
}

impl Transport {
    pub(crate) fn new(id: u32) -> Transport {
        Transport { id }
    }

    /// The number of this connection within the instance: 1 for the first, and so on. With isolation `connection`
    /// each instance has only number 1.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Queues `data` for the peer, in order. What cannot be sent is dropped with the connection. More than the
    /// service's
    /// `write-buffer-max-bytes` in one handler traps: produce in portions and go on in `drained`.
    pub fn write(&self, data: impl AsRef<[u8]>) {
        host::write(self.id, data.as_ref());
    }

    /// Queues several pieces as if each had been written in turn; one call of it costs less than many writes.
    /// Twisted's
    /// `writeSequence`.
    #[doc(alias = "write_sequence")]
    pub fn write_many(&self, pieces: &[&[u8]]) {
        host::write_many(self.id, pieces);
    }

    /// The same as [`write_many`](Transport::write_many), under Twisted's name.
    pub fn write_sequence(&self, pieces: &[&[u8]]) {
        self.write_many(pieces);
    }

    /// Closes the connection once everything written so far is sent. No more data is received, later writes are
    /// ignored, and `connection_lost` follows.
    pub fn lose_connection(&self) {
        host::lose_connection(self.id);
    }

    /// Closes the connection now and drops what is unsent (TCP RST): for peers that misbehave. `connection_lost` with
    /// [`CloseReason::Aborted`] follows.
    pub fn abort_connection(&self) {
        host::abort_connection(self.id);
    }

    /// Half close: once everything written so far is sent, tells the peer that no more will come (TCP FIN), and goes
    /// on receiving. Later writes are ignored.
    pub fn shutdown_write(&self) {
        host::shutdown_write(self.id);
    }

    /// Stops `data_received` until [`resume_reading`](Transport::resume_reading). The peer is slowed down, nothing is
    /// lost. To be called when data arrives faster than it can be dealt with.
    pub fn pause_reading(&self) {
        host::pause_reading(self.id);
    }

    /// Undoes [`pause_reading`](Transport::pause_reading).
    pub fn resume_reading(&self) {
        host::resume_reading(self.id);
    }

    /// The address of the peer.
    pub fn peer(&self) -> Address {
        host::peer(self.id)
    }

    /// The address on this side that the peer connected to.
    pub fn host(&self) -> Address {
        host::host(self.id)
    }

    /// How many bytes were written and are not yet with the operating system. To be asked before writing much: a
    /// slow peer's connection is ended when too much waits for it.
    pub fn buffered_bytes(&self) -> u64 {
        host::buffered_bytes(self.id)
    }
}

/// One end of a connection. Displayed as `127.0.0.1:8000` or `[::1]:8000`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// An IP address without brackets or port.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

// The bindings build this type themselves, so its variants are those of the contract's `close-reason`.
/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// It was closed in an orderly way, by either side, and all that was written had been handed to the operating
    /// system. Twisted's `ConnectionDone`.
    Done,
    /// The operating system reported an error, such as a reset by the peer. Twisted's `ConnectionLost`.
    Lost(String),
    /// This guest called [`Transport::abort_connection`]. Twisted's `ConnectionAborted`.
    Aborted,
    /// Too much waited for the peer, or it waited for too long. The text names the limit.
    PeerNotReading(String),
    /// The host is stopping, and the time that connections were given to finish is over.
    Stopping,
}

impl CloseReason {
    /// Its name in the contract, such as `peer-not-reading`: for logs and metrics that programs read.
    pub fn kind(&self) -> &'static str {
        match self {
            CloseReason::Done => "done",
            CloseReason::Lost(_) => "lost",
            CloseReason::Aborted => "aborted",
            CloseReason::PeerNotReading(_) => "peer-not-reading",
            CloseReason::Stopping => "stopping",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Done => f.write_str("the connection was closed"),
            CloseReason::Lost(error) => write!(f, "the connection was lost: {error}"),
            CloseReason::Aborted => f.write_str("the connection was aborted"),
            CloseReason::PeerNotReading(limit) => write!(f, "the peer did not read: {limit}"),
            CloseReason::Stopping => f.write_str("the host is stopping"),
        }
    }
}
