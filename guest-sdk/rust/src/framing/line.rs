//! Lines: bytes up to a delimiter. Knows nothing of what a line says.

use super::{Buffer, FrameError, LINE_MAX_BYTES};
use crate::Transport;
use alloc::vec::Vec;

/// Finds lines. Twisted's `LineReceiver`: lines end with `\r\n` unless told otherwise, and [`take_raw`](Self::take_raw) is its
/// raw mode.
#[derive(Debug, Clone)]
pub struct LineReceiver {
    pub(super) buffer: Buffer,
    /// So much of the rest was searched and has no delimiter: it is not searched again.
    searched: usize,
    delimiter: Vec<u8>,
    length_max: usize,
}

impl LineReceiver {
    /// Lines that end with `\r\n`, of at most [`LINE_MAX_BYTES`].
    pub fn new() -> LineReceiver {
        LineReceiver::with_delimiter(b"\r\n")
    }

    /// Lines that end with `delimiter`, such as `b"\n"`.
    ///
    /// # Panics
    ///
    /// When it is empty.
    pub fn with_delimiter(delimiter: &[u8]) -> LineReceiver {
        assert!(!delimiter.is_empty(), "a delimiter has at least one byte");
        LineReceiver {
            buffer: Buffer::default(),
            searched: 0,
            delimiter: delimiter.to_vec(),
            length_max: LINE_MAX_BYTES,
        }
    }

    /// Takes lines of at most so many bytes, their end not counted.
    pub fn length_max(mut self, length_max: usize) -> LineReceiver {
        self.length_max = length_max;
        self
    }

    /// Takes in what arrived. To be called first in `data_received`; then [`next_line`](Self::next_line) until there is none.
    pub fn push(&mut self, data: &[u8]) {
        self.buffer.push(data);
    }

    /// The next line, without its end; none until more arrives.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLong`] for a line longer than it may be, as soon as so much of it is there.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        self.buffer.check()?;
        let rest = self.buffer.rest();
        let delimiter = &self.delimiter[..];
        let (unsearched, last) = (&rest[self.searched..], delimiter[delimiter.len() - 1]);
        let end = memchr::memchr_iter(last, unsearched)
            .find(|&at| unsearched[..=at].ends_with(delimiter))
            .map(|at| self.searched + at + 1 - delimiter.len());
        match end {
            Some(length) if length <= self.length_max => {
                self.searched = 0;
                let line = self
                    .buffer
                    .take(length + delimiter.len(), (0, delimiter.len()));
                Ok(Some(line))
            }
            // The last bytes may begin a delimiter.
            None if rest.len() < self.length_max + delimiter.len() => {
                self.searched = (rest.len() + 1).saturating_sub(delimiter.len());
                Ok(None)
            }
            _ => {
                self.searched = 0;
                Err(self.buffer.breaks(FrameError::TooLong(self.length_max)))
            }
        }
    }

    /// Takes out bytes that belong to no line, whatever they are: up to so many, and no more than have arrived. Twisted's raw
    /// mode, for a body after its head.
    pub fn take_raw(&mut self, length_max: usize) -> Vec<u8> {
        self.searched = 0;
        self.buffer.take_up_to(length_max)
    }

    /// Writes a line and its end.
    pub fn send_line(&self, transport: &Transport, line: impl AsRef<[u8]>) {
        transport.write_many(&[line.as_ref(), &self.delimiter]);
    }
}

impl Default for LineReceiver {
    fn default() -> LineReceiver {
        LineReceiver::new()
    }
}
