//! Operations on one socket, with the operating system's errors sorted into what the rest must tell apart.
//!
//! Bytes are read and written by system calls without the C library's wrappers: in a process with several threads these make
//! each call a point where its thread may be cancelled, which nobody here uses.

use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use rustix::io::{Errno, ioctl_fionread, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::{Domain, Protocol, SockRef, Type};

use super::Accept;
use crate::core::{DirectWire, Sent, Wire};
use crate::endpoint::Endpoint;

/// A connected socket. This is its only owner; a [`DirectWire`] of it knows when it is gone.
#[derive(Debug)]
pub struct Socket(Arc<Stream>);

#[derive(Debug)]
struct Stream {
    stream: TcpStream,
    /// Written by the socket's thread alone: they are atomic because a [`DirectWire`] is shared.
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

/// Adds without the cost of an operation that others could interrupt: nobody else writes.
fn count(counter: &AtomicU64, bytes: usize) {
    counter.store(
        counter.load(Ordering::Relaxed) + bytes as u64,
        Ordering::Relaxed,
    );
}

/// What came of reading.
#[derive(Debug)]
pub enum Read {
    /// So many bytes, at least one.
    Bytes {
        /// How many.
        count: usize,
        /// They were fewer than there was room for: there is no more until the next event.
        all: bool,
    },
    /// Nothing until the next event.
    WouldBlock,
    /// The peer has closed its side.
    Closed,
    /// The connection has failed.
    Failed(io::Error),
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Stream {
            stream,
            received_bytes: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
        }))
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.0.stream
    }

    pub(super) fn traffic(&self) -> (u64, u64) {
        let Stream {
            received_bytes,
            sent_bytes,
            ..
        } = &*self.0;
        (
            received_bytes.load(Ordering::Relaxed),
            sent_bytes.load(Ordering::Relaxed),
        )
    }

    /// Whether nobody is just writing to it or reading from it by way of its [`DirectWire`].
    pub(super) fn is_held_here_only(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.stream().as_raw_fd()
    }

    /// For whoever writes while nothing is queued, or reads what waits; see [`DirectWire`].
    pub fn direct_wire(&self) -> Weak<dyn DirectWire> {
        let stream: Weak<Stream> = Arc::downgrade(&self.0);
        stream
    }

    pub(super) fn reset_on_close(&self) {
        // Without it the close is an orderly one; nothing else depends on it.
        let _ = SockRef::from(self.stream()).set_linger(Some(Duration::ZERO));
    }

    /// Turns the peer away: it gets a reset.
    pub fn refuse(self) {
        self.reset_on_close();
    }

    /// The address on this side.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.stream().local_addr().ok()
    }

    /// The error that the connection has failed with, if the operating system still knows it.
    pub fn take_error(&self) -> Option<io::Error> {
        self.stream().take_error().ok().flatten()
    }

    /// Reads once, as much as fits into `into`.
    pub fn read(&mut self, into: &mut [u8]) -> Read {
        match self.0.read(into) {
            Ok(0) => Read::Closed,
            // epoll(7): on a stream a short read means that the socket is drained, which saves the read that would only say
            // so.
            Ok(read) => Read::Bytes {
                count: read,
                all: read < into.len(),
            },
            Err(Errno::AGAIN) => Read::WouldBlock,
            Err(error) => Read::Failed(error.into()),
        }
    }

    /// How many bytes wait to be read, which the next read gets if it has room for them: nobody else reads, and what has come is
    /// kept even when the peer resets the connection. What comes later is a new event.
    pub fn waiting_bytes(&self) -> usize {
        let waiting = ioctl_fionread(self.stream()).unwrap_or(0);
        usize::try_from(waiting).unwrap_or(0)
    }
}

impl Stream {
    fn read(&self, into: &mut [u8]) -> rustix::io::Result<usize> {
        let (read, _) = retry_on_intr(|| recv(&self.stream, &mut *into, RecvFlags::empty()))?;
        count(&self.received_bytes, read);
        Ok(read)
    }
}

impl DirectWire for Stream {
    fn send(&self, bytes: &[u8]) -> Sent {
        match retry_on_intr(|| send(&self.stream, bytes, SendFlags::NOSIGNAL)) {
            Ok(0) => Sent::Full,
            Ok(written) => {
                count(&self.sent_bytes, written);
                Sent::Bytes(written)
            }
            Err(Errno::AGAIN) => Sent::Full,
            Err(error) => Sent::Failed(io::Error::from(error).to_string()),
        }
    }

    fn receive(&self, into: &mut [u8]) -> usize {
        self.read(into).unwrap_or(0)
    }
}

impl Wire for Socket {
    fn send(&mut self, bytes: &[u8]) -> Sent {
        self.0.send(bytes)
    }

    fn shutdown_write(&mut self) {
        // A peer that has reset the connection meanwhile is reported by the next read.
        let _ = self.stream().shutdown(Shutdown::Write);
    }
}

/// A listening socket that no reactor watches yet. Peers already queue at it.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Listens on an endpoint.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn to(endpoint: &Endpoint) -> io::Result<Self> {
        Self::new(listen(endpoint)?)
    }

    /// Takes a socket that listens already.
    ///
    /// # Errors
    /// When it is not one.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Self::new(TcpListener::from_std(listener))
    }

    fn new(listener: TcpListener) -> io::Result<Self> {
        // A protocol that answers in pieces must not wait for the peer's delayed acknowledgement of the first. What is accepted
        // has it from its listener (Linux copies the socket), which saves a system call for each.
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Its address, with the port that was chosen for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn into_listener(self) -> TcpListener {
        self.listener
    }
}

/// Through socket2, because mio's own bind fixes the backlog at 128, and of a thousand simultaneous connects a third would hang.
fn listen(endpoint: &Endpoint) -> io::Result<TcpListener> {
    let address = endpoint.socket_address();
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::from(endpoint.backlog()))?;
    Ok(TcpListener::from_std(socket.into()))
}

pub(super) fn classify_accept_error(error: io::Error) -> Accept {
    // accept(2). The first two: the process's and the system's descriptors.
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    match error.raw_os_error() {
        Some(code) if exhausted.iter().any(|errno| errno.raw_os_error() == code) => {
            Accept::Exhausted(error)
        }
        _ if error.kind() == ErrorKind::WouldBlock => Accept::WouldBlock,
        _ => Accept::Failed(error),
    }
}
