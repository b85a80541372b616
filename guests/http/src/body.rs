//! One request's body on its way in, whichever framing it has.

use crate::chunked::{Chunked, Piece};
use crate::framing::Framing;
use crate::settings::Settings;
use crate::status::Status;

/// What is still to come of a body.
#[derive(Debug)]
pub enum Body {
    /// So many bytes.
    Length(u64),
    /// As long as its chunks.
    Chunked(Chunked),
}

impl Body {
    /// The body of a request, if it has one.
    ///
    /// # Errors
    ///
    /// When its length alone says that it is too long.
    pub fn of(framing: Framing, settings: &Settings) -> Result<Option<Body>, Status> {
        match framing {
            Framing::None | Framing::Length(0) => Ok(None),
            Framing::Length(length) if length > settings.body_max_bytes => {
                Err(Status::ContentTooLarge)
            }
            Framing::Length(length) => Ok(Some(Body::Length(length))),
            Framing::Chunked => Ok(Some(Body::Chunked(Chunked::new(
                settings.body_max_bytes,
                settings.head_max_bytes,
            )))),
        }
    }

    /// Reads on, to the next piece of the body or its end. Returns what there is and how many bytes it took. The end of a
    /// body with a length takes no bytes: to be called once more after the last piece.
    ///
    /// # Errors
    ///
    /// When the framing is broken or a limit is passed. The body's end can't be found any more.
    pub fn read<'a>(&mut self, data: &'a [u8]) -> Result<(usize, Piece<'a>), Status> {
        match self {
            Body::Chunked(chunked) => chunked.read(data),
            Body::Length(0) => Ok((0, Piece::End)),
            Body::Length(left) => {
                let length = usize::try_from(*left).map_or(data.len(), |left| left.min(data.len()));
                *left -= length as u64;
                Ok((length, Piece::Data(&data[..length])))
            }
        }
    }

    /// Whether the body is over, so that it ends without another byte.
    pub fn is_over(&self) -> bool {
        matches!(self, Body::Length(0))
    }
}
