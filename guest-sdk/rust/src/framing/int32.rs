//! Strings after their length in 32 bits, big endian. Knows nothing of what they say.

use super::{Buffer, FrameError, STRING_MAX_BYTES};
use crate::Transport;
use alloc::vec::Vec;

/// Finds strings that follow their lengths. Twisted's `Int32StringReceiver`.
#[derive(Debug, Clone)]
pub struct Int32Receiver {
    pub(super) buffer: Buffer,
    length_max: usize,
}

impl Int32Receiver {
    /// Strings of at most [`STRING_MAX_BYTES`].
    pub fn new() -> Int32Receiver {
        Int32Receiver {
            buffer: Buffer::default(),
            length_max: STRING_MAX_BYTES,
        }
    }

    /// Takes strings of at most so many bytes.
    pub fn length_max(mut self, length_max: usize) -> Int32Receiver {
        self.length_max = length_max;
        self
    }

    /// Takes in what arrived. To be called first in `data_received`; then [`next_string`](Self::next_string) until there is
    /// none.
    pub fn push(&mut self, data: &[u8]) {
        self.buffer.push(data);
    }

    /// The next string; none until more arrives.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLong`] for a length above the limit, before the string itself is there.
    pub fn next_string(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        self.buffer.check()?;
        let Some((head, string)) = self.buffer.rest().split_first_chunk() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        if length > self.length_max {
            return Err(self.buffer.breaks(FrameError::TooLong(self.length_max)));
        }
        if string.len() < length {
            return Ok(None);
        }
        Ok(Some(self.buffer.take(HEAD_BYTES + length, (HEAD_BYTES, 0))))
    }

    /// Takes out what has arrived and is no whole string yet: to go on with another framing.
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.buffer.take_up_to(usize::MAX)
    }

    /// Writes one string. The peer's limit is the peer's own.
    ///
    /// # Panics
    ///
    /// When its length does not fit into 32 bits.
    pub fn send_string(&self, transport: &Transport, string: impl AsRef<[u8]>) {
        let string = string.as_ref();
        let length = u32::try_from(string.len()).expect("a length of 32 bits");
        transport.write_many(&[&length.to_be_bytes(), string]);
    }
}

impl Default for Int32Receiver {
    fn default() -> Int32Receiver {
        Int32Receiver::new()
    }
}

const HEAD_BYTES: usize = 4;
