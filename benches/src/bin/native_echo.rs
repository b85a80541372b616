//! The native baseline: echo, or with the argument `line` each line in upper case, written by hand on mio,
//! single-threaded; it must not know of Wisted.
//!
//! It does what a careful engineer would do and nothing more: one `epoll_ctl` a connection (edge-triggered, both
//! directions), one read and one write a request, a shared read buffer, and memory of its own for a connection only
//! while its peer does not read.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, Socket, Type};

const READ_BUFFER_BYTES: usize = 64 * 1024;
/// mio's own `bind` stops at 128, and a burst of a thousand connects would then hang.
const BACKLOG: i32 = 4096;
const EVENTS_PER_TURN_MAX: usize = 1024;
/// A peer that sends without pause gets this many reads before the others have their turn.
const READS_PER_TURN_MAX: usize = 16;
/// A longer line ends its connection.
const LINE_MAX_BYTES: usize = 64 * 1024;
const LISTENER: Token = Token(usize::MAX);

fn main() -> io::Result<()> {
    let lines = std::env::args().nth(1).as_deref() == Some("line");
    Server::listen(lines)?.run()
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    lines: bool,
    connections: Slab<Connection>,
    /// Connections whose budget was spent before they were drained: no further edge will announce the rest.
    unfinished: Vec<usize>,
    buffer: Box<[u8]>,
}

struct Connection {
    stream: TcpStream,
    /// What the socket did not take. While there is any, nothing is read: that is the backpressure, and the bound.
    unsent: Vec<u8>,
    sent: usize,
    /// With lines: one that is not complete.
    partial: Vec<u8>,
    peer_finished: bool,
}

/// How a connection stands after it was advanced.
enum Progress {
    /// Nothing to do until the next edge.
    Waiting,
    BudgetSpent,
    Ended,
}

impl Server {
    fn listen(lines: bool) -> io::Result<Server> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        // Accepted sockets inherit it, which saves a system call for each.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(socket.into());
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        println!("listening on tcp:{}", listener.local_addr()?);
        Ok(Server {
            poll,
            listener,
            lines,
            connections: Slab::new(),
            unfinished: Vec::new(),
            buffer: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN_MAX);
        loop {
            let timeout = (!self.unfinished.is_empty()).then_some(std::time::Duration::ZERO);
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            let carried_over = std::mem::take(&mut self.unfinished);
            for event in &events {
                if event.token() == LISTENER {
                    self.accept();
                } else {
                    self.ready(event);
                }
            }
            for key in carried_over {
                self.advance(key, true);
            }
        }
    }

    fn accept(&mut self) {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) =>
                {
                    continue;
                }
                Err(error) => {
                    eprintln!("cannot accept: {error}");
                    return;
                }
            };
            let entry = self.connections.vacant_entry();
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) =
                self.poll
                    .registry()
                    .register(&mut stream, Token(entry.key()), interest)
            {
                eprintln!("cannot register a connection: {error}");
                continue;
            }
            entry.insert(Connection {
                stream,
                unsent: Vec::new(),
                sent: 0,
                partial: Vec::new(),
                peer_finished: false,
            });
        }
    }

    fn ready(&mut self, event: &Event) {
        let key = event.token().0;
        // Gone when an earlier event of the same turn ended it.
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        // Writable alone, with nothing to write: the edge that follows registration.
        if event.is_readable() || !connection.unsent.is_empty() {
            self.advance(key, event.is_read_closed());
        }
    }

    /// `thorough`: a short read is not to be taken for the end of what there is.
    fn advance(&mut self, key: usize, thorough: bool) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        match connection.advance(&mut self.buffer, self.lines, thorough) {
            Ok(Progress::Waiting) => {}
            Ok(Progress::BudgetSpent) => self.unfinished.push(key),
            // An error ends its own connection only. Dropping the stream deregisters it.
            Ok(Progress::Ended) | Err(_) => drop(self.connections.remove(key)),
        }
    }
}

impl Connection {
    fn advance(&mut self, buffer: &mut [u8], lines: bool, thorough: bool) -> io::Result<Progress> {
        // Reading was held back while bytes were unsent, so that edges may have passed unused.
        let thorough = thorough || !self.unsent.is_empty();
        for _ in 0..READS_PER_TURN_MAX {
            if !self.flush()? {
                return Ok(Progress::Waiting);
            }
            if self.peer_finished {
                return Ok(Progress::Ended);
            }
            let count = match self.stream.read(buffer) {
                Ok(0) => {
                    self.peer_finished = true;
                    continue;
                }
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Progress::Waiting);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if lines {
                self.send_lines(&mut buffer[..count])?;
            } else {
                self.send(&buffer[..count])?;
            }
            if count < buffer.len() && self.unsent.is_empty() && !thorough {
                return Ok(Progress::Waiting);
            }
        }
        Ok(Progress::BudgetSpent)
    }

    /// Answers all lines that are complete at once: upper-casing touches no newline.
    fn send_lines(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let end = bytes.iter().rposition(|&byte| byte == b'\n');
        let (complete, rest) = bytes.split_at_mut(end.map_or(0, |end| end + 1));
        complete.make_ascii_uppercase();
        if self.partial.is_empty() || complete.is_empty() {
            self.send(complete)?;
        } else {
            let mut line = std::mem::take(&mut self.partial);
            line.make_ascii_uppercase();
            line.extend_from_slice(complete);
            self.send(&line)?;
        }
        if self.partial.len() + rest.len() > LINE_MAX_BYTES {
            return Err(ErrorKind::InvalidData.into());
        }
        self.partial.extend_from_slice(rest);
        Ok(())
    }

    /// Writes straight to the socket and keeps what it does not take.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let taken = match self.stream.write(bytes) {
            Ok(taken) => taken,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                0
            }
            Err(error) => return Err(error),
        };
        self.unsent.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    /// Whether nothing is left to send.
    fn flush(&mut self) -> io::Result<bool> {
        while self.sent < self.unsent.len() {
            match self.stream.write(&self.unsent[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(taken) => self.sent += taken,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // The memory is kept: a peer that was slow once is slow again, and 64 KiB bound it.
        self.unsent.clear();
        self.sent = 0;
        Ok(true)
    }
}
