//! What is known of a request once its body arrives, and the responses made of it.

use super::Turn;
use crate::response::{Connection, Length, ResponseHead, TEXT, write_head};
use crate::routes::Answer;
use crate::status::Status;

/// How a request is to be answered.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    pub answer: Answer,
    /// The method was HEAD: the answer has no body.
    pub is_head: bool,
    pub is_http_1_0: bool,
    pub keeps_alive: bool,
}

impl Reply {
    /// The same, as the last one on its connection.
    pub fn closing(self) -> Reply {
        Reply {
            keeps_alive: false,
            ..self
        }
    }

    /// Writes a response that needs no more than this. `body` and `content_type` are the request's.
    pub fn write_whole(&self, body: &[u8], content_type: &[u8], turn: &mut Turn<'_>) {
        let (status, allow, text) = match self.answer {
            Answer::Echo => {
                self.write(
                    Status::Ok,
                    content_type,
                    Length::Bytes(body.len() as u64),
                    "",
                    turn,
                );
                return self.write_body(body, turn);
            }
            Answer::Options(allow) => {
                return self.write(Status::NoContent, &[], Length::None, allow, turn);
            }
            Answer::Text(status, text) => (status, "", text),
            Answer::Error(status) => (status, "", status.text()),
            Answer::NotAllowed(allow) => (
                Status::MethodNotAllowed,
                allow,
                Status::MethodNotAllowed.text(),
            ),
            // These are longer than one step, and `Session` writes their bodies.
            Answer::Bytes(_) | Answer::Chunked(_) => return,
        };
        let is_error = matches!(self.answer, Answer::Error(_) | Answer::NotAllowed(_));
        let length = text.len() + usize::from(is_error);
        self.write(status, TEXT, Length::Bytes(length as u64), allow, turn);
        self.write_body(text.as_bytes(), turn);
        if is_error {
            self.write_body(b"\n", turn);
        }
    }

    /// Writes the head of a generated body. Returns the reply as it then is: without the chunked coding, only the end of
    /// the connection tells the end of a body whose length is not told.
    pub fn write_head_of_generated(self, length: u64, turn: &mut Turn<'_>) -> Reply {
        let (length, reply) = match self.answer {
            Answer::Chunked(_) if self.is_http_1_0 => (Length::UntilClose, self.closing()),
            Answer::Chunked(_) => (Length::Chunked, self),
            _ => (Length::Bytes(length), self),
        };
        reply.write(Status::Ok, TEXT, length, "", turn);
        reply
    }

    /// Writes the head of an echo whose body follows as it arrives.
    pub fn write_head_of_stream(&self, content_type: &[u8], length: Length, turn: &mut Turn<'_>) {
        self.write(Status::Ok, content_type, length, "", turn);
    }

    fn write(
        &self,
        status: Status,
        content_type: &[u8],
        length: Length,
        allow: &str,
        turn: &mut Turn<'_>,
    ) {
        let connection = match (self.keeps_alive, self.is_http_1_0) {
            (true, false) => Connection::GoesOn,
            (true, true) => Connection::KeepAlive,
            (false, _) => Connection::Close,
        };
        let head = ResponseHead {
            status,
            content_type,
            length,
            connection,
            allow,
        };
        write_head(
            turn.out,
            &head,
            turn.site.date.borrow_mut().fields(turn.now_ms),
        );
    }

    fn write_body(&self, body: &[u8], turn: &mut Turn<'_>) {
        if !self.is_head {
            turn.out.extend_from_slice(body);
        }
    }
}
