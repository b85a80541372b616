//! The load generator: many connections in a closed loop on one thread; it must not know what serves them.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::dial::dial_all;
use crate::messages::Messages;
use crate::stats;

const READ_BUFFER_BYTES: usize = 64 * 1024;
const EVENTS_PER_TURN_MAX: usize = 1024;
/// Longest wait in one poll, so that the end of the window and a stall are noticed.
const POLL_TIMEOUT: Duration = Duration::from_millis(20);
/// With no answer at all for this long the server is taken for dead.
const STALL_MAX: Duration = Duration::from_secs(20);
/// An end that no window reaches: bounds the count as the window bounds the time.
const REQUESTS_MAX: u64 = 100_000_000;

/// Connections that each send a message, wait for all of it to come back, verify it, and send the next.
pub struct Load {
    poll: Poll,
    events: Events,
    peers: Vec<Peer>,
    messages: Messages,
    buffer: Box<[u8]>,
}

/// What a window of load came to.
pub struct Window {
    /// Requests answered within the window.
    pub requests: u64,
    /// How long it really was.
    pub elapsed: Duration,
    /// From the first byte sent to the last byte received, in nanoseconds.
    pub latency_ns: Histogram<u64>,
}

impl Window {
    /// Before anything was counted.
    pub fn empty() -> Window {
        Window {
            requests: 0,
            elapsed: Duration::ZERO,
            latency_ns: stats::histogram(),
        }
    }
}

struct Peer {
    stream: TcpStream,
    sequence: u64,
    sent: usize,
    received: usize,
    started: Instant,
    waiting: bool,
}

/// What is to follow an answer.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    SendNext,
    Rest,
}

impl Load {
    /// Connects, and has each connection answered once. Nothing is sent until `run`.
    pub fn connect(server: SocketAddr, count: usize, messages: Messages) -> Result<Load> {
        let poll = Poll::new()?;
        let mut peers = Vec::with_capacity(count);
        for (index, stream) in dial_all(server, count, &messages)?.into_iter().enumerate() {
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(
                &mut stream,
                Token(index),
                Interest::READABLE | Interest::WRITABLE,
            )?;
            peers.push(Peer {
                stream,
                sequence: 0,
                sent: 0,
                received: 0,
                started: Instant::now(),
                waiting: false,
            });
        }
        let buffer = vec![0; READ_BUFFER_BYTES].into_boxed_slice();
        Ok(Load {
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN_MAX),
            peers,
            messages,
            buffer,
        })
    }

    /// Loads the server for `length`, or until `stop` says so. Requests under way at the end stay so: the next `run`
    /// goes on with them, or `finish` receives them.
    pub fn run(&mut self, length: Duration, mut stop: impl FnMut() -> bool) -> Result<Window> {
        let begin = Instant::now();
        let mut window = Window::empty();
        for index in 0..self.peers.len() {
            if !self.peers[index].waiting {
                self.peers[index].start(Instant::now());
                self.advance(index, false, Then::SendNext, &mut window)?;
            }
        }
        let mut progress = (begin, 0);
        loop {
            self.turn(Then::SendNext, &mut window)?;
            let now = Instant::now();
            if now >= begin + length || window.requests >= REQUESTS_MAX || stop() {
                window.elapsed = now - begin;
                return Ok(window);
            }
            progress = self.check_progress(progress, now, window.requests)?;
        }
    }

    /// Receives what is under way and sends nothing new: afterwards every request was answered and verified.
    pub fn finish(&mut self) -> Result<Window> {
        let begin = Instant::now();
        let mut window = Window::empty();
        let mut progress = (begin, 0);
        while self.peers.iter().any(|peer| peer.waiting) {
            self.turn(Then::Rest, &mut window)?;
            progress = self.check_progress(progress, Instant::now(), window.requests)?;
        }
        window.elapsed = begin.elapsed();
        Ok(window)
    }

    fn check_progress(
        &self,
        last: (Instant, u64),
        now: Instant,
        requests: u64,
    ) -> Result<(Instant, u64)> {
        if requests > last.1 {
            return Ok((now, requests));
        }
        if now > last.0 + STALL_MAX {
            let waiting = self.peers.iter().filter(|peer| peer.waiting).count();
            bail!(
                "no answer within {} s; {waiting} of {} connections wait",
                STALL_MAX.as_secs(),
                self.peers.len()
            );
        }
        Ok(last)
    }

    fn turn(&mut self, then: Then, window: &mut Window) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(POLL_TIMEOUT)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result.context("cannot poll")?,
        }
        // Taken out for the loop, because advancing a peer borrows the rest.
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let result = events
            .iter()
            .try_for_each(|event| self.advance(event.token().0, event.is_readable(), then, window));
        self.events = events;
        result
    }

    fn advance(
        &mut self,
        index: usize,
        readable: bool,
        then: Then,
        window: &mut Window,
    ) -> Result<()> {
        let peer = &mut self.peers[index];
        let message = self.messages.get(index, peer.sequence);
        peer.advance(message, readable, &mut self.buffer)
            .with_context(|| describe(index, peer))?;
        if peer.waiting && peer.received == message.len() {
            let now = Instant::now();
            let latency = now - peer.started;
            window.requests += 1;
            window
                .latency_ns
                .saturating_record(latency.as_nanos() as u64);
            peer.sequence += 1;
            peer.waiting = false;
            if then == Then::SendNext {
                peer.start(now);
                let message = self.messages.get(index, peer.sequence);
                peer.send(message).with_context(|| describe(index, peer))?;
            }
        }
        Ok(())
    }
}

fn describe(index: usize, peer: &Peer) -> String {
    format!(
        "connection {} failed at its request {} ({} bytes sent, {} received)",
        index + 1,
        peer.sequence + 1,
        peer.sent,
        peer.received
    )
}

impl Peer {
    fn start(&mut self, now: Instant) {
        self.started = now;
        self.sent = 0;
        self.received = 0;
        self.waiting = true;
    }

    fn advance(&mut self, message: &[u8], readable: bool, buffer: &mut [u8]) -> Result<()> {
        if self.waiting {
            self.send(message)?;
        }
        if !readable {
            return Ok(());
        }
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("cannot receive"),
            };
            ensure!(self.waiting, "{count} bytes came that nobody had asked for");
            let due = &message[self.received..self.sent];
            ensure!(
                count <= due.len(),
                "{count} bytes came, {} were due",
                due.len()
            );
            ensure!(
                buffer[..count] == due[..count],
                "the answer differs from what was sent"
            );
            self.received += count;
            // Short means drained; and after the whole answer a further read could only find nothing.
            if count < buffer.len() || self.received == message.len() {
                return Ok(());
            }
        }
    }

    fn send(&mut self, message: &[u8]) -> Result<()> {
        while self.sent < message.len() {
            match self.stream.write(&message[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot send"),
            }
        }
        Ok(())
    }
}
