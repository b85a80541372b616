//! One connection: what it sent, cut anywhere, becomes commands, and their replies one write. Knows no command.

use crate::command;
use crate::engine::{Client, Engine, Profile};
use crate::fault::Fault;
use crate::frame::{Args, Frame, Parsed};
use crate::limits::{KEPT_BYTES_MAX, QUERIES_MAX_BYTES, QUERY_MAX_BYTES, UNSENT_MAX_BYTES};
use crate::reply::Protocol;
use wisted_guest::Transport;

/// One connection's state.
pub(crate) struct Session {
    transport: Transport,
    client: Client,
    frame: Frame,
    /// What was received and not run yet: a command that is incomplete, or what waits for a later turn.
    kept: Vec<u8>,
    /// What that takes, as far as it has been added to the engine's sum.
    counted_bytes: usize,
    /// Complete commands wait: the handler call was over its budget. Reading is paused.
    is_waiting: bool,
    /// The peer has closed its side: the connection ends when nothing waits.
    is_finished: bool,
    is_lost: bool,
}

impl Session {
    pub(crate) fn new(transport: &Transport, engine: &mut Engine) -> Session {
        let id = transport.id();
        engine.connections_received += 1;
        let profile = Profile {
            transport: transport.clone(),
            since_ms: engine.keyspace.clock.unix_ms(),
            name: Vec::new(),
            library: Vec::new(),
            library_version: Vec::new(),
            database: 0,
            protocol: Protocol::Resp2,
        };
        engine.clients.insert(id, profile);
        Session {
            transport: transport.clone(),
            client: Client {
                id,
                protocol: Protocol::Resp2,
                database: 0,
                is_closing: false,
            },
            frame: Frame::default(),
            kept: Vec::new(),
            counted_bytes: 0,
            is_waiting: false,
            is_finished: false,
            is_lost: false,
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting && !self.is_lost
    }

    /// Runs what is complete in what the peer has sent, and sends the replies.
    #[inline]
    pub(crate) fn receive(&mut self, data: &[u8], engine: &mut Engine) {
        if self.client.is_closing {
            return;
        }
        if !self.kept.is_empty() {
            return self.receive_more(data, engine);
        }
        let done = self.run(data, engine);
        if done < data.len() {
            self.keep(&data[done..], engine);
        }
        self.reply(engine);
    }

    /// As [`receive`](Session::receive), behind what is there already.
    fn receive_more(&mut self, data: &[u8], engine: &mut Engine) {
        self.keep(data, engine);
        if self.is_waiting {
            // Came before the host knew that reading is paused.
            return self.reply(engine);
        }
        self.run_kept(engine);
        self.reply(engine);
    }

    /// Goes on with the commands that wait, if the peer has read enough of what was sent. To be called in a later turn,
    /// with what is left of that turn's budget. Returns whether it did.
    pub(crate) fn go_on(&mut self, engine: &mut Engine) -> bool {
        if !self.is_waiting() || self.transport.buffered_bytes() > UNSENT_MAX_BYTES {
            return false;
        }
        self.is_waiting = false;
        self.run_kept(engine);
        self.reply(engine);
        if !self.is_waiting {
            self.transport.resume_reading();
            self.finish();
        }
        true
    }

    /// The peer sends no more.
    pub(crate) fn read_closed(&mut self) {
        self.is_finished = true;
        self.finish();
    }

    /// The connection is gone.
    pub(crate) fn lost(&mut self, engine: &mut Engine) {
        self.is_lost = true;
        engine.clients.remove(&self.client.id);
        self.kept = Vec::new();
        self.frame = Frame::default();
        self.count_kept(engine);
    }

    fn finish(&self) {
        if self.is_finished && !self.is_waiting {
            self.transport.lose_connection();
        }
    }

    /// Runs the commands in `data`, and returns how many bytes of it are done with.
    #[inline]
    fn run(&mut self, data: &[u8], engine: &mut Engine) -> usize {
        engine.serve(&self.client);
        let mut start = 0;
        while start < data.len() {
            let rest = &data[start..];
            match self.frame.parse(rest) {
                Parsed::Command(bytes) => {
                    let args = Args::new(rest, self.frame.ranges());
                    if args.len() > 0 {
                        command::run(args, &mut self.client, engine);
                    }
                    start += bytes;
                }
                Parsed::Inline(line_bytes, bytes) => {
                    self.run_line(&rest[..line_bytes], engine);
                    start += bytes;
                }
                Parsed::Incomplete => return start,
                Parsed::Malformed(why) => self.refuse(&why, engine),
            }
            self.frame.reset();
            if self.client.is_closing {
                return data.len();
            }
            if engine.is_exhausted() && start < data.len() {
                self.is_waiting = true;
                return start;
            }
        }
        start
    }

    #[cold]
    fn run_line(&mut self, line: &[u8], engine: &mut Engine) {
        let mut text = Vec::new();
        if !self.frame.split_inline(line, &mut text) {
            return self.refuse(b"unbalanced quotes in request", engine);
        }
        let args = Args::new(&text, self.frame.ranges());
        if args.len() > 0 {
            command::run(args, &mut self.client, engine);
        }
    }

    #[cold]
    fn refuse(&mut self, why: &[u8], engine: &mut Engine) {
        let fault = Fault::of([b"Protocol error: ", why].concat());
        engine.reply.error(&fault.0);
        self.client.is_closing = true;
    }

    fn run_kept(&mut self, engine: &mut Engine) {
        let mut kept = std::mem::take(&mut self.kept);
        let done = self.run(&kept, engine);
        kept.drain(..done);
        if kept.is_empty() && kept.capacity() > KEPT_BYTES_MAX {
            kept = Vec::new();
        }
        self.kept = kept;
        self.count_kept(engine);
    }

    /// Keeps what cannot be run yet, or ends a connection that sends too much of it.
    fn keep(&mut self, data: &[u8], engine: &mut Engine) {
        let fits = self.kept.len() + data.len() <= QUERY_MAX_BYTES
            && engine.kept_bytes + data.len() <= QUERIES_MAX_BYTES
            && self.kept.try_reserve(data.len()).is_ok();
        if fits {
            self.kept.extend_from_slice(data);
        } else {
            let fault = Fault::of("the commands that wait are longer than this server's limit");
            engine.reply.error(&fault.0);
            self.client.is_closing = true;
            self.is_waiting = false;
            self.kept = Vec::new();
            self.frame = Frame::default();
        }
        self.count_kept(engine);
    }

    /// Arguments count, too: many short ones take more than their bytes.
    fn count_kept(&mut self, engine: &mut Engine) {
        let bytes = match self.kept.capacity() {
            0 => 0,
            kept => kept + self.frame.bytes(),
        };
        engine.kept_bytes = engine.kept_bytes + bytes - self.counted_bytes;
        self.counted_bytes = bytes;
    }

    /// Sends the replies to what was run.
    #[inline]
    fn reply(&mut self, engine: &mut Engine) {
        engine.send_replies(&self.transport);
        if self.client.is_closing {
            self.transport.lose_connection();
        } else if self.is_waiting {
            self.transport.pause_reading();
        }
    }
}
