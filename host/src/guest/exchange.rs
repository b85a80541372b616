//! What passes between the driver and one instance: calls in, recorded commands out, and what imports answer from. Knows
//! neither wasmtime nor sockets.
//!
//! The instance's future and the driver each hold the exchange; they run on the same thread, one after the other, so the
//! lock is never waited for. It is there because wasmtime wants a store's data to be `Send`.
//!
//! What a guest writes through its [window](super::window) is recorded when the exchange is next locked, by whomever: so nobody finds an
//! exchange that does not know of it.

use std::mem::{MaybeUninit, offset_of};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::by_connection::ByConnection;
use super::packed::LinearMemory;
use super::pending::PendingTable;
use super::window::{SLACK_BYTES, Window, Written};
use crate::core::{CloseReason, DirectWire, Sent, TransportCommand};
use crate::limits::Limits;
use crate::prefetch;
use crate::web;

/// A connection's name within one instance.
pub type ConnectionNumber = u32;

/// A pending thing's name within one instance.
pub type PendingNumber = u32;

/// A call of one handler.
#[derive(Debug)]
pub enum Call {
    /// `lifecycle-handler.start`
    Start,
    /// `program.execute`
    Execute,
    /// `lifecycle-handler.stop`
    Stop,
    /// `connection-handler.connection-made`
    ConnectionMade(ConnectionNumber),
    /// `connection-handler.data-received`, with the first so many bytes of the buffer
    DataReceived(ConnectionNumber, Vec<u8>, usize),
    /// The same with so many bytes that still wait at the socket, and a buffer for them where they cannot be read into the guest's
    /// memory
    DataWaiting(ConnectionNumber, Vec<u8>, usize),
    /// The same with so many bytes of the buffer that the window shows
    DataShown(ConnectionNumber, Vec<u8>, u32),
    /// `half-close-handler.read-closed`
    ReadClosed(ConnectionNumber),
    /// `flow-handler.drained`
    Drained(ConnectionNumber),
    /// `connection-handler.connection-lost`
    ConnectionLost(ConnectionNumber, CloseReason),
    /// `state-handler.save-state`
    SaveState,
    /// `state-handler.restore-state`
    RestoreState(Vec<u8>),
    /// `timer-handler.timer-fired`
    TimerFired(PendingNumber),
    /// `page-handler.page-received`
    PageReceived(PendingNumber, web::Page),
}

impl Call {
    /// The handler's name in the WIT contract.
    pub fn handler(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Execute => "execute",
            Self::Stop => "stop",
            Self::ConnectionMade(_) => "connection-made",
            Self::DataReceived(..) | Self::DataWaiting(..) | Self::DataShown(..) => "data-received",
            Self::ReadClosed(_) => "read-closed",
            Self::Drained(_) => "drained",
            Self::ConnectionLost(..) => "connection-lost",
            Self::SaveState => "save-state",
            Self::RestoreState(_) => "restore-state",
            Self::TimerFired(_) => "timer-fired",
            Self::PageReceived(..) => "page-received",
        }
    }

    /// The connection that the handler is about.
    pub fn connection(&self) -> Option<ConnectionNumber> {
        match self {
            Self::ConnectionMade(number)
            | Self::DataReceived(number, ..)
            | Self::DataWaiting(number, ..)
            | Self::DataShown(number, ..)
            | Self::ReadClosed(number)
            | Self::Drained(number)
            | Self::ConnectionLost(number, _) => Some(*number),
            _ => None,
        }
    }
}

/// What a handler returned.
#[derive(Debug)]
pub enum Returned {
    /// Nothing.
    Nothing,
    /// The buffer of `data-received`, to be used again.
    Buffer(Vec<u8>),
    /// The error of `start`, `execute` or `restore-state`.
    Error(String),
    /// What `save-state` has saved.
    State(Vec<u8>),
}

impl From<Result<(), String>> for Returned {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Error, |()| Self::Nothing)
    }
}

/// Something that a guest asked for during a handler.
#[derive(Debug)]
pub enum Command {
    /// Of a connection.
    Transport(ConnectionNumber, TransportCommand),
    /// An outcome after so many milliseconds.
    CallLater(PendingNumber, u32),
    /// A page.
    Fetch(PendingNumber, Box<web::Request>),
    /// To forget a timer or a page.
    Cancel(PendingNumber),
}

/// What a guest recorded, in order. The bytes of all writes lie one after the other.
#[derive(Debug, Default)]
pub struct Outbox {
    /// What to do.
    pub commands: Vec<Command>,
    /// What the writes among them send.
    pub bytes: Vec<u8>,
}

impl Outbox {
    /// Empties it, to be lent again.
    pub fn clear(&mut self) {
        /// A burst must not weigh on the outbox for ever.
        const KEPT_BYTES_MAX: usize = 256 << 10;
        const KEPT_COMMANDS_MAX: usize = 1 << 10;
        self.commands.clear();
        self.commands.shrink_to(KEPT_COMMANDS_MAX);
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
    }
}

