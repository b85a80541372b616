//! Writes replies in either version of the protocol, one behind the other. Knows no command and no connection.

use crate::fault::Fault;
use crate::limits::{KEPT_BYTES_MAX, REPLY_MAX_BYTES};
use crate::number::Digits;

/// Which version a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

/// The replies to one batch of commands. All connections use one in turn: its memory stays warm.
#[derive(Default)]
pub(crate) struct Reply {
    out: Vec<u8>,
    /// That of the connection whose commands run.
    pub(crate) protocol: Protocol,
    /// Where the running command's reply begins.
    start: usize,
    overflowed: bool,
}

impl Reply {
    /// Everything written so far.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.out
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// Forgets what was written: it has been sent.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.out.clear();
        if self.out.capacity() > 16 * KEPT_BYTES_MAX {
            self.out = Vec::new();
        }
    }

    /// To be called before each command.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.start = self.out.len();
        self.overflowed = false;
    }

    /// Whether the running command's reply has become longer than it may be; nothing is added to it from then on.
    /// Loops end early then.
    #[inline]
    pub(crate) fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    /// Replaces what the running command has written.
    #[cold]
    pub(crate) fn fail(&mut self, fault: &Fault) {
        self.out.truncate(self.start);
        self.overflowed = false;
        self.error(&fault.0);
    }

    #[cold]
    pub(crate) fn error(&mut self, text: &[u8]) {
        self.out.push(b'-');
        // An error is one line.
        let line = text.iter().map(|byte| {
            if matches!(byte, b'\r' | b'\n') {
                b' '
            } else {
                *byte
            }
        });
        self.out.extend(line);
        self.out.extend_from_slice(b"\r\n");
    }

    #[inline]
    pub(crate) fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A word without an end of line.
    #[inline]
    pub(crate) fn simple(&mut self, text: &'static str) {
        self.out.push(b'+');
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    #[inline]
    pub(crate) fn integer(&mut self, number: i64) {
        self.number(b':', number);
    }

    /// An integer whose digits are there already.
    pub(crate) fn digits(&mut self, digits: &Digits) {
        self.signed_digits(b':', digits);
    }

    /// How many there are of something.
    #[inline]
    pub(crate) fn count(&mut self, count: usize) {
        self.number(b':', count as i64);
    }

    #[inline]
    pub(crate) fn boolean(&mut self, yes: bool) {
        self.out
            .extend_from_slice(if yes { b":1\r\n" } else { b":0\r\n" });
    }

    #[inline]
    pub(crate) fn bulk(&mut self, text: &[u8]) {
        if self.takes(text.len()) {
            self.number(b'$', text.len() as i64);
            self.out.extend_from_slice(text);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// A bulk, or a null where there is none.
    #[inline]
    pub(crate) fn bulk_or_null(&mut self, text: Option<&[u8]>) {
        match text {
            Some(text) => self.bulk(text),
            None => self.null(),
        }
    }

    pub(crate) fn bulk_number(&mut self, number: i64) {
        self.bulk(Digits::of(number).as_bytes());
    }

    /// A text for people.
    pub(crate) fn verbatim(&mut self, text: &str) {
        if self.protocol == Protocol::Resp2 {
            return self.bulk(text.as_bytes());
        }
        if self.takes(text.len()) {
            self.number(b'=', text.len() as i64 + 4);
            self.out.extend_from_slice(b"txt:");
            self.out.extend_from_slice(text.as_bytes());
            self.out.extend_from_slice(b"\r\n");
        }
    }

    #[inline]
    pub(crate) fn null(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.out.extend_from_slice(b"$-1\r\n"),
            Protocol::Resp3 => self.out.extend_from_slice(b"_\r\n"),
        }
    }

    pub(crate) fn null_array(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.out.extend_from_slice(b"*-1\r\n"),
            Protocol::Resp3 => self.out.extend_from_slice(b"_\r\n"),
        }
    }

    /// So many elements follow.
    pub(crate) fn array(&mut self, elements: usize) {
        if self.takes(0) {
            self.number(b'*', elements as i64);
        }
    }

    /// So many pairs follow.
    pub(crate) fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.number(b'*', pairs as i64 * 2),
            Protocol::Resp3 => self.number(b'%', pairs as i64),
        }
    }

    /// So many members follow.
    pub(crate) fn set(&mut self, members: usize) {
        match self.protocol {
            Protocol::Resp2 => self.number(b'*', members as i64),
            Protocol::Resp3 => self.number(b'~', members as i64),
        }
    }

    #[inline]
    fn takes(&mut self, more_bytes: usize) -> bool {
        let fits = self.out.len() - self.start + more_bytes <= REPLY_MAX_BYTES;
        self.overflowed |= !fits;
        fits && !self.overflowed
    }

    #[inline]
    fn number(&mut self, sign: u8, number: i64) {
        if (0..10).contains(&number) {
            let line = [sign, b'0' + number as u8, b'\r', b'\n'];
            return self.out.extend_from_slice(&line);
        }
        self.long_number(sign, number);
    }

    fn long_number(&mut self, sign: u8, number: i64) {
        self.signed_digits(sign, &Digits::of(number));
    }

    fn signed_digits(&mut self, sign: u8, digits: &Digits) {
        self.out.push(sign);
        self.out.extend_from_slice(digits.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }
}
