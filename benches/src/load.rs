//! The load generator: many connections on one thread, in a closed or an open loop; it must not know what serves them.

mod peer;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use peer::Peer;

use crate::dial::dial_all;
use crate::messages::Messages;
use crate::schedule::Schedule;
use crate::stats;

const READ_BUFFER_BYTES: usize = 64 * 1024;
const EVENTS_PER_TURN_MAX: usize = 1024;
/// Longest wait in one poll, so that the end of the window and a stall are noticed.
const POLL_TIMEOUT: Duration = Duration::from_millis(20);
/// Nothing is due for longer than this: sleep. Shorter waits are spun, because a poll's timeout is whole milliseconds.
const SPIN_MAX: Duration = Duration::from_millis(2);
/// With no answer at all for this long the server is taken for dead.
const STALL_MAX: Duration = Duration::from_secs(20);
/// How long after the end of an open loop's window the answers to what was due in it may take.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);
/// An end that no window reaches: bounds the count as the window bounds the time.
const REQUESTS_MAX: u64 = 100_000_000;

/// Connections that each send a message, wait for all of it to come back, verify it, and send the next.
pub struct Load {
    poll: Poll,
    events: Events,
    peers: Vec<Peer>,
    messages: Messages,
    buffer: Box<[u8]>,
    /// Nobody else needs its core.
    spins: bool,
}

/// What a window of load came to.
pub struct Window {
    /// Requests answered within the window.
    pub requests: u64,
    /// How long it really was.
    pub elapsed: Duration,
    /// How much of that the generator had nothing to do.
    pub idle: Duration,
    /// From the first byte sent, in an open loop from when it was to be sent, to the last byte received, in nanoseconds.
    pub latency_ns: Histogram<u64>,
}

impl Window {
    /// Before anything was counted.
    pub fn empty() -> Window {
        Window {
            requests: 0,
            elapsed: Duration::ZERO,
            idle: Duration::ZERO,
            latency_ns: stats::histogram(),
        }
    }

    /// Polls; when nothing has come, once more for as long as `pause`, and what that took was idle time.
    pub(crate) fn poll(
        &mut self,
        poll: &mut Poll,
        events: &mut Events,
        pause: Duration,
    ) -> Result<()> {
        let began = Instant::now();
        poll_for(poll, events, Duration::ZERO)?;
        if events.is_empty() {
            if !pause.is_zero() {
                poll_for(poll, events, pause)?;
            }
            self.idle += began.elapsed();
        }
        Ok(())
    }

    /// The generator's share of the time in which it had something to do.
    pub fn busy(&self) -> f64 {
        1.0 - self.idle.as_secs_f64() / self.elapsed.as_secs_f64()
    }
}

