//! One connection's requests and responses, read to the end of the connection. Knows neither which server it is nor what
//! it should answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use wisted_tests::{Client, PATIENCE};

use super::responses::{Response, parse_all};

/// Shows whether a connection still takes requests, and ends it.
pub const PROBE: &[u8] = b"GET /bytes/3 HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n";

/// Sends a request in pieces of `cut` bytes, and a probe behind it, and reads to the end.
pub fn ask(address: SocketAddr, request: &[u8], cut: usize) -> Exchange {
    let mut exchange = Exchange::begin(address);
    for piece in request.chunks(cut) {
        exchange.send(piece);
    }
    exchange.send(PROBE);
    exchange.read_to_the_end();
    exchange
}

/// A connection and what came back.
pub struct Exchange {
    stream: TcpStream,
    responses: Vec<Response>,
}

impl Exchange {
    pub fn begin(address: SocketAddr) -> Self {
        let stream = Client::connect(address).stream().try_clone();
        Self {
            stream: stream.expect("a second handle"),
            responses: Vec::new(),
        }
    }

    /// Sends what the server still takes: it may have closed the connection already.
    pub fn send(&mut self, data: &[u8]) {
        let _ = self.stream.write_all(data);
    }

    /// Reads until the server closes the connection.
    ///
    /// # Panics
    ///
    /// When it does not, or sends something that is no response.
    #[track_caller]
    pub fn read_to_the_end(&mut self) {
        let mut received = Vec::new();
        let mut buffer = [0; 16 << 10];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => received.extend_from_slice(&buffer[..length]),
                // A server may close without reading the rest; what it has sent is there all the same.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!(
                    "open after {PATIENCE:?}: {error}; {}",
                    received.escape_ascii()
                ),
            }
        }
        let (responses, rest) = parse_all(&received, true);
        assert!(rest.is_empty(), "half a response: {}", rest.escape_ascii());
        self.responses = responses;
    }

    pub fn statuses(&self) -> Vec<u16> {
        self.responses
            .iter()
            .map(|response| response.status)
            .collect()
    }

    pub fn last_body(&self) -> &[u8] {
        self.responses.last().map_or(&[], |response| &response.body)
    }
}
