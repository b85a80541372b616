//! Takes a body out of the chunked coding (RFC 9112, 7.1), wherever the network cuts it. Strict about line ends; what a
//! sender may add (extensions, trailers) is read over, and bounded.

use crate::framing::is_token;
use crate::status::Status;

/// Chunk extensions of one body, all together: a byte of body must not cost many bytes of reading.
const EXTENSIONS_MAX_BYTES: usize = 4 << 10;
/// Hexadecimal digits of one chunk's size.
const SIZE_MAX_DIGITS: u32 = 16;

/// The state of one body.
#[derive(Debug)]
pub struct Chunked {
    at: At,
    /// What the sizes so far leave of the longest body.
    left_bytes: u64,
    extensions_bytes: usize,
    trailers_bytes: usize,
    trailers_max_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size {
        value: u64,
        digits: u32,
    },
    /// Behind the size: extensions, if any.
    Extension {
        value: u64,
    },
    SizeLf {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    End,
}

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of the body.
    Data(&'a [u8]),
    /// More is needed.
    More,
    /// The body has ended.
    End,
}

impl Chunked {
    /// A body that may have this many bytes, and trailers.
    pub fn new(body_max_bytes: u64, trailers_max_bytes: usize) -> Chunked {
        Chunked {
            at: At::START,
            left_bytes: body_max_bytes,
            extensions_bytes: 0,
            trailers_bytes: 0,
            trailers_max_bytes,
        }
    }

    /// Reads on, to the next piece of the body or its end. Returns what there is and how many bytes it took. To be called
    /// until it has taken everything or the body ends.
    ///
    /// # Errors
    ///
    /// When this is not the chunked coding, or too much of something. The body's end can't be found any more.
    pub fn read<'a>(&mut self, data: &'a [u8]) -> Result<(usize, Piece<'a>), Status> {
        for (index, byte) in data.iter().enumerate() {
            if let At::Data { left } = self.at {
                let rest = &data[index..];
                let length = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
                let left = left - length as u64;
                self.at = if left == 0 {
                    At::DataCr
                } else {
                    At::Data { left }
                };
                return Ok((index + length, Piece::Data(&rest[..length])));
            }
            self.at = self.step(*byte)?;
            if self.at == At::End {
                return Ok((index + 1, Piece::End));
            }
        }
        Ok((data.len(), Piece::More))
    }

    /// What comes after a byte that is no data.
    fn step(&mut self, byte: u8) -> Result<At, Status> {
        match (self.at, byte) {
            (At::Size { digits: 1.., value }, b'\r') => Ok(At::SizeLf { value }),
            (At::Size { digits: 1.., value }, b';') => Ok(At::Extension { value }),
            (At::Size { value, digits }, digit) => self.size_digit(value, digits, digit),
            (At::Extension { value }, b'\r') => Ok(At::SizeLf { value }),
            (At::Extension { .. }, byte) => self.extension_byte(byte),
            (At::SizeLf { value }, b'\n') => self.data(value),
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => Ok(At::START),
            (At::TrailerStart, b'\r') => Ok(At::EndLf),
            (At::TrailerStart | At::TrailerName, byte) if is_token(byte) => {
                self.trailer_byte(At::TrailerName)
            }
            (At::TrailerName, b':') => self.trailer_byte(At::TrailerValue),
            (At::TrailerValue, b'\r') => Ok(At::TrailerLf),
            (At::TrailerValue, byte) if is_text(byte) => self.trailer_byte(At::TrailerValue),
            (At::TrailerLf, b'\n') => Ok(At::TrailerStart),
            (At::EndLf, b'\n') => Ok(At::End),
            _ => Err(Status::BadRequest),
        }
    }

    fn size_digit(&self, value: u64, digits: u32, digit: u8) -> Result<At, Status> {
        let digit = char::from(digit).to_digit(16).ok_or(Status::BadRequest)?;
        if digits == SIZE_MAX_DIGITS {
            return Err(Status::BadRequest);
        }
        Ok(At::Size {
            value: value << 4 | u64::from(digit),
            digits: digits + 1,
        })
    }

