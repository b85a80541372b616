//! Readiness and sockets: the only room that names mio. It reports events and does what it is told with a socket; it calls
//! nobody, and knows neither connections' rules nor guests.
//!
//! Readiness is edge-triggered: an event is reported once. Whoever gets it remembers it until an operation on the socket
//! answers that it would block (or, for a read, that it has taken all there was).

mod mailbox;
mod signals;
mod socket;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll};
use slab::Slab;

pub use mailbox::Mailbox;
pub use signals::{Hangups, Signal, Signals};
pub use socket::{Bound, Read, Socket};

/// Names a socket of a reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(usize);

impl Token {
    /// The token as a small number, unique among the sockets that are open: for tables.
    pub fn index(self) -> usize {
        self.0
    }
}

/// Names a listening port of a reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerToken(usize);

/// What became possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Peers wait to be accepted.
    Acceptable(ListenerToken),
    /// A socket may be read or written, or has failed, which the next operation on it will tell. May be spurious.
    Ready {
        /// The socket.
        token: Token,
        /// There may be data, or its end.
        readable: bool,
        /// There may be room.
        writable: bool,
        /// The peer has closed its side: reading ends with [`Read::Closed`], which no further event will announce.
        read_closed: bool,
        /// The connection is no more, or has an error to report. What was received before can still be read.
        hung_up: bool,
    },
    /// The mailbox has mail.
    Mail,
    /// A signal has arrived.
    Signal,
}

/// What came of accepting.
#[derive(Debug)]
pub enum Accept {
    /// A peer. Its socket reports no events before a reactor has [adopted](Reactor::adopt) it, this one or another.
    Socket {
        /// The socket.
        socket: Socket,
        /// The address of the peer.
        peer: SocketAddr,
    },
    /// Nobody waits.
    WouldBlock,
    /// Descriptors or memory are used up: wait before the next try.
    Exhausted(io::Error),
    /// This peer is lost; the next may be there.
    Failed(io::Error),
}

const MAIL: mio::Token = mio::Token(0);
const SIGNALS: mio::Token = mio::Token(1);
const FIRST_LISTENER: usize = 2;
/// The most listening ports of one reactor, so that their tokens stay clear of the sockets'.
const LISTENERS_MAX: usize = 4_096;
const FIRST_SOCKET: usize = FIRST_LISTENER + LISTENERS_MAX;
/// Events taken from the operating system at once.
const EVENTS_PER_POLL_MAX: usize = 1_024;

/// Waits for readiness. One for each thread.
#[derive(Debug)]
pub struct Reactor {
    poll: Poll,
    events: Events,
    listeners: Slab<TcpListener>,
    sockets: Slab<Socket>,
}

impl Reactor {
    /// A reactor without sockets.
    ///
    /// # Errors
    /// When the operating system gives no poll descriptor.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_PER_POLL_MAX),
            listeners: Slab::new(),
            sockets: Slab::new(),
        })
    }

    /// The mailbox that wakes this reactor, and the end that it is read from. Call it once.
    ///
    /// # Errors
    /// When the operating system gives no descriptor to wake with.
    pub fn mailbox<M>(&self) -> io::Result<(Mailbox<M>, std::sync::mpsc::Receiver<M>)> {
        Mailbox::new(self.poll.registry(), MAIL)
    }

    /// From here on SIGINT and SIGTERM are events of this reactor. Call it once in a process.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn signals(&self) -> io::Result<Signals> {
        Signals::new(self.poll.registry(), SIGNALS)
    }

    /// Watches a listening socket.
    ///
    /// # Errors
    /// When there are too many, or the operating system cannot watch one more.
    pub fn listen(&mut self, bound: Bound) -> io::Result<ListenerToken> {
        if self.listeners.len() == LISTENERS_MAX {
            return Err(io::Error::other(format!(
                "a reactor has at most {LISTENERS_MAX} listening ports"
            )));
        }
        let mut listener = bound.into_listener();
        let entry = self.listeners.vacant_entry();
        let index = entry.key();
        self.poll.registry().register(
            &mut listener,
            mio::Token(FIRST_LISTENER + index),
            Interest::READABLE,
        )?;
        entry.insert(listener);
        Ok(ListenerToken(index))
    }

    /// Stops listening. Peers that have not been accepted are refused.
    pub fn stop_listening(&mut self, listener: ListenerToken) {
        if let Some(mut socket) = self.listeners.try_remove(listener.0) {
            // The descriptor is closed next; an error here has nothing to be done about.
            let _ = self.poll.registry().deregister(&mut socket);
        }
    }

    /// Waits for events until one comes or `timeout` is over (`None`: for ever), and appends them to `into`.
    ///
    /// # Errors
    /// Only when the poll descriptor itself fails. An interruption by a signal is no error.
    pub fn poll(&mut self, timeout: Option<Duration>, into: &mut Vec<Event>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        into.extend(self.events.iter().map(|event| match event.token() {
            MAIL => Event::Mail,
            SIGNALS => Event::Signal,
            mio::Token(token) if token < FIRST_SOCKET => {
                Event::Acceptable(ListenerToken(token - FIRST_LISTENER))
            }
            mio::Token(token) => Event::Ready {
                token: Token(token - FIRST_SOCKET),
                readable: event.is_readable() || event.is_read_closed() || event.is_error(),
                writable: event.is_writable() || event.is_write_closed() || event.is_error(),
                read_closed: event.is_read_closed(),
                hung_up: event.is_error() || (event.is_read_closed() && event.is_write_closed()),
            },
        }));
        Ok(())
    }

    /// Accepts one peer. Call it until it would block.
    pub fn accept(&mut self, listener: ListenerToken) -> Accept {
        let Some(socket) = self.listeners.get(listener.0) else {
            return Accept::WouldBlock;
        };
        let (stream, peer) = match socket.accept() {
            Ok(accepted) => accepted,
            Err(error) => return socket::classify_accept_error(error),
        };
        Accept::Socket {
            socket: Socket::new(stream),
            peer,
        }
    }

    /// Takes in a socket that was accepted: from here on it reports events.
    ///
    /// # Errors
    /// When the operating system cannot watch one more. The socket is closed then.
    pub fn adopt(&mut self, socket: Socket) -> io::Result<Token> {
        let entry = self.sockets.vacant_entry();
        let token = Token(entry.key());
        self.poll.registry().register(
            &mut SourceFd(&socket.descriptor()),
            mio::Token(FIRST_SOCKET + token.0),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        entry.insert(socket);
        Ok(token)
    }

    /// The socket of a token that has not been closed.
    pub fn socket(&mut self, token: Token) -> Option<&mut Socket> {
        self.sockets.get_mut(token.0)
    }

    /// How many bytes were received from a socket, and sent on it.
    pub fn traffic(&self, token: Token) -> Option<(u64, u64)> {
        Some(self.sockets.get(token.0)?.traffic())
    }

    /// Closes a socket in order: what was sent is still delivered.
    pub fn close(&mut self, token: Token) {
        if let Some(socket) = self.sockets.try_remove(token.0)
            // Closing the last descriptor of a socket removes it (epoll(7)), which saves a system call.
            && !socket.is_held_here_only()
        {
            // As in stop_listening.
            let descriptor = socket.descriptor();
            let _ = self.poll.registry().deregister(&mut SourceFd(&descriptor));
        }
    }

    /// Closes a socket at once: the peer gets a reset.
    pub fn abort(&mut self, token: Token) {
        if let Some(socket) = self.sockets.get(token.0) {
            socket.reset_on_close();
        }
        self.close(token);
    }
}