/// What imports answer about a connection.
#[derive(Debug)]
#[repr(C)]
pub(super) struct View {
    /// The outbox that the next two are about: once it is taken, they are 0.
    batch: u64,
    written_bytes: usize,
    /// Those of the written ones that were recorded.
    recorded_bytes: usize,
    /// Unsent bytes, as the driver last said.
    pub buffered_bytes: usize,
    pub lost: Option<CloseReason>,
    /// Where large writes go at once, while nothing is queued before them, and large reads come from.
    direct: Weak<dyn DirectWire>,
    pub log_id: u64,
    pub peer: SocketAddr,
    pub host: Option<SocketAddr>,
}

/// CPU time of the running handler.
#[derive(Debug, Default)]
pub(super) struct CpuMeter {
    pub used: Duration,
    /// The thread's CPU time when it was last read for this handler. `None` in a handler's first slice, whose start is not
    /// measured because reading that clock once per message would cost more than most messages.
    pub mark: Option<Duration>,
}

/// A limit that a guest has hit. As an error of an import it ends the instance.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct LimitHit(pub String);

/// See the file's header. What each message touches comes first, in as few cache lines as it needs.
#[derive(Debug)]
#[repr(C)]
pub struct Exchange {
    pub(super) limits: Arc<Limits>,
    /// Lent for a call, or made when a handler that has waited records more.
    outbox: Option<Box<Outbox>>,
    outbox_number: u64,
    /// The connection that the running handler is about, for its log records.
    pub(super) running_for: Option<ConnectionNumber>,
    /// The connection whose loss ends the running handler's waits. None in `connection-lost` itself, which may wait.
    pub(super) waits_with: Option<ConnectionNumber>,
    /// The highest connection number ever given.
    issued: ConnectionNumber,
    pub(super) stopping: bool,
    /// The fiber is suspended because its slice of CPU was over.
    pub(super) preempted: bool,
    /// The running handler is on no fiber and cannot be suspended.
    pub(super) plainly: bool,
    pub(super) cpu: CpuMeter,
    /// Where the guest's memory lies, as of its last write.
    pub(super) memory: LinearMemory,
    /// Where in it what it last wrote was. 0 before that.
    pub(super) written_at: usize,
    pub(super) connections: ByConnection<View>,
    pub(super) pending: PendingTable,
    /// The fiber is suspended in `wait` or `sleep`, for this.
    pub(super) waiting: Option<PendingNumber>,
    pub(super) inbox: Option<Call>,
    pub(super) returned: Option<Returned>,
}

/// The two ends' common hold on an exchange.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<WithWindow>);

/// An exchange and the window through which the guest's side writes.
#[derive(Debug)]
#[repr(C)]
struct WithWindow {
    window: Window,
    exchange: Mutex<Exchange>,
}

/// The room that a window has. What is written beyond goes the usual way.
const WINDOW_BYTES: usize = 4 << 10;

impl Shared {
    pub fn new(limits: Arc<Limits>) -> Self {
        let exchange = Exchange {
            limits,
            inbox: None,
            returned: None,
            connections: ByConnection::default(),
            issued: 0,
            running_for: None,
            waits_with: None,
            pending: PendingTable::default(),
            waiting: None,
            stopping: false,
            preempted: false,
            plainly: false,
            cpu: CpuMeter::default(),
            outbox: None,
            outbox_number: 1,
            memory: LinearMemory::default(),
            written_at: 0,
        };
        Self(Arc::new(WithWindow {
            window: Window::default(),
            exchange: Mutex::new(exchange),
        }))
    }

    /// Where the window is. It stays there.
    pub fn window_address(&self) -> u64 {
        self.0.window.address()
    }

    /// For an instance with shortcuts: if the call is a `data-received` with short data, the window shows them, and is open for what
    /// that writes to its connection until the exchange is locked again.
    ///
    /// Only once the guest has written: before that it is not known where its memory lies, and most connections that are short have
    /// one message, for which finding the shortcut would cost more than it saves.
    pub fn through_window(&self, exchange: &mut Exchange, call: Call) -> Call {
        let Call::DataReceived(number, buffer, length) = call else {
            return call;
        };
        if !exchange.memory.is_known() {
            return Call::DataReceived(number, buffer, length);
        }
        let Some(bytes) = self.0.window.show(&buffer, length) else {
            return Call::DataReceived(number, buffer, length);
        };
        if let Some(room) = exchange.room_for(number) {
            self.0.window.open(number, room);
        }
        Call::DataShown(number, buffer, bytes)
    }

