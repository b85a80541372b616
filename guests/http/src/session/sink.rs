//! Where a request's body goes: it is dropped, collected, or sent back while it arrives.

use super::Turn;
use super::reply::Reply;
use crate::body::Body;
use crate::response::{Length, write_chunk};
use crate::routes::Answer;

/// What takes a body.
pub enum Sink {
    /// Nobody needs it.
    Discard,
    /// It is sent back when it is complete. Bounded by `echo_buffer_max_bytes`.
    Collect {
        body: Vec<u8>,
        content_type: Vec<u8>,
    },
    /// It is too long to be collected: the head has been sent, and each piece follows.
    Stream { is_chunked: bool },
}

impl Sink {
    /// The sink for a body that is about to arrive. Writes the head of the answer if that need not wait.
    pub fn new(reply: &Reply, body: &Body, content_type: &[u8], turn: &mut Turn<'_>) -> Sink {
        if reply.answer != Answer::Echo {
            return Sink::Discard;
        }
        match body {
            Body::Length(length) if *length > turn.site.settings.echo_buffer_max_bytes as u64 => {
                reply.write_head_of_stream(content_type, Length::Bytes(*length), turn);
                Sink::Stream { is_chunked: false }
            }
            _ => Sink::Collect {
                body: Vec::new(),
                content_type: content_type.to_vec(),
            },
        }
    }

    /// Whether the answer has begun.
    pub fn is_streaming(&self) -> bool {
        matches!(self, Sink::Stream { .. })
    }

    /// Takes a piece.
    pub fn take(&mut self, piece: &[u8], reply: &Reply, turn: &mut Turn<'_>) {
        match self {
            Sink::Discard => {}
            Sink::Stream { is_chunked } => write_piece(piece, *is_chunked, turn),
            Sink::Collect { body, content_type } => {
                if body.len() + piece.len() <= turn.site.settings.echo_buffer_max_bytes {
                    return body.extend_from_slice(piece);
                }
                // Only of chunked bodies is the length not known before.
                reply.write_head_of_stream(content_type, Length::Chunked, turn);
                write_piece(body, true, turn);
                write_piece(piece, true, turn);
                *self = Sink::Stream { is_chunked: true };
            }
        }
    }
}

fn write_piece(piece: &[u8], is_chunked: bool, turn: &mut Turn<'_>) {
    if piece.is_empty() {
        // An empty chunk would be the last one.
    } else if is_chunked {
        write_chunk(turn.out, piece.len(), |out| out.extend_from_slice(piece));
    } else {
        turn.out.extend_from_slice(piece);
    }
}