    fn extension_byte(&mut self, byte: u8) -> Result<At, Status> {
        self.extensions_bytes += 1;
        if !is_text(byte) || self.extensions_bytes > EXTENSIONS_MAX_BYTES {
            return Err(Status::BadRequest);
        }
        Ok(self.at)
    }

    fn trailer_byte(&mut self, next: At) -> Result<At, Status> {
        self.trailers_bytes += 1;
        if self.trailers_bytes > self.trailers_max_bytes {
            return Err(Status::HeadTooLarge);
        }
        Ok(next)
    }

    fn data(&mut self, size: u64) -> Result<At, Status> {
        if size == 0 {
            return Ok(At::TrailerStart);
        }
        self.left_bytes = self
            .left_bytes
            .checked_sub(size)
            .ok_or(Status::ContentTooLarge)?;
        Ok(At::Data { left: size })
    }
}

impl At {
    const START: At = At::Size {
        value: 0,
        digits: 0,
    };
}

/// Whether a byte may stand in a field's value.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body, and how many bytes it took with its framing.
    fn decode(text: &[u8], cut: usize) -> Result<Option<(Vec<u8>, usize)>, Status> {
        let mut chunked = Chunked::new(100, 32);
        let (mut body, mut taken) = (Vec::new(), 0);
        for piece in text.chunks(cut) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (length, read) = chunked.read(rest)?;
                rest = &rest[length..];
                taken += length;
                match read {
                    Piece::Data(data) => body.extend_from_slice(data),
                    Piece::More => {}
                    Piece::End => return Ok(Some((body, taken))),
                }
            }
        }
        Ok(None)
    }

    #[test]
    fn bodies() {
        for (text, body) in [
            ("0\r\n\r\n", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello"),
            ("00000000000000A\r\n0123456789\r\n000\r\n\r\n", "0123456789"),
            ("1;a=b;c=\"d\"\r\n\r\r\n1 \r\n", ""),
            ("1;a\r\nx\r\n2\r\nyz\r\n0;b\r\nA: b\r\nC:\r\n\r\n", "xyz"),
        ] {
            for cut in [1, 2, 3, text.len()] {
                let decoded = decode(text.as_bytes(), cut);
                if text.contains("1 \r\n") {
                    assert_eq!(decoded, Err(Status::BadRequest), "{text:?}");
                } else {
                    assert_eq!(
                        decoded,
                        Ok(Some((body.as_bytes().to_vec(), text.len()))),
                        "{text:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_not_the_chunked_coding() {
        for text in [
            "\r\n",
            ";a\r\n",
            "g\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            " 1\r\n",
            "1 \r\n",
            "1\n",
            "1\rx",
            "00000000000000001\r\n",
            "1\r\nxy",
            "1\r\nx\n",
            "1\r\nx\rX",
            "1;\0\r\n",
            "1;a\n",
            "0\r\n\n",
            "0\r\n\rx",
            "0\r\n A: b\r\n",
            "0\r\nA b: c\r\n",
            "0\r\n: c\r\n",
            "0\r\nA\r\n",
            "0\r\nA: b\n",
        ] {
            for cut in [1, 2, text.len()] {
                assert_eq!(
                    decode(text.as_bytes(), cut),
                    Err(Status::BadRequest),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn everything_is_bounded() {
        let status = |text: &str| decode(text.as_bytes(), 7).err();
        assert_eq!(status("64\r\n"), None);
        assert_eq!(status("65\r\n"), Some(Status::ContentTooLarge));
        assert_eq!(
            status("FFFFFFFFFFFFFFFF\r\n"),
            Some(Status::ContentTooLarge)
        );
        assert_eq!(status("1\r\nx\r\n64\r\n"), Some(Status::ContentTooLarge));
        let extension = |bytes| format!("1;{}\r\n", "x".repeat(bytes));
        assert_eq!(status(&extension(EXTENSIONS_MAX_BYTES)), None);
        assert_eq!(
            status(&extension(EXTENSIONS_MAX_BYTES + 1)),
            Some(Status::BadRequest)
        );
        let trailer = |bytes| format!("0\r\nA:{}\r\n", "x".repeat(bytes));
        assert_eq!(status(&trailer(30)), None);
        assert_eq!(status(&trailer(31)), Some(Status::HeadTooLarge));
    }
}
