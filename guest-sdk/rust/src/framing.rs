//! Frames out of a stream of bytes that the network cuts anywhere: lines, netstrings, and strings after their length. Knows
//! nothing of connections but how to write to one.
//!
//! A protocol keeps a receiver, gives it what arrives, and takes out what is whole:
//!
//! ```
//! use wisted_guest::{Protocol, Transport, framing::LineReceiver};
//!
//! #[derive(Default)]
//! struct Greeter {
//!     lines: LineReceiver,
//! }
//!
//! impl Protocol for Greeter {
//!     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
//!         self.lines.push(data);
//!         loop {
//!             match self.lines.next_line() {
//!                 Ok(Some(name)) => self.lines.send_line(transport, &[b"hello ", &name[..]].concat()),
//!                 Ok(None) => return,
//!                 // Too long: Twisted's lineLengthExceeded, whose default is this.
//!                 Err(_) => return transport.lose_connection(),
//!             }
//!         }
//!     }
//! }
//!
//! let server = wisted_guest::testing::Server::<Greeter>::start(&[]).unwrap();
//! let peer = server.connect();
//! peer.send_bytewise(b"Ada\r\n");
//! assert_eq!(peer.received(), b"hello Ada\r\n");
//! ```
//!
//! Each receiver has a limit, and what it keeps between two calls is never more than one frame of that length and what it was
//! just given. Once a peer has broken the rules every further call says so: there is no way back into step.

mod int32;
mod line;
mod netstring;

pub use int32::Int32Receiver;
pub use line::LineReceiver;
pub use netstring::NetstringReceiver;

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

/// The longest line, without its end, that [`LineReceiver`] takes unless told otherwise. Twisted's is 16,384 as well.
pub const LINE_MAX_BYTES: usize = 16 << 10;

/// The longest string that [`NetstringReceiver`] and [`Int32Receiver`] take unless told otherwise. Twisted's.
pub const STRING_MAX_BYTES: usize = 99_999;

/// How a peer has broken the rules. Usually the end of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// A frame, or what may become one, is longer than this many bytes.
    TooLong(usize),
    /// It is no frame; the text says what is wrong.
    Malformed(&'static str),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLong(bytes) => write!(f, "longer than {bytes} bytes"),
            FrameError::Malformed(what) => f.write_str(what),
        }
    }
}

impl core::error::Error for FrameError {}

impl From<FrameError> for crate::Error {
    fn from(error: FrameError) -> crate::Error {
        crate::Error::Message(error.to_string())
    }
}

/// Bytes that were received and not taken out yet.
#[derive(Debug, Default, Clone)]
struct Buffer {
    bytes: Vec<u8>,
    /// Before this they were taken out. Moving the rest each time would make many short frames of one piece dear.
    start: usize,
    broken: Option<FrameError>,
}

impl Buffer {
    fn push(&mut self, data: &[u8]) {
        if self.broken.is_none() {
            self.bytes.drain(..self.start);
            self.start = 0;
            self.bytes.extend_from_slice(data);
        }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Takes out so many bytes, of which `skipped` at the beginning and at the end belong to no frame.
    fn take(&mut self, length: usize, skipped: (usize, usize)) -> Vec<u8> {
        let frame = self.rest()[skipped.0..length - skipped.1].to_vec();
        self.start += length;
        frame
    }

    /// Takes out all there is, up to so many bytes.
    fn take_up_to(&mut self, length_max: usize) -> Vec<u8> {
        self.take(self.rest().len().min(length_max), (0, 0))
    }

    fn check(&self) -> Result<(), FrameError> {
        self.broken.map_or(Ok(()), Err)
    }

    /// From now on only this.
    fn breaks(&mut self, error: FrameError) -> FrameError {
        *self = Buffer {
            broken: Some(error),
            ..Buffer::default()
        };
        error
    }
}

#[cfg(test)]
mod tests;
