//! Finds commands in a peer's bytes, wherever they are cut. Knows the protocol's framing and no command.
//!
//! Nothing is copied: arguments are ranges of the bytes they came in. An incomplete command keeps its place, so that
//! each byte is looked at once, also when bytes come one at a time.

use crate::limits::{BULK_MAX_BYTES, KEPT_BYTES_MAX, LINE_MAX_BYTES};
use crate::number;
use std::borrow::Cow;

/// Where an argument stands, in bytes from its command's first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    start: u32,
    end: u32,
}

/// A command's arguments, its name first.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a> {
    data: &'a [u8],
    ranges: &'a [Range],
}

impl<'a> Args<'a> {
    #[inline]
    pub(crate) fn new(data: &'a [u8], ranges: &'a [Range]) -> Args<'a> {
        Args { data, ranges }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// An argument that is there: its command's arity says so. Empty otherwise.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> &'a [u8] {
        let Some(range) = self.ranges.get(index) else {
            return &[];
        };
        self.data
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
    }

    /// The arguments from `first` on.
    pub(crate) fn from(self, first: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        (first.min(self.len())..self.len()).map(move |index| self.get(index))
    }
}

/// What parsing came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A command, of which there are [`Frame::ranges`]: that many bytes. Without any argument there is nothing to do.
    Command(usize),
    /// A command in a line: the line's bytes, and those of the line with its end.
    Inline(usize, usize),
    /// More bytes are needed.
    Incomplete,
    /// The peer does not speak the protocol. The connection ends after this error.
    Malformed(Cow<'static, [u8]>),
}

/// How far one connection's current command has been parsed.
#[derive(Default)]
pub(crate) struct Frame {
    ranges: Vec<Range>,
    /// What follows is at this place, in bytes from the command's first one.
    position: usize,
    args_left: u32,
    /// The length of the argument whose header has been read.
    bulk_bytes: Option<usize>,
}

/// A count on a line of its own.
enum Line {
    Number(i64, usize),
    Invalid,
    Incomplete,
    TooLong,
}

impl Frame {
    #[inline]
    pub(crate) fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// The memory that an incomplete command's arguments take besides their bytes.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.ranges.capacity() * size_of::<Range>()
    }

    /// To be called after each command, before the next one is parsed.
    #[inline]
    pub(crate) fn reset(&mut self) {
        self.ranges.clear();
        if self.ranges.capacity() > KEPT_BYTES_MAX / size_of::<Range>() {
            self.ranges = Vec::new();
        }
        self.position = 0;
        self.args_left = 0;
        self.bulk_bytes = None;
    }

    /// Goes on with the current command. `data` begins with its first byte, also when it was incomplete before.
    #[inline]
    pub(crate) fn parse(&mut self, data: &[u8]) -> Parsed {
        if self.args_left == 0 {
            match data.first() {
                None => return Parsed::Incomplete,
                Some(b'*') => {}
                Some(_) => return self.parse_inline(data),
            }
            match count(data, 0) {
                Line::Number(args, next) => {
                    self.position = next;
                    match u32::try_from(args) {
                        Ok(args) if args > 0 && args <= i32::MAX as u32 => self.args_left = args,
                        Ok(0) => return Parsed::Command(next),
                        _ if args < 0 => return Parsed::Command(next),
                        _ => return malformed("invalid multibulk length"),
                    }
                }
                Line::Incomplete => return Parsed::Incomplete,
                Line::Invalid => return malformed("invalid multibulk length"),
                Line::TooLong => return malformed("too big mbulk count string"),
            }
        }
        self.parse_bulks(data)
    }

    #[inline]
    fn parse_bulks(&mut self, data: &[u8]) -> Parsed {
        while self.args_left > 0 {
            let bytes = match self.bulk_bytes {
                Some(bytes) => bytes,
                None => match self.parse_bulk_header(data) {
                    Ok(bytes) => bytes,
                    Err(parsed) => return parsed,
                },
            };
            let end = self.position + bytes;
            // What follows an argument is not looked at, as redis-server does it.
            if data.len() < end + 2 {
                self.bulk_bytes = Some(bytes);
                return Parsed::Incomplete;
            }
            self.ranges.push(Range {
                start: self.position as u32,
                end: end as u32,
            });
            self.position = end + 2;
            self.bulk_bytes = None;
            self.args_left -= 1;
        }
        Parsed::Command(self.position)
    }

    #[inline]
    fn parse_bulk_header(&mut self, data: &[u8]) -> Result<usize, Parsed> {
        let line = count(data, self.position);
        match line {
            Line::Incomplete => return Err(Parsed::Incomplete),
            Line::TooLong => return Err(malformed("too big bulk count string")),
            Line::Number(..) | Line::Invalid => {}
        }
        if data[self.position] != b'$' {
            return Err(unexpected(data[self.position]));
        }
        match line {
            Line::Number(bytes, next) if (0..=BULK_MAX_BYTES as i64).contains(&bytes) => {
                self.position = next;
                Ok(bytes as usize)
            }
            _ => Err(malformed("invalid bulk length")),
        }
    }

    /// `position` is here how far the line's end has been searched.
    #[cold]
    fn parse_inline(&mut self, data: &[u8]) -> Parsed {
        let from = self.position.min(data.len());
        // As in a C string, nothing is found behind a NUL.
        let end = data[from..]
            .iter()
            .position(|byte| matches!(byte, b'\n' | 0));
        let Some(found) = end.filter(|end| data[from + end] == b'\n') else {
            self.position = end.map_or(data.len(), |end| from + end);
            if data.len() > LINE_MAX_BYTES {
                return malformed("too big inline request");
            }
            return Parsed::Incomplete;
        };
        let newline = from + found;
        let line = data[..newline]
            .strip_suffix(b"\r")
            .map_or(newline, <[u8]>::len);
        Parsed::Inline(line, newline + 1)
    }

    /// Splits a line into arguments, which are put together in `text`. False when its quotes are not balanced.
    #[cold]
    pub(crate) fn split_inline(&mut self, line: &[u8], text: &mut Vec<u8>) -> bool {
        self.ranges.clear();
        text.clear();
        let mut rest = line;
        loop {
            rest = without_spaces(rest);
            if rest.is_empty() {
                return true;
            }
            let start = text.len() as u32;
            let Some(after) = take_token(rest, text) else {
                return false;
            };
            rest = after;
            self.ranges.push(Range {
                start,
                end: text.len() as u32,
            });
        }
    }
}

