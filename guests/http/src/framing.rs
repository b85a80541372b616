//! How long a request's body is (RFC 9112, 6). Strict: what two readers could take for different lengths is refused, for
//! that is what smuggled requests are made of.

use crate::status::Status;

/// The length of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Neither a length nor a coding was given: there is no body.
    None,
    /// So many bytes.
    Length(u64),
    /// As long as its chunks.
    Chunked,
}

/// Collects the headers that say how long a body is.
#[derive(Default)]
pub struct FramingHeaders {
    length: Option<u64>,
    codings: Codings,
}

/// The transfer codings so far.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Codings {
    #[default]
    None,
    Chunked,
    /// One that this server does not know, and chunked is still to come.
    Unknown,
    /// One that this server does not know, under chunked.
    UnknownChunked,
}

impl FramingHeaders {
    /// A `Content-Length`. Even an equal second one is refused.
    pub fn content_length(&mut self, value: &[u8]) -> Result<(), Status> {
        let length = decimal(value).ok_or(Status::BadRequest)?;
        match self.length.replace(length) {
            None => Ok(()),
            Some(_) => Err(Status::BadRequest),
        }
    }

    /// A `Transfer-Encoding`; several count as one list.
    pub fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Status> {
        for coding in value.split(|byte| *byte == b',') {
            let coding = coding.trim_ascii();
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            if !is_chunked && (coding.is_empty() || !coding.iter().copied().all(is_token)) {
                return Err(Status::BadRequest);
            }
            self.codings = match (self.codings, is_chunked) {
                (Codings::None, true) => Codings::Chunked,
                (Codings::Unknown, true) => Codings::UnknownChunked,
                (Codings::None | Codings::Unknown, false) => Codings::Unknown,
                // Chunked comes last and once.
                (Codings::Chunked | Codings::UnknownChunked, _) => return Err(Status::BadRequest),
            };
        }
        Ok(())
    }

    /// To be called after the last header: how long the body is.
    pub fn framing(&self, is_http_1_0: bool) -> Result<Framing, Status> {
        match (self.codings, self.length) {
            (Codings::None, None) => Ok(Framing::None),
            (Codings::None, Some(length)) => Ok(Framing::Length(length)),
            // HTTP/1.0 has no transfer codings: whoever sent one may mean something else by it.
            (_, Some(_)) => Err(Status::BadRequest),
            _ if is_http_1_0 => Err(Status::BadRequest),
            (Codings::Chunked, None) => Ok(Framing::Chunked),
            (Codings::UnknownChunked, None) => Err(Status::NotImplemented),
            // Where such a body ends cannot be known.
            (Codings::Unknown, None) => Err(Status::BadRequest),
        }
    }
}

/// Digits and nothing else.
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Whether a byte may stand in a token (RFC 9110, 5.6.2).
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(lengths: &[&str], codings: &[&str]) -> Result<Framing, Status> {
        let mut headers = FramingHeaders::default();
        for length in lengths {
            headers.content_length(length.as_bytes())?;
        }
        for coding in codings {
            headers.transfer_encoding(coding.as_bytes())?;
        }
        headers.framing(false)
    }

    #[test]
    fn what_is_clear() {
        assert_eq!(framing(&[], &[]), Ok(Framing::None));
        assert_eq!(framing(&["0"], &[]), Ok(Framing::Length(0)));
        assert_eq!(
            framing(&["18446744073709551615"], &[]),
            Ok(Framing::Length(u64::MAX))
        );
        assert_eq!(framing(&[], &["ChunKed"]), Ok(Framing::Chunked));
    }

    #[test]
    fn what_two_readers_could_take_differently() {
        for length in [
            "",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1,1",
            "1 1",
            "0x1",
            "1.0",
            "18446744073709551616",
        ] {
            assert_eq!(framing(&[length], &[]), Err(Status::BadRequest), "{length}");
        }
        assert_eq!(framing(&["1", "1"], &[]), Err(Status::BadRequest));
        assert_eq!(framing(&["1", "2"], &[]), Err(Status::BadRequest));
        assert_eq!(framing(&["1"], &["chunked"]), Err(Status::BadRequest));
        for codings in [
            ["", "chunked"],
            ["chunked", "chunked"],
            ["chunked", "gzip"],
            ["gzip", "identity"],
            ["chunked;a=b", "chunked"],
            ["gzip,,", "chunked"],
            ["\"chunked\"", "chunked"],
        ] {
            assert_eq!(
                framing(&[], &codings),
                Err(Status::BadRequest),
                "{codings:?}"
            );
        }
        assert_eq!(
            framing(&[], &["gzip, chunked"]),
            Err(Status::NotImplemented)
        );
        assert_eq!(
            framing(&[], &["gzip", "chunked"]),
            Err(Status::NotImplemented)
        );
    }

    #[test]
    fn http_1_0_has_no_transfer_codings() {
        let mut headers = FramingHeaders::default();
        headers.transfer_encoding(b"chunked").expect("well-formed");
        assert_eq!(headers.framing(true), Err(Status::BadRequest));
    }
}
