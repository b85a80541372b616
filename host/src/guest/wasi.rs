//! WASI 0.2 with nothing granted: clocks and randomness are real, standard output and error become log records, and files,
//! sockets, arguments and environment are empty or denied.

use std::sync::Arc;

use tokio::io::AsyncWrite;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::exchange::Shared;
use super::guest_log::{self, Level};
use super::state::Origin;
use crate::limits::{LOG_MESSAGE_MAX_BYTES, RANDOM_MAX_BYTES};

/// The most WASI resources (streams, pollables) that one instance holds at once.
const RESOURCES_MAX: usize = 1_024;

pub(super) fn nothing_granted(shared: &Shared, origin: &Arc<Origin>) -> WasiCtx {
    let output = |level| LogStream {
        shared: shared.clone(),
        origin: Arc::clone(origin),
        level,
        line: Vec::new(),
    };
    WasiCtx::builder()
        .stdout(output(Level::Info))
        .stderr(output(Level::Warn))
        .max_random_size(u64::from(RANDOM_MAX_BYTES))
        .allow_tcp(false)
        .allow_udp(false)
        .build()
}

pub(super) fn resource_table() -> ResourceTable {
    let mut table = ResourceTable::new();
    table.set_max_capacity(RESOURCES_MAX);
    table
}

/// Standard output or error: each line a log record.
#[derive(Clone)]
struct LogStream {
    shared: Shared,
    origin: Arc<Origin>,
    level: Level,
    line: Vec<u8>,
}

impl LogStream {
    fn write_bytes(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LOG_MESSAGE_MAX_BYTES.saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.write_line();
            }
        }
    }

    fn write_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.trim_end_matches(['\n', '\r']);
        guest_log::write(&self.shared, &self.origin, self.level, line);
        self.line.clear();
    }
}

impl Drop for LogStream {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.write_line();
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and no guest of this contract imports that.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.write_bytes(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LOG_MESSAGE_MAX_BYTES)
    }
}