/// The count in the line at `at`, whose first byte says what is counted.
#[inline]
fn count(data: &[u8], at: usize) -> Line {
    // Nearly every count is a short one, and complete.
    if let [_, tens @ b'1'..=b'9', b'\r', _, ..] = data[at..] {
        return Line::Number(i64::from(tens - b'0'), at + 4);
    }
    if let [_, tens @ b'1'..=b'9', ones @ b'0'..=b'9', b'\r', _, ..] = data[at..] {
        return Line::Number(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'), at + 5);
    }
    any_count(data, at)
}

fn any_count(data: &[u8], at: usize) -> Line {
    let rest = &data[at..];
    // As in a C string, nothing is found behind a NUL.
    let end = rest.iter().position(|byte| matches!(byte, b'\r' | 0));
    match end.filter(|end| rest[*end] == b'\r') {
        None if rest.len() > LINE_MAX_BYTES => Line::TooLong,
        None => Line::Incomplete,
        Some(end) if end + 1 >= rest.len() => Line::Incomplete,
        Some(end) => match number::integer(rest.get(1..end).unwrap_or_default()) {
            Some(number) => Line::Number(number, at + end + 2),
            None => Line::Invalid,
        },
    }
}

#[cold]
fn malformed(why: &'static str) -> Parsed {
    Parsed::Malformed(Cow::Borrowed(why.as_bytes()))
}

#[cold]
fn unexpected(byte: u8) -> Parsed {
    let mut why = b"expected '$', got '".to_vec();
    why.push(byte);
    why.push(b'\'');
    Parsed::Malformed(why.into())
}

fn without_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| is_space(**byte)).count();
    &text[spaces..]
}

/// What C's `isspace` calls space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Appends the first token of `rest` to `text`, and returns what follows. None when a quote is not closed, or not
/// followed by space.
fn take_token<'a>(rest: &'a [u8], text: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut at = 0;
    let mut quote = None;
    loop {
        let Some(&byte) = rest.get(at) else {
            return quote.is_none().then_some(&[]);
        };
        at += 1;
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b' ' | b'\n' | b'\r' | b'\t') => return Some(&rest[at..]),
            (Some(open), _) if open == byte => {
                return match rest.get(at) {
                    Some(next) if !is_space(*next) => None,
                    _ => Some(&rest[at..]),
                };
            }
            (Some(b'"'), b'\\') => {
                let (escaped, length) = escape(&rest[at..])?;
                text.push(escaped);
                at += length;
            }
            (Some(b'\''), b'\\') if rest.get(at) == Some(&b'\'') => {
                text.push(b'\'');
                at += 1;
            }
            _ => text.push(byte),
        }
    }
}

/// The byte that an escape in double quotes stands for, and how many bytes follow its backslash.
fn escape(rest: &[u8]) -> Option<(u8, usize)> {
    if let [b'x', high, low, ..] = rest
        && let (Some(high), Some(low)) = (hex(*high), hex(*low))
    {
        return Some((high << 4 | low, 3));
    }
    let escaped = match rest.first()? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => *other,
    };
    Some((escaped, 1))
}

fn hex(digit: u8) -> Option<u8> {
    Some(char::from(digit).to_digit(16)? as u8)
}
