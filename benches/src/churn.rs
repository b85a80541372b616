//! Connections that come, echo once and go, some at a time, on one thread; it must not know what serves them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::dial::dial;
use crate::load::Window;
use crate::messages::Messages;

const STALL_MAX: Duration = Duration::from_secs(20);
const ANSWER_BYTES_MAX: usize = 4096;

/// Short connections in a closed loop: connect, send, receive, verify, say that nothing more will come, see the server
/// close, and begin again.
pub struct Churn {
    poll: Poll,
    server: SocketAddr,
    messages: Messages,
    slots: Vec<Slot>,
    dialled: usize,
}

struct Slot {
    stream: TcpStream,
    index: usize,
    received: usize,
    started: Instant,
}

impl Churn {
    /// Prepares `parallel` connections at a time.
    pub fn begin(server: SocketAddr, parallel: usize, messages: Messages) -> Result<Churn> {
        ensure!(
            messages.size_bytes() <= ANSWER_BYTES_MAX,
            "short connections send short messages"
        );
        let poll = Poll::new().context("cannot create a poll")?;
        let mut churn = Churn {
            poll,
            server,
            messages,
            slots: Vec::with_capacity(parallel),
            dialled: 0,
        };
        for position in 0..parallel {
            let slot = churn.open(position)?;
            churn.slots.push(slot);
        }
        Ok(churn)
    }

    /// Goes on for `length`. A window's requests are connections, its latencies theirs, from before the connect to
    /// after the close.
    pub fn run(&mut self, length: Duration) -> Result<Window> {
        let begin = Instant::now();
        let mut window = Window::empty();
        let mut events = Events::with_capacity(self.slots.len());
        let mut last = (begin, 0);
        loop {
            // It spins, as the load generator does, and for the same reason.
            window.poll(&mut self.poll, &mut events, Duration::ZERO)?;
            for event in &events {
                let position = event.token().0;
                if event.is_readable() && self.slots[position].advance(&self.messages)? {
                    let now = Instant::now();
                    let latency = now - self.slots[position].started;
                    window
                        .latency_ns
                        .saturating_record(latency.as_nanos() as u64);
                    window.requests += 1;
                    self.slots[position] = self.open(position)?;
                }
            }
            let now = Instant::now();
            window.elapsed = now - begin;
            if window.elapsed >= length {
                return Ok(window);
            }
            if window.requests > last.1 {
                last = (now, window.requests);
            }
            ensure!(
                now < last.0 + STALL_MAX,
                "no connection finished within {} s",
                STALL_MAX.as_secs()
            );
        }
    }

    fn open(&mut self, position: usize) -> Result<Slot> {
        let started = Instant::now();
        let index = self.dialled;
        self.dialled += 1;
        let stream = dial(self.server, index)
            .with_context(|| format!("cannot open connection {}", index + 1))?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let sent = stream
            .write(self.messages.get(index, 0))
            .context("cannot send on a new connection")?;
        ensure!(
            sent == self.messages.size_bytes(),
            "a new connection took only {sent} bytes"
        );
        self.poll
            .registry()
            .register(&mut stream, Token(position), Interest::READABLE)?;
        Ok(Slot {
            stream,
            index,
            received: 0,
            started,
        })
    }
}

impl Slot {
    /// Whether the server has closed it, after everything else.
    fn advance(&mut self, messages: &Messages) -> Result<bool> {
        let message = messages.get(self.index, 0);
        let mut buffer = [0; ANSWER_BYTES_MAX + 1];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) if self.received == message.len() => return Ok(true),
                Ok(0) => bail!(
                    "the server closed connection {} after {} bytes",
                    self.index + 1,
                    self.received
                ),
                Ok(count) => {
                    let due = &message[self.received..];
                    ensure!(
                        count <= due.len() && buffer[..count] == due[..count],
                        "a wrong answer came"
                    );
                    self.received += count;
                    if self.received == message.len() {
                        self.stream
                            .shutdown(Shutdown::Write)
                            .context("cannot half-close")?;
                        return Ok(false);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("connection {} broke", self.index + 1));
                }
            }
        }
    }
}
