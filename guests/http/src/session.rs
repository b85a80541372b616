//! One connection's HTTP: bytes and the time in, bytes out. Knows neither the transport nor what a timer is.
//!
//! A session reads a head, then its body, then answers, and only then reads the next head: answers come in the order of
//! the requests. What arrives while an answer is still being produced is held. After an error in the framing nothing is
//! read any more.

use std::ops::Range;

use crate::body::Body;
use crate::chunked::Piece;
use crate::head::{self, Head, Method};
use crate::input::{Fed, Input};
use crate::response::{CONTINUE, LAST_CHUNK, write_chunk, write_pattern};
use crate::routes::{self, Answer};
use crate::site::Site;
use crate::status::Status;

mod reply;
mod sink;

use reply::Reply;
use sink::Sink;

/// What a session is given at each step: what is shared, the time, and where answers go.
pub struct Turn<'a> {
    pub site: &'a Site,
    pub now_ms: u64,
    pub out: &'a mut Vec<u8>,
}

/// The HTTP of one connection.
pub struct Session {
    state: State,
    input: Input,
    /// What arrived while an answer is being produced. Bounded by [`HELD_MAX_BYTES`].
    held: Vec<u8>,
    phase: Phase,
    deadline_ms: u64,
    /// A request has begun or ended since the deadline was set.
    has_progressed: bool,
}

enum State {
    /// The next bytes are a head's.
    Head,
    /// The next bytes are a body's.
    Body(Receiving),
    /// The answer is longer than what is sent at once.
    Answering(Production),
    /// Nothing is read any more.
    Closed,
}

/// A request whose body is arriving.
struct Receiving {
    body: Body,
    sink: Sink,
    reply: Reply,
}

/// The rest of a generated body.
struct Production {
    position: u64,
    length: u64,
    is_chunked: bool,
    keeps_alive: bool,
}

/// What a session waits for, each with a time of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first byte of a request.
    Idle,
    Head,
    Body,
    /// Nothing of the peer's but that it reads, and that is the host's to watch.
    Busy,
}

/// Above so many bytes of answers, the rest of what was received is held until they are written.
pub const OUT_MAX_BYTES: usize = 256 << 10;
/// Bytes of a generated body that are produced at once.
pub const PORTION_BYTES: usize = 64 << 10;
const CHUNK_BYTES: usize = 8 << 10;
/// The host delivers no more once reading is paused, and one delivery is a quarter of this.
const HELD_MAX_BYTES: usize = 256 << 10;

impl Session {
    pub fn new(site: &Site, now_ms: u64) -> Session {
        Session {
            state: State::Head,
            input: Input::default(),
            held: Vec::new(),
            phase: Phase::Idle,
            deadline_ms: now_ms + u64::from(site.settings.idle_timeout_ms),
            has_progressed: false,
        }
    }

    /// Bytes arrived. Afterwards ask everything below.
    pub fn receive(&mut self, data: &[u8], turn: &mut Turn<'_>) {
        if self.must_hold(turn) {
            self.hold(data);
        } else {
            self.run(data, turn);
        }
        self.set_deadline(turn);
    }

    /// Whether an answer, or a request that arrived behind it, waits to be gone on with. Then call
    /// [`produce`](Self::produce) whenever the transport has room, and read nothing from the peer.
    pub fn wants_to_produce(&self) -> bool {
        matches!(self.state, State::Answering(_)) || !self.held.is_empty()
    }

    /// Goes on with an answer, and then with what arrived behind it.
    pub fn produce(&mut self, turn: &mut Turn<'_>) {
        self.produce_portion(turn);
        if !self.held.is_empty() && !matches!(self.state, State::Answering(_)) {
            let held = std::mem::take(&mut self.held);
            self.run(&held, turn);
        }
        self.set_deadline(turn);
    }

    /// Whether a body is being sent back while it arrives, so that the peer is to be read only as fast as it reads.
    pub fn is_streaming(&self) -> bool {
        matches!(&self.state, State::Body(receiving) if receiving.sink.is_streaming())
    }

    /// Whether everything has been said: the connection is to be closed once it is sent.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// When to call [`expire`](Self::expire), unless something happens before.
    pub fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// The deadline is over. The session is closed afterwards.
    pub fn expire(&mut self, turn: &mut Turn<'_>) {
        match self.phase {
            Phase::Idle => self.close(),
            Phase::Head | Phase::Body => self.fail(Status::RequestTimeout, turn),
            Phase::Busy => {}
        }
    }