/// What is to follow an answer.
enum Then<'a> {
    SendNext,
    Rest,
    /// The next that is due, if there is one, of a schedule that began at that instant.
    Keep(&'a mut Schedule, Instant),
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
            spins: true,
        })
    }

    /// Sleeps while it waits for answers, because the server needs this core, too. Otherwise it spins: what it costs to wake a
    /// sleeping generator would be the server's, and most of it for those that are a little slower than the generator.
    pub fn on_a_shared_core(mut self) -> Load {
        self.spins = false;
        self
    }

    /// Loads the server for `length`, or until `stop` says so. Requests under way at the end stay so: the next `run`
    /// goes on with them, or `finish` receives them.
    pub fn run(&mut self, length: Duration, mut stop: impl FnMut() -> bool) -> Result<Window> {
        let begin = Instant::now();
        let mut window = Window::empty();
        for index in 0..self.peers.len() {
            if !self.peers[index].waiting {
                self.peers[index].start(Instant::now());
                self.advance(index, false, &mut Then::SendNext, &mut window)?;
            }
        }
        let mut progress = (begin, 0);
        loop {
            let pause = if self.spins {
                Duration::ZERO
            } else {
                POLL_TIMEOUT
            };
            self.turn(pause, &mut Then::SendNext, &mut window)?;
            let now = Instant::now();
            if now >= begin + length || window.requests >= REQUESTS_MAX || stop() {
                window.elapsed = now - begin;
                return Ok(window);
            }
            progress = self.check_progress(progress, now, window.requests)?;
        }
    }

    /// Loads the server with so many requests per second, all connections together, for `length`, however slowly it
    /// answers. A request that cannot be sent in time, because the one before it has no answer yet, is sent late and its
    /// latency counts from when it was to be sent. The window ends when all that was due in it is answered.
    pub fn run_at(&mut self, rate_per_second: u64, length: Duration) -> Result<Window> {
        self.finish()?;
        let mut schedule = Schedule::new(rate_per_second, self.peers.len(), length);
        let mut window = Window::empty();
        let begin = Instant::now();
        let mut progress = (begin, 0);
        while !schedule.is_over() {
            while let Some(index) = schedule.pop_due(begin.elapsed()) {
                if !self.peers[index].waiting {
                    self.begin_due(index, &mut schedule, begin)?;
                }
            }
            let pause = match schedule.next() {
                Some(next) => next.saturating_sub(begin.elapsed() + SPIN_MAX),
                None => POLL_TIMEOUT,
            };
            self.turn(
                pause.min(POLL_TIMEOUT),
                &mut Then::Keep(&mut schedule, begin),
                &mut window,
            )?;
            let now = Instant::now();
            progress = self.check_progress(progress, now, window.requests)?;
            if now > begin + length + CATCH_UP_MAX {
                let (requests, unanswered) = schedule.requests();
                bail!(
                    "cannot keep up with {rate_per_second} requests/s: {unanswered} of {requests} had no answer {} s \
                     after the last was due",
                    CATCH_UP_MAX.as_secs()
                );
            }
        }
        window.elapsed = begin.elapsed();
        Ok(window)
    }

    /// Receives what is under way and sends nothing new: afterwards every request was answered and verified.
    pub fn finish(&mut self) -> Result<Window> {
        let begin = Instant::now();
        let mut window = Window::empty();
        let mut progress = (begin, 0);
        while self.peers.iter().any(|peer| peer.waiting) {
            self.turn(POLL_TIMEOUT, &mut Then::Rest, &mut window)?;
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

    /// Begins the oldest request that waits on a connection that is free.
    fn begin_due(&mut self, index: usize, schedule: &mut Schedule, begin: Instant) -> Result<()> {
        match schedule.begin(index) {
            Some(intended) => self.begin(index, begin + intended),
            None => Ok(()),
        }
    }

    fn begin(&mut self, index: usize, started: Instant) -> Result<()> {
        let peer = &mut self.peers[index];
        peer.start(started);
        peer.send(self.messages.get(index, peer.sequence))
            .with_context(|| peer.describe(index))
    }

    /// Takes what has come, after a pause if nothing has.
    fn turn(&mut self, pause: Duration, then: &mut Then, window: &mut Window) -> Result<()> {
        window.poll(&mut self.poll, &mut self.events, pause)?;
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
        then: &mut Then,
        window: &mut Window,
    ) -> Result<()> {
        let peer = &mut self.peers[index];
        let message = self.messages.get(index, peer.sequence);
        let answer = self.messages.answer(index, peer.sequence);
        peer.advance(message, answer, readable, &mut self.buffer)
            .with_context(|| peer.describe(index))?;
        if !peer.waiting || peer.received < answer.len() {
            return Ok(());
        }
        let now = Instant::now();
        let latency = now - peer.started;
        window.requests += 1;
        window
            .latency_ns
            .saturating_record(latency.as_nanos() as u64);
        peer.sequence += 1;
        peer.waiting = false;
        match then {
            Then::SendNext => self.begin(index, now),
            Then::Rest => Ok(()),
            Then::Keep(schedule, begin) => {
                schedule.answered();
                self.begin_due(index, schedule, *begin)
            }
        }
    }
}

/// Polls for so long. An interruption is the same as nothing.
fn poll_for(poll: &mut Poll, events: &mut Events, timeout: Duration) -> Result<()> {
    match poll.poll(events, Some(timeout)) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        result => result.context("cannot poll"),
    }
}
