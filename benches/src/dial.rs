//! How the load generator connects and says its first words, blocking; it must not know what is measured.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use crate::messages::{FIRST_WORDS_BYTES_MAX, Messages};

/// How long a blocking step may take before the run is given up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Loopback source addresses in turn: each has 28,000 ports, of which those closed last minute are not all free.
const SOURCES: usize = 64;
/// Connections opened before the first of them must have been answered, so that no backlog is overrun.
const BATCH: usize = 64;
const PORT_ATTEMPTS_MAX: usize = 20;

/// Connects to `server`; `index` spreads connections over source addresses. Writes, too, time out when blocking.
pub fn dial(server: SocketAddr, index: usize) -> io::Result<TcpStream> {
    let source = Ipv4Addr::new(127, 0, 0, 1 + (index % SOURCES) as u8);
    let mut attempt = 1;
    loop {
        match dial_from(server, source) {
            // The port that the system chose is still known to this very server from an earlier connection.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse
                ) && attempt < PORT_ATTEMPTS_MAX =>
            {
                attempt += 1;
            }
            result => return result,
        }
    }
}

fn dial_from(server: SocketAddr, source: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    // Connecting obeys it, too.
    socket.set_write_timeout(Some(PATIENCE))?;
    match socket.connect(&server.into()) {
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {
            return Err(ErrorKind::TimedOut.into());
        }
        result => result?,
    }
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// Opens `count` connections in batches and exchanges a first message on each, so that each is known to be served.
pub fn dial_all(server: SocketAddr, count: usize, messages: &Messages) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::with_capacity(count);
    while streams.len() < count {
        dial_batch(server, count, messages, &mut streams)?;
    }
    Ok(streams)
}

/// Connections that were opened, and why they are fewer than was asked for.
pub struct AsManyAsFit {
    /// Each was answered once.
    pub streams: Vec<TcpStream>,
    /// What stopped it, if something did.
    pub stopped: Option<anyhow::Error>,
}

/// The same as [`dial_all`], but as many as the server takes within `length`.
pub fn dial_within(
    server: SocketAddr,
    count: usize,
    messages: &Messages,
    length: Duration,
) -> AsManyAsFit {
    let begin = Instant::now();
    let mut streams = Vec::with_capacity(count);
    let mut stopped = None;
    while streams.len() < count && stopped.is_none() {
        let whole = streams.len();
        if begin.elapsed() >= length {
            stopped = Some(anyhow::anyhow!("{} s were over", length.as_secs_f64()));
        } else if let Err(error) = dial_batch(server, count, messages, &mut streams) {
            // Of the last batch, nobody knows which are served.
            streams.truncate(whole);
            stopped = Some(error);
        }
    }
    AsManyAsFit { streams, stopped }
}

fn dial_batch(
    server: SocketAddr,
    count: usize,
    messages: &Messages,
    streams: &mut Vec<TcpStream>,
) -> Result<()> {
    let begin = streams.len();
    for index in begin..count.min(begin + BATCH) {
        let stream = dial(server, index).with_context(|| {
            format!(
                "cannot open connection {} of {count} to {server}",
                index + 1
            )
        })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        streams.push(stream);
    }
    for (offset, stream) in streams[begin..].iter_mut().enumerate() {
        let index = begin + offset;
        let (message, due) = messages.first_words(index);
        ask(stream, message, due)
            .with_context(|| format!("connection {} of {count} is not served", index + 1))?;
    }
    Ok(())
}

/// Sends `message` and receives it back, blocking.
pub fn exchange(stream: &mut TcpStream, message: &[u8]) -> Result<()> {
    ask(stream, message, message)
}

/// Sends `message` and receives `due`, which is as long, blocking.
pub fn ask(stream: &mut TcpStream, message: &[u8], due: &[u8]) -> Result<()> {
    ensure!(
        due.len() <= FIRST_WORDS_BYTES_MAX,
        "the message is too long for a blocking exchange"
    );
    let mut answer = vec![0; due.len()];
    stream.write_all(message).context("cannot send")?;
    stream.read_exact(&mut answer).map_err(no_answer)?;
    ensure!(answer == due, "the answer differs from what was due");
    Ok(())
}

/// Addresses that were free a moment ago, for servers that are told where to listen.
pub fn free_addresses(count: usize) -> Result<Vec<SocketAddr>> {
    let listener = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free");
    let listeners: Vec<_> = (0..count).map(|_| listener()).collect::<Result<_>>()?;
    let address = |listener: &TcpListener| listener.local_addr();
    let addresses: io::Result<_> = listeners.iter().map(address).collect();
    addresses.context("a port has no address")
}

/// Puts the errors of a blocking read into words.
pub fn no_answer(error: io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            anyhow::anyhow!("no answer within {} s", PATIENCE.as_secs())
        }
        ErrorKind::UnexpectedEof => {
            anyhow::anyhow!("the server closed the connection before it had answered")
        }
        _ => anyhow::Error::new(error).context("cannot receive"),
    }
}