    fn must_hold(&self, turn: &Turn<'_>) -> bool {
        self.wants_to_produce() || turn.out.len() >= OUT_MAX_BYTES
    }

    fn hold(&mut self, data: &[u8]) {
        if self.held.len() + data.len() > HELD_MAX_BYTES {
            return self.close();
        }
        self.held.extend_from_slice(data);
    }

    fn run(&mut self, mut data: &[u8], turn: &mut Turn<'_>) {
        while !data.is_empty() {
            data = match &self.state {
                State::Closed => return,
                _ if self.must_hold(turn) => return self.hold(data),
                State::Head | State::Answering(_) => self.read_head(data, turn),
                State::Body(_) => self.read_body(data, turn),
            };
        }
    }

    /// Returns what is behind the head.
    fn read_head<'a>(&mut self, data: &'a [u8], turn: &mut Turn<'_>) -> &'a [u8] {
        let settings = &turn.site.settings;
        // Mostly a whole head comes in one piece, and is read where it lies.
        if self.input.is_empty()
            && let Some((length, head)) = head::quick(data, settings)
        {
            let (bytes, rest) = data.split_at(length);
            return self.begin(head, bytes, rest, turn);
        }
        match self.input.feed(data, settings) {
            Fed::More => &[],
            Fed::Refused(status) => {
                self.fail(status, turn);
                &[]
            }
            Fed::Head(length) => {
                let bytes = self.input.take();
                let rest = self.begin(head::parse(&bytes), &bytes, &data[length..], turn);
                self.input.keep(bytes);
                rest
            }
        }
    }

