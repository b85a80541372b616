//! Netstrings: `5:hello,`, as <https://cr.yp.to/proto/netstrings.txt> has them. Knows nothing of what they say.

use super::{Buffer, FrameError, STRING_MAX_BYTES};
use crate::Transport;
use alloc::format;
use alloc::vec::Vec;

/// Finds netstrings. Twisted's `NetstringReceiver`.
#[derive(Debug, Clone)]
pub struct NetstringReceiver {
    pub(super) buffer: Buffer,
    length_max: usize,
}

impl NetstringReceiver {
    /// Strings of at most [`STRING_MAX_BYTES`].
    pub fn new() -> NetstringReceiver {
        NetstringReceiver {
            buffer: Buffer::default(),
            length_max: STRING_MAX_BYTES,
        }
    }

    /// Takes strings of at most so many bytes.
    pub fn length_max(mut self, length_max: usize) -> NetstringReceiver {
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
    /// As soon as it is certain: [`FrameError::TooLong`] for a length above the limit, [`FrameError::Malformed`] for what is no
    /// length (leading zeros included) or has no comma at its end.
    pub fn next_string(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        self.buffer.check()?;
        match frame(self.buffer.rest(), self.length_max) {
            Ok(None) => Ok(None),
            Ok(Some((head, length))) => {
                let string = self.buffer.take(head + length + 1, (head, 1));
                Ok(Some(string))
            }
            Err(error) => Err(self.buffer.breaks(error)),
        }
    }

    /// Takes out what has arrived and is no whole string yet: to go on with another framing.
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.buffer.take_up_to(usize::MAX)
    }

    /// Writes one string. The peer's limit is the peer's own.
    pub fn send_string(&self, transport: &Transport, string: impl AsRef<[u8]>) {
        let string = string.as_ref();
        transport.write_many(&[format!("{}:", string.len()).as_bytes(), string, b","]);
    }
}

impl Default for NetstringReceiver {
    fn default() -> NetstringReceiver {
        NetstringReceiver::new()
    }
}

/// The lengths of the head (`5:`) and of the string of the frame that `bytes` begins with, once it is whole.
fn frame(bytes: &[u8], length_max: usize) -> Result<Option<(usize, usize)>, FrameError> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' if index == 1 && bytes[0] == b'0' => {
                return Err(FrameError::Malformed("a length with a leading zero"));
            }
            b'0'..=b'9' => {
                length = length
                    .saturating_mul(10)
                    .saturating_add(usize::from(byte - b'0'));
                if length > length_max {
                    return Err(FrameError::TooLong(length_max));
                }
            }
            b':' if index > 0 => {
                let head = index + 1;
                return match bytes.get(head + length) {
                    None => Ok(None),
                    Some(b',') => Ok(Some((head, length))),
                    Some(_) => Err(FrameError::Malformed("a string without a comma at its end")),
                };
            }
            _ => return Err(FrameError::Malformed("a length that is no number")),
        }
    }
    Ok(None)
}
