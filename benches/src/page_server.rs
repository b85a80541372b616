//! The web server whose pages the pages guest fetches, in a thread; it must not know who fetches or why.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};

const REQUEST_BYTES_MAX: usize = 8 * 1024;
const REQUEST_TIME_MAX: Duration = Duration::from_secs(2);
const PAGE_BYTES: usize = 5000;

/// A web server on loopback that answers every request with a page, one at a time. It ends when dropped.
pub struct PageServer {
    /// Where it listens.
    pub address: SocketAddr,
    served: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PageServer {
    /// Starts it.
    pub fn start() -> Result<PageServer> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .context("cannot listen for page requests")?;
        let address = listener
            .local_addr()
            .context("cannot find the port for page requests")?;
        let served = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (counted, stopped) = (Arc::clone(&served), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("pages".into())
            .spawn(move || {
                for stream in listener.incoming() {
                    if stopped.load(Ordering::Acquire) {
                        return;
                    }
                    // A broken request is its sender's matter, who will notice that no page came.
                    if stream.and_then(serve).is_ok() {
                        counted.fetch_add(1, Ordering::Release);
                    }
                }
            })
            .context("cannot start a thread")?;
        Ok(PageServer {
            address,
            served,
            stop,
            thread: Some(thread),
        })
    }

    /// How many pages it has served.
    pub fn served(&self) -> usize {
        self.served.load(Ordering::Acquire)
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes it from its wait for a connection.
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_TIME_MAX))?;
    let mut request = [0; REQUEST_BYTES_MAX];
    let mut length = 0;
    while !request[..length].windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut request[length..])? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => length += count,
        }
    }
    let page = "w".repeat(PAGE_BYTES);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {PAGE_BYTES}\r\nConnection: close\r\n\r\n{page}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_served_and_counted() {
        let server = PageServer::start().unwrap();
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream
            .write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("www"));
        // Counted after the answer was sent.
        while server.served() < 1 {
            std::thread::yield_now();
        }
    }
}