    /// Has the processor fetch it.
    pub fn prefetch(&self) {
        const TOUCHED_BYTES: usize = offset_of!(WithWindow, exchange) + offset_of!(Exchange, inbox);
        prefetch::value(&*self.0, TOUCHED_BYTES);
    }

    /// The limits that hold now.
    pub fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.lock().limits)
    }

    /// The exchange. A panic elsewhere while it was held is reported there; the values stay usable.
    pub fn lock(&self) -> MutexGuard<'_, Exchange> {
        let exchange = self.0.exchange.lock();
        let mut exchange = exchange.unwrap_or_else(PoisonError::into_inner);
        if let Some(written) = self.0.window.close() {
            // SAFETY: the window was open, so all of this was written to the room that it was opened with, which is behind the bytes
            // of the outbox: whoever changes the outbox has locked the exchange, and so closed the window.
            #[allow(unsafe_code)]
            unsafe {
                exchange.record_written(written);
            }
        }
        exchange
    }
}

impl Exchange {
    /// Gives a new connection its number.
    pub(super) fn connection_made(
        &mut self,
        log_id: u64,
        peer: SocketAddr,
        host: Option<SocketAddr>,
        direct: Weak<dyn DirectWire>,
    ) -> ConnectionNumber {
        // After four billion connections the numbers start anew, past those that are still in use.
        loop {
            self.issued = self.issued.checked_add(1).unwrap_or(1);
            if !self.connections.contains(self.issued) {
                break;
            }
        }
        self.connections.insert(
            self.issued,
            View {
                log_id,
                peer,
                host,
                buffered_bytes: 0,
                direct,
                batch: 0,
                written_bytes: 0,
                recorded_bytes: 0,
                lost: None,
            },
        );
        self.issued
    }

    /// A connection that the guest may name: `None` once it is lost.
    ///
    /// # Errors
    /// When this instance was never given the number.
    pub(super) fn connection(
        &mut self,
        number: ConnectionNumber,
    ) -> Result<Option<&mut View>, LimitHit> {
        if number == 0 || number > self.issued {
            return Err(LimitHit(format!(
                "connection {number} was never given to this instance"
            )));
        }
        let view = self.connections.get_mut(number);
        Ok(view.filter(|view| view.lost.is_none()))
    }

    /// The way from and to a connection's peer, while its socket is there.
    pub(super) fn wire(&self, number: ConnectionNumber) -> Option<Arc<dyn DirectWire>> {
        self.connections.get(number)?.direct.upgrade()
    }

    /// Why the connection of the running handler was lost, if it was.
    pub(super) fn running_lost(&self) -> Option<&CloseReason> {
        self.connections.get(self.waits_with?)?.lost.as_ref()
    }

    /// Unsent bytes, those that are only recorded included.
    pub(super) fn buffered_bytes(&mut self, number: ConnectionNumber) -> Result<usize, LimitHit> {
        let batch = self.outbox_number;
        Ok(self.connection(number)?.map_or(0, |view| {
            view.begin_batch(batch);
            view.buffered_bytes + view.recorded_bytes
        }))
    }

