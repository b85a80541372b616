//! One connection of the load generator: sends one message at a time, receives and verifies its answer; it must not know
//! what follows an answer.

use std::io::{ErrorKind, Read, Write};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;

pub(super) struct Peer {
    pub(super) stream: TcpStream,
    pub(super) sequence: u64,
    pub(super) sent: usize,
    pub(super) received: usize,
    /// When it was sent, or was to be sent.
    pub(super) started: Instant,
    pub(super) waiting: bool,
}

impl Peer {
    pub(super) fn start(&mut self, now: Instant) {
        self.started = now;
        self.sent = 0;
        self.received = 0;
        self.waiting = true;
    }

    /// Sends what is left of `message` and receives what is there of `answer`.
    pub(super) fn advance(
        &mut self,
        message: &[u8],
        answer: &[u8],
        readable: bool,
        buffer: &mut [u8],
    ) -> Result<()> {
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
            let due = &answer[self.received..self.sent];
            ensure!(
                count <= due.len(),
                "{count} bytes came, {} were due",
                due.len()
            );
            ensure!(
                buffer[..count] == due[..count],
                "the answer differs from what was due"
            );
            self.received += count;
            // Short means drained; and after the whole answer a further read could only find nothing.
            if count < buffer.len() || self.received == answer.len() {
                return Ok(());
            }
        }
    }

    pub(super) fn send(&mut self, message: &[u8]) -> Result<()> {
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

    /// For the error of whatever failed on it, the `index`-th of its load.
    pub(super) fn describe(&self, index: usize) -> String {
        format!(
            "connection {} failed at its request {} ({} bytes sent, {} received)",
            index + 1,
            self.sequence + 1,
            self.sent,
            self.received
        )
    }
}