    /// A head is complete: `bytes`, with `rest` behind it. Returns what of that is behind the request.
    fn begin<'a>(
        &mut self,
        head: Result<Head, Status>,
        bytes: &[u8],
        rest: &'a [u8],
        turn: &mut Turn<'_>,
    ) -> &'a [u8] {
        self.has_progressed = true;
        let settings = &turn.site.settings;
        let head = match head {
            Ok(head) => head,
            Err(status) => {
                self.fail(status, turn);
                return &[];
            }
        };
        let reply = Reply {
            answer: routes::answer(&head, settings),
            is_head: head.method == Method::Head,
            is_http_1_0: head.is_http_1_0,
            keeps_alive: head.keeps_alive,
        };
        let body = match Body::of(head.framing, settings) {
            Ok(Some(body)) => body,
            Ok(None) => {
                self.respond(reply, &[], field(bytes, &head.content_type), turn);
                return rest;
            }
            Err(status) => {
                self.fail(status, turn);
                return &[];
            }
        };
        if head.expects_continue {
            if reply.answer.is_refusal() {
                // Whether the body comes now, only the client knows. What follows can't be told from it.
                self.respond(reply.closing(), &[], &[], turn);
                return &[];
            }
            turn.out.extend_from_slice(CONTINUE);
        }
        let content_type = field(bytes, &head.content_type);
        if let Body::Length(length) = body
            && reply.answer == Answer::Echo
            && length <= settings.echo_buffer_max_bytes as u64
            && let Some((body, rest)) = rest.split_at_checked(length as usize)
        {
            // It is all here: no need to collect it.
            self.respond(reply, body, content_type, turn);
            return rest;
        }
        let sink = Sink::new(&reply, &body, content_type, turn);
        self.state = State::Body(Receiving { body, sink, reply });
        rest
    }

    /// Returns what is behind the body.
    fn read_body<'a>(&mut self, mut data: &'a [u8], turn: &mut Turn<'_>) -> &'a [u8] {
        while let State::Body(receiving) = &mut self.state {
            match receiving.body.read(data) {
                Ok((length, Piece::Data(piece))) => {
                    receiving.sink.take(piece, &receiving.reply, turn);
                    data = &data[length..];
                    if data.is_empty() && !receiving.body.is_over() {
                        break;
                    }
                }
                Ok((length, Piece::More)) => return &data[length..],
                Ok((length, Piece::End)) => {
                    self.end_body(turn);
                    return &data[length..];
                }
                Err(status) => {
                    self.fail(status, turn);
                    return &[];
                }
            }
        }
        data
    }

    fn end_body(&mut self, turn: &mut Turn<'_>) {
        let State::Body(Receiving { sink, reply, .. }) =
            std::mem::replace(&mut self.state, State::Head)
        else {
            return;
        };
        match sink {
            Sink::Discard => self.respond(reply, &[], &[], turn),
            Sink::Collect { body, content_type } => {
                self.respond(reply, &body, &content_type, turn);
            }
            Sink::Stream { is_chunked } => {
                if is_chunked {
                    turn.out.extend_from_slice(LAST_CHUNK);
                }
                self.finish(reply.keeps_alive);
            }
        }
    }

    /// Writes the answer to a request that has been read. `body` and `content_type` are the request's.
    fn respond(&mut self, reply: Reply, body: &[u8], content_type: &[u8], turn: &mut Turn<'_>) {
        let (length, is_chunked) = match reply.answer {
            Answer::Bytes(length) => (length, false),
            Answer::Chunked(length) => (length, !reply.is_http_1_0),
            _ => {
                reply.write_whole(body, content_type, turn);
                return self.finish(reply.keeps_alive);
            }
        };
        let reply = reply.write_head_of_generated(length, turn);
        if reply.is_head {
            return self.finish(reply.keeps_alive);
        }
        self.state = State::Answering(Production {
            position: 0,
            length,
            is_chunked,
            keeps_alive: reply.keeps_alive,
        });
        self.produce_portion(turn);
    }

    fn produce_portion(&mut self, turn: &mut Turn<'_>) {
        let State::Answering(production) = &mut self.state else {
            return;
        };
        let mut room = PORTION_BYTES;
        while room > 0 && production.position < production.length {
            let left = production.length - production.position;
            let most = if production.is_chunked {
                CHUNK_BYTES
            } else {
                room
            };
            let length = usize::try_from(left).map_or(most, |left| left.min(most));
            let position = production.position;
            let out = &mut *turn.out;
            if production.is_chunked {
                write_chunk(out, length, |out| write_pattern(out, position, length));
            } else {
                write_pattern(out, position, length);
            }
            production.position += length as u64;
            room = room.saturating_sub(length);
        }
        if production.position == production.length {
            if production.is_chunked {
                turn.out.extend_from_slice(LAST_CHUNK);
            }
            let keeps_alive = production.keeps_alive;
            self.finish(keeps_alive);
        }
    }

    fn finish(&mut self, keeps_alive: bool) {
        self.has_progressed = true;
        if keeps_alive {
            self.state = State::Head;
        } else {
            self.close();
        }
    }

    /// Answers with an error and reads nothing any more. If an answer has begun, its end is missing: that tells the peer.
    fn fail(&mut self, status: Status, turn: &mut Turn<'_>) {
        if !self.is_streaming() {
            let (is_head, is_http_1_0) = match &self.state {
                State::Body(receiving) => (receiving.reply.is_head, receiving.reply.is_http_1_0),
                _ => (false, false),
            };
            let reply = Reply {
                answer: Answer::Error(status),
                is_head,
                is_http_1_0,
                keeps_alive: false,
            };
            reply.write_whole(&[], &[], turn);
        }
        self.close();
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.input = Input::default();
        self.held = Vec::new();
    }

    fn set_deadline(&mut self, turn: &Turn<'_>) {
        let phase = match &self.state {
            _ if self.wants_to_produce() => Phase::Busy,
            State::Head if self.input.is_empty() => Phase::Idle,
            State::Head => Phase::Head,
            State::Body(_) => Phase::Body,
            State::Answering(_) | State::Closed => Phase::Busy,
        };
        if phase == self.phase && !self.has_progressed {
            return;
        }
        let settings = &turn.site.settings;
        self.phase = phase;
        self.has_progressed = false;
        self.deadline_ms = match phase {
            Phase::Idle => turn.now_ms + u64::from(settings.idle_timeout_ms),
            Phase::Head => turn.now_ms + u64::from(settings.head_timeout_ms),
            Phase::Body => turn.now_ms + u64::from(settings.body_timeout_ms),
            Phase::Busy => u64::MAX,
        };
    }
}

/// A field's value, empty if there is none.
fn field<'a>(head: &'a [u8], place: &Option<Range<usize>>) -> &'a [u8] {
    place
        .as_ref()
        .and_then(|place| head.get(place.clone()))
        .unwrap_or_default()
}