    /// Records a write. Consecutive ones to one connection become one. A large one goes out at once as far as it can: it would
    /// not fit the caches twice.
    pub(super) fn record_write(
        &mut self,
        number: ConnectionNumber,
        pieces: &[&[u8]],
    ) -> Result<(), LimitHit> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let batch = self.outbox_number;
        let buffer_max = self.limits.write_buffer_max_bytes;
        let is_first = self.outbox().commands.is_empty();
        let is_paced = self.limits.write_bytes_per_second_max.is_some();
        self.written_at = pieces.first().map_or(0, |piece| piece.as_ptr().addr());
        let Some(view) = self.connection(number)? else {
            return Ok(());
        };
        view.begin_batch(batch);
        view.written_bytes += length;
        if view.written_bytes > buffer_max {
            // No peer could be fast enough: it has had no chance to read any of it.
            return Err(LimitHit(format!(
                "one handler wrote more than {buffer_max} bytes to one connection before it returned (--write-buffer-max)"
            )));
        }
        let sent = match pieces {
            [piece] if is_first && !is_paced && view.buffered_bytes == 0 => {
                view.send_directly(piece)
            }
            _ => 0,
        };
        if view.buffered_bytes + view.recorded_bytes > buffer_max {
            // The overflow is recorded; what else is written to this connection would never be sent.
            return Ok(());
        }
        view.recorded_bytes += length - sent;
        if view.buffered_bytes + view.recorded_bytes > buffer_max {
            return self.record(Command::Transport(number, TransportCommand::Overflow));
        }
        match pieces {
            [piece] => self.record_bytes(number, &[&piece[sent..]], length - sent),
            _ => self.record_bytes(number, pieces, length),
        }
    }

    /// Room for so many bytes to a connection, the first of a batch, that no limit is hit whatever they are.
    fn room_for(&mut self, number: ConnectionNumber) -> Option<&mut [MaybeUninit<u8>]> {
        let view = self.connections.get(number)?;
        let limits = &*self.limits;
        let left = limits
            .write_buffer_max_bytes
            .saturating_sub(view.buffered_bytes);
        let left = left.min(limits.outbox_max_bytes).min(WINDOW_BYTES);
        let is_new = view.batch != self.outbox_number;
        let outbox = self.outbox.as_mut()?;
        let is_empty = outbox.commands.is_empty() && outbox.bytes.is_empty();
        let is_first = is_new && is_empty && limits.commands_max > 0;
        if view.lost.is_some() || !is_first {
            return None;
        }
        outbox.bytes.reserve(WINDOW_BYTES + SLACK_BYTES);
        outbox
            .bytes
            .spare_capacity_mut()
            .get_mut(..left + SLACK_BYTES)
    }

    /// Records what was written through the window.
    ///
    /// # Safety
    /// So many bytes lie behind those of the outbox.
    #[allow(unsafe_code)]
    unsafe fn record_written(&mut self, written: Written) {
        let Written {
            connection: number,
            bytes,
            from,
            memory_pages,
        } = written;
        let batch = self.outbox_number;
        if bytes == 0 {
            return;
        }
        self.memory.has_pages(memory_pages);
        self.written_at = self.memory.address_of(from);
        let Some(outbox) = &mut self.outbox else {
            return;
        };
        let all = outbox.bytes.len() + bytes;
        // SAFETY: as said above, they are there.
        unsafe { outbox.bytes.set_len(all) };
        let write = TransportCommand::Write(bytes);
        outbox.commands.push(Command::Transport(number, write));
        if let Some(view) = self.connections.get_mut(number) {
            view.begin_batch(batch);
            view.written_bytes += bytes;
            view.recorded_bytes += bytes;
        }
    }

    fn record_bytes(
        &mut self,
        number: ConnectionNumber,
        pieces: &[&[u8]],
        length: usize,
    ) -> Result<(), LimitHit> {
        let max_bytes = self.limits.outbox_max_bytes;
        let outbox = self.outbox();
        if outbox.bytes.len() + length > max_bytes {
            return Err(LimitHit(format!(
                "one handler wrote more than {max_bytes} bytes before it returned"
            )));
        }
        for piece in pieces {
            outbox.bytes.extend_from_slice(piece);
        }
        if let Some(Command::Transport(last, TransportCommand::Write(recorded))) =
            outbox.commands.last_mut()
            && *last == number
        {
            *recorded += length;
            return Ok(());
        }
        if length == 0 {
            return Ok(());
        }
        self.record(Command::Transport(number, TransportCommand::Write(length)))
    }

    /// Records anything else.
    pub(super) fn record(&mut self, command: Command) -> Result<(), LimitHit> {
        let commands_max = self.limits.commands_max;
        let outbox = self.outbox();
        if outbox.commands.len() >= commands_max {
            return Err(LimitHit(format!(
                "one handler recorded more than {commands_max} commands before it returned"
            )));
        }
        outbox.commands.push(command);
        Ok(())
    }

    /// Whether the running handler may go on computing.
    pub(super) fn check_cpu(&self) -> Result<(), LimitHit> {
        let max = self.limits.call_cpu_max;
        if self.cpu.used > max {
            return Err(LimitHit(format!(
                "the handler used more than {max:?} of CPU time (--call-cpu-max)"
            )));
        }
        Ok(())
    }

    /// Gives the next batch a place to be recorded in.
    pub(super) fn lend_outbox(&mut self, outbox: Box<Outbox>) {
        self.outbox = Some(outbox);
    }

    /// Takes what was recorded.
    pub(super) fn take_outbox(&mut self) -> Box<Outbox> {
        self.outbox_number += 1;
        self.outbox.take().unwrap_or_default()
    }

    fn outbox(&mut self) -> &mut Outbox {
        self.outbox.get_or_insert_default()
    }
}

/// Smaller writes are recorded: several of them become one, and copying them costs next to nothing.
const DIRECT_WRITE_MIN_BYTES: usize = 16 << 10;

impl View {
    fn begin_batch(&mut self, batch: u64) {
        if self.batch != batch {
            self.batch = batch;
            self.written_bytes = 0;
            self.recorded_bytes = 0;
        }
    }

    /// Sends what can be sent now, if it is worth it. Returns how much.
    fn send_directly(&self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        if bytes.len() >= DIRECT_WRITE_MIN_BYTES
            && let Some(wire) = self.direct.upgrade()
        {
            while sent < bytes.len()
                && let Sent::Bytes(count) = wire.send(&bytes[sent..])
            {
                sent += count;
            }
        }
        sent.min(bytes.len())
    }
}

#[cfg(test)]
mod tests;
