//! Writes responses: heads, bodies that repeat a pattern, chunks. Knows nothing of requests.

use crate::date::Fields;
use crate::status::Status;

/// What a response's head says besides the date.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    pub status: Status,
    pub content_type: &'a [u8],
    pub length: Length,
    pub connection: Connection,
    /// The methods that are allowed; empty for no such field.
    pub allow: &'a str,
}

/// How the end of a response's body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// There is no body, and there never is one with this status.
    None,
    /// So many bytes.
    Bytes(u64),
    /// By the chunked coding.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// What is said about the connection's future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Nothing: it goes on, as HTTP/1.1 expects.
    GoesOn,
    /// It goes on, as HTTP/1.0 does not expect.
    KeepAlive,
    /// This response is the last.
    Close,
}

/// The type of a body that has no other.
pub const TEXT: &[u8] = b"text/plain";

/// What a client that expects it is told before it sends the body.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The end of a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Writes a head.
pub fn write_head(out: &mut Vec<u8>, head: &ResponseHead<'_>, fields: &Fields) {
    // Enough for the whole head, but for what the client chose: one growth instead of many.
    out.reserve(HEAD_BYTES);
    out.extend_from_slice(head.status.line().as_bytes());
    out.extend_from_slice(fields);
    match head.connection {
        Connection::GoesOn => {}
        Connection::KeepAlive => out.extend_from_slice(b"\r\nConnection: keep-alive"),
        Connection::Close => out.extend_from_slice(b"\r\nConnection: close"),
    }
    if !head.allow.is_empty() {
        out.extend_from_slice(b"\r\nAllow: ");
        out.extend_from_slice(head.allow.as_bytes());
    }
    if head.length != Length::None && !head.content_type.is_empty() {
        out.extend_from_slice(b"\r\nContent-Type: ");
        out.extend_from_slice(head.content_type);
    }
    match head.length {
        Length::None | Length::UntilClose => {}
        Length::Chunked => out.extend_from_slice(b"\r\nTransfer-Encoding: chunked"),
        Length::Bytes(length) => {
            out.extend_from_slice(b"\r\nContent-Length: ");
            write_decimal(out, length);
        }
    }
    out.extend_from_slice(b"\r\n\r\n");
}

const HEAD_BYTES: usize = 256;

/// Writes `length` bytes of the pattern that all generated bodies repeat; `position` of them came before.
pub fn write_pattern(out: &mut Vec<u8>, position: u64, length: usize) {
    out.reserve(length);
    let mut start = (position % PATTERN.len() as u64) as usize;
    let mut left = length;
    while left > 0 {
        let piece = &PATTERN[start..PATTERN.len().min(start + left)];
        out.extend_from_slice(piece);
        left -= piece.len();
        start = 0;
    }
}

/// Writes one chunk, which must not be empty: that would be the last one.
pub fn write_chunk(out: &mut Vec<u8>, length: usize, data: impl FnOnce(&mut Vec<u8>)) {
    write_hexadecimal(out, length);
    out.extend_from_slice(b"\r\n");
    data(out);
    out.extend_from_slice(b"\r\n");
}

/// A body of 1 KiB is this, prepared: lines of 64 bytes.
static PATTERN: [u8; 1024] = {
    let mut pattern = [b'\n'; 1024];
    let mut at = 0;
    while at < pattern.len() {
        if at % 64 != 63 {
            pattern[at] = b'0' + (at % 64) as u8;
        }
        at += 1;
    }
    pattern
};

fn write_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

fn write_hexadecimal(out: &mut Vec<u8>, number: usize) {
    let digits = (usize::BITS - number.leading_zeros()).div_ceil(4).max(1);
    out.extend(
        (0..digits)
            .rev()
            .map(|digit| b"0123456789abcdef"[number >> (digit * 4) & 15]),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for number in [0, 1, 9, 10, 15, 16, 255, 256, 65_535, 1 << 20, usize::MAX] {
            let mut out = Vec::new();
            write_decimal(&mut out, number as u64);
            out.push(b' ');
            write_hexadecimal(&mut out, number);
            assert_eq!(
                String::from_utf8_lossy(&out),
                format!("{number} {number:x}")
            );
        }
    }

    #[test]
    fn the_pattern_goes_on_where_it_was_left() {
        let mut whole = Vec::new();
        write_pattern(&mut whole, 0, 5000);
        let mut pieces = Vec::new();
        for length in [1, 1023, 1, 2000, 1975] {
            let position = pieces.len() as u64;
            write_pattern(&mut pieces, position, length);
        }
        assert_eq!(whole.len(), 5000);
        assert!(whole == pieces);
    }
}
