//! Collects a head that arrives in pieces, and decides at fixed places whether it is one: the same bytes are refused at
//! the same byte wherever the network cuts them, and each byte is looked at once.

use crate::head;
use crate::settings::Settings;
use crate::status::Status;

/// What has come of a head.
#[derive(Default)]
pub struct Input {
    bytes: Vec<u8>,
    /// Where the line that is being looked at begins.
    line_start: usize,
    has_request_line: bool,
}

/// What came of more bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Fed {
    /// All were taken, and more are needed.
    More,
    /// So many were taken; they complete the head: [`Input::take`] it.
    Head(usize),
    /// This can't become a head.
    Refused(Status),
}

/// Memory for a head is kept up to this size.
const KEPT_MAX_BYTES: usize = 1 << 10;

impl Input {
    /// Whether nothing of a head has come yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds bytes up to the end of the head.
    pub fn feed(&mut self, data: &[u8], settings: &Settings) -> Fed {
        for (index, byte) in data.iter().enumerate() {
            if self.bytes.len() == settings.head_max_bytes {
                return Fed::Refused(Status::HeadTooLarge);
            }
            self.bytes.push(*byte);
            match self.look_at(*byte, settings) {
                Ok(false) => {}
                Ok(true) => return Fed::Head(index + 1),
                Err(status) => return Fed::Refused(status),
            }
        }
        Fed::More
    }

    /// The head, and begins the next one. Give the memory back with [`keep`](Self::keep).
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(self).bytes
    }

    /// Takes memory back.
    pub fn keep(&mut self, mut memory: Vec<u8>) {
        if memory.capacity() <= KEPT_MAX_BYTES {
            memory.clear();
            self.bytes = memory;
        }
    }

    /// Looks at the byte that was added last. Returns whether it completes the head.
    fn look_at(&mut self, byte: u8, settings: &Settings) -> Result<bool, Status> {
        let line = &self.bytes[self.line_start..];
        if byte == b'\n' {
            return match line {
                b"\r\n" => Ok(self.empty_line()),
                [.., b'\r', b'\n'] => self.line_ends().map(|()| false),
                _ => Err(Status::BadRequest),
            };
        }
        if let [.., b'\r', _] = line {
            return Err(Status::BadRequest);
        }
        if self.has_request_line {
            // A line that begins with white space would go on the one before it (obs-fold), or would hide a field.
            let is_folded = line.len() == 1 && matches!(byte, b' ' | b'\t');
            return if is_folded {
                Err(Status::BadRequest)
            } else {
                Ok(false)
            };
        }
        if byte.is_ascii_control() && byte != b'\r' {
            return Err(Status::BadRequest);
        }
        if line.len() >= settings.line_max_bytes {
            return Err(Status::UriTooLong);
        }
        Ok(false)
    }

    /// Whether the empty line is the one that completes the head: those before a request line are skipped.
    fn empty_line(&mut self) -> bool {
        self.line_start = self.bytes.len();
        self.has_request_line
    }

    fn line_ends(&mut self) -> Result<(), Status> {
        if !self.has_request_line {
            let line = &mut self.bytes[self.line_start..];
            speak_highest_minor_version(line);
            head::check_line(line)?;
            self.has_request_line = true;
        }
        self.line_start = self.bytes.len();
        Ok(())
    }
}

/// A client of a later HTTP/1 is answered with the latest that is known here (RFC 9110, 2.5).
fn speak_highest_minor_version(line: &mut [u8]) {
    if let [
        ..,
        b' ',
        b'H',
        b'T',
        b'T',
        b'P',
        b'/',
        b'1',
        b'.',
        minor @ b'2'..=b'9',
        b'\r',
        b'\n',
    ] = line
    {
        *minor = b'1';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds one byte at a time and returns the outcome and after how many bytes it was there.
    fn feed(text: &[u8], settings: &Settings) -> (usize, Fed) {
        let mut input = Input::default();
        for (index, byte) in text.iter().enumerate() {
            let fed = input.feed(&[*byte], settings);
            if fed != Fed::More {
                return (index + 1, fed);
            }
        }
        (text.len(), Fed::More)
    }

    #[test]
    fn a_head_ends_with_its_empty_line() {
        let head = b"\r\n\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n";
        let mut input = Input::default();
        let settings = Settings::default();
        let text = [head.as_slice(), b"GET"].concat();
        assert_eq!(input.feed(&text, &settings), Fed::Head(head.len()));
        assert_eq!(input.take(), head);
        assert!(input.is_empty());
        assert_eq!(feed(&text, &settings), (head.len(), Fed::Head(1)));
    }

    #[test]
    fn what_is_no_head_is_refused_at_once() {
        let bad = Fed::Refused(Status::BadRequest);
        for (text, at) in [
            ("\x16\x03\x01", 1),
            ("\nGET", 1),
            ("\rG", 2),
            ("GET /\r\n", 7),
            ("GET / HTTP/1.1\n", 15),
            ("GET / HTTP/1.1\rX", 16),
            ("GET / HTTP/1.1\r\n A: b\r\n", 17),
            ("GET / HTTP/1.1\r\nA: b\r\n\tc", 23),
            ("GET / HTTP/1.1\r\nA: b\n", 21),
        ] {
            let (taken, fed) = feed(text.as_bytes(), &Settings::default());
            assert_eq!((taken, &fed), (at, &bad), "{text:?}");
        }
        let (_, fed) = feed(b"GET / HTTP/2.0\r\n", &Settings::default());
        assert_eq!(fed, Fed::Refused(Status::VersionNotSupported));
    }

    #[test]
    fn lines_and_heads_are_bounded() {
        let settings = Settings {
            line_max_bytes: 64,
            head_max_bytes: 128,
            ..Settings::default()
        };
        let line = format!("GET /{} HTTP/1.1\r\n", "x".repeat(64 - 16));
        assert_eq!(line.len(), 64);
        assert_eq!(feed(line.as_bytes(), &settings).1, Fed::More);
        let longer = line.replacen('x', "xx", 1);
        assert_eq!(
            feed(longer.as_bytes(), &settings).1,
            Fed::Refused(Status::UriTooLong)
        );
        let head = format!("{line}A: {}\r\n\r\n", "x".repeat(128 - 64 - 7));
        assert_eq!(feed(head.as_bytes(), &settings), (128, Fed::Head(1)));
        let longer = head.replacen("A: ", "A: x", 1);
        assert_eq!(
            feed(longer.as_bytes(), &settings),
            (129, Fed::Refused(Status::HeadTooLarge))
        );
    }
}
