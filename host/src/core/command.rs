//! What a guest asks of a connection and why a connection ends, as plain values.

use std::fmt;

/// Something that a guest asked of one of its connections during a handler, recorded to be done afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportCommand {
    /// Send the next so many bytes of the outbox.
    Write(usize),
    /// More was written than the write buffer holds: close, the peer does not read.
    Overflow,
    /// Close when everything written so far is sent.
    LoseConnection,
    /// Close now.
    AbortConnection,
    /// Tell the peer that no more will come, when everything written so far is sent.
    ShutdownWrite,
    /// Deliver no data until resumed.
    PauseReading,
    /// Deliver data again.
    ResumeReading,
}

/// Why a connection ended. The WIT contract's `close-reason`, and one reason that no guest ever sees: its own end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// In an orderly way, by either side.
    Done,
    /// The operating system reported this error.
    Lost(String),
    /// The guest called `abort-connection`.
    Aborted,
    /// The peer did not read what was written for it; the text names the limit.
    PeerNotReading(String),
    /// The host is stopping.
    Stopping,
    /// The instance that served the connection trapped or exceeded a limit.
    GuestFailed,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Lost(error) => write!(f, "lost: {error}"),
            Self::Aborted => f.write_str("aborted by the guest"),
            Self::PeerNotReading(limit) => write!(f, "peer not reading: {limit}"),
            Self::Stopping => f.write_str("the host is stopping"),
            Self::GuestFailed => f.write_str("the guest failed"),
        }
    }
}
