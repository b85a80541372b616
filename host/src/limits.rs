//! Every limit of the host, with its unit in its name and a default that suits a laptop. Values only: who enforces a limit
//! is said in its documentation.

use std::num::NonZero;
use std::time::Duration;

use crate::core::ConnectionLimits;

/// The limits of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections that the service has at once. At the limit it accepts nobody until one ends (`driver/accept.rs`).
    pub connections_max: u32,
    /// Connections that one peer address has at once. One more is closed as soon as it is accepted, so that it keeps nobody
    /// else waiting (`driver/admission.rs`).
    pub connections_per_peer_max: Option<NonZero<u32>>,
    /// Connections that the service accepts in a second. More wait to be accepted (`driver/admission.rs`).
    pub accepts_per_second_max: Option<NonZero<u32>>,
    /// How long nothing may be received from a connection and nothing be sent on it. Then it is closed.
    pub idle_max: Option<Duration>,
    /// How long a connection may last. Then it is closed.
    pub lifetime_max: Option<Duration>,
    /// Bytes that are read from one connection in a second. More wait at the peer (`core/pace.rs`).
    pub read_bytes_per_second_max: Option<NonZero<u32>>,
    /// Bytes that are sent on one connection in a second. More wait in its write buffer (`core/pace.rs`).
    pub write_bytes_per_second_max: Option<NonZero<u32>>,
    /// CPU time of the service's guests on one reactor in each [`CPU_SHARE_WINDOW`], in thousandths of that. Above it they wait
    /// for the next one (`driver/share.rs`).
    pub cpu_share_max_permille: Option<NonZero<u32>>,
    /// Linear memory of all the service's instances together, in bytes. Above it `memory.grow` fails, and so does a new instance.
    pub service_memory_max_bytes: Option<NonZero<usize>>,
    /// Linear memory of one instance, all its memories together, in bytes. `memory.grow` fails above it.
    pub memory_max_bytes: usize,
    /// How long an instance has run no handler when its memory is packed, until the next one runs (`driver/rest.rs`).
    pub pack_memory_after: Option<Duration>,
    /// Elements of one table of an instance. `table.grow` fails above it.
    pub table_max_elements: usize,
    /// CPU time of one handler call. Above it the guest traps.
    pub call_cpu_max: Duration,
    /// How long one handler may stay suspended in all. Above it the instance is ended.
    pub call_suspended_max: Duration,
    /// Handlers of the service that wait or sleep at once, since each holds a stack. Above it the instance is ended.
    pub suspended_max: u32,
    /// Timers and pages of one instance whose outcome is not there yet or not delivered yet. One more traps.
    pub pending_max: u32,
    /// Commands that one handler records before it returns or waits. One more traps.
    pub commands_max: usize,
    /// Bytes that one handler writes, to all connections together, before it returns or waits. One more traps.
    pub outbox_max_bytes: usize,
    /// Events of one instance that wait for its running handler. A full queue pauses reading and accepting.
    pub events_queued_max: usize,
    /// Unsent bytes of a connection above which reading from its peer pauses.
    pub write_buffer_high_bytes: usize,
    /// Unsent bytes of a connection at which reading goes on and the guest is told `drained`.
    pub write_buffer_low_bytes: usize,
    /// Unsent bytes of a connection above which it is closed: its peer does not read. A handler that writes more to one
    /// connection before it returns or waits traps.
    pub write_buffer_max_bytes: usize,
    /// How long unsent bytes may wait without any progress before the connection is closed: its peer does not read.
    pub write_stall_max: Duration,
    /// Failures of a shared instance in a row before it is not started again for [`broken_pause`](Self::broken_pause).
    pub failures_in_a_row_max: u32,
    /// How long a shared instance that fails each time is not tried again, and its peers are turned away.
    pub broken_pause: Duration,
    /// How long a guest may still run after its only connection is gone.
    pub farewell_max: Duration,
    /// Requests of the service that are under way at once; others wait.
    pub fetches_max: u32,
    /// Requests of the service that wait for their turn. One more fails.
    pub fetches_queued_max: u32,
    /// Redirects that one request follows.
    pub redirects_max: u32,
    /// The body of one page, in bytes.
    pub page_max_bytes: u64,
    /// The bodies of all pages that an instance was sent and has not taken yet, in bytes. A page above it becomes an error.
    pub pages_held_max_bytes: u64,
    /// How long one request may take, redirects included.
    pub fetch_timeout_max: Duration,
}

impl Limits {
    /// Those that the core keeps for each connection.
    pub fn of_connection(&self) -> ConnectionLimits {
        ConnectionLimits {
            write_buffer_high_bytes: self.write_buffer_high_bytes,
            write_buffer_low_bytes: self.write_buffer_low_bytes,
            write_buffer_max_bytes: self.write_buffer_max_bytes,
            write_stall_max: self.write_stall_max,
            write_bytes_per_second_max: self.write_bytes_per_second_max,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_per_peer_max: None,
            accepts_per_second_max: None,
            idle_max: None,
            lifetime_max: None,
            read_bytes_per_second_max: None,
            write_bytes_per_second_max: None,
            cpu_share_max_permille: None,
            service_memory_max_bytes: None,
            memory_max_bytes: 64 << 20,
            pack_memory_after: Some(Duration::from_secs(10)),
            table_max_elements: 20_000,
            call_cpu_max: Duration::from_millis(100),
            call_suspended_max: Duration::from_secs(60),
            suspended_max: 1_000,
            pending_max: 1_000,
            commands_max: 100_000,
            outbox_max_bytes: 32 << 20,
            events_queued_max: 4_096,
            write_buffer_high_bytes: 64 << 10,
            write_buffer_low_bytes: 16 << 10,
            write_buffer_max_bytes: 4 << 20,
            write_stall_max: Duration::from_secs(30),
            failures_in_a_row_max: 10,
            broken_pause: Duration::from_secs(300),
            farewell_max: Duration::from_secs(5),
            fetches_max: 16,
            fetches_queued_max: 1_000,
            redirects_max: 10,
            page_max_bytes: 4 << 20,
            pages_held_max_bytes: 16 << 20,
            fetch_timeout_max: Duration::from_secs(30),
        }
    }
}

/// What one connection, listener or instance may take of a turn of the reactor, so that a busy one starves nobody. What is
/// left over is carried to the next turn, behind everyone else's.
pub mod per_turn {
    /// Connections that one listener accepts.
    pub const ACCEPTS_MAX: u32 = 64;
    /// Reads of one connection, of at most [`READ_BYTES`] each.
    pub const READS_MAX: u32 = 4;
    /// Bytes of one read, and so of one `data-received`. More than 64 KiB, so that a read of that common size leaves room,
    /// which tells that the socket is drained: filled to the brim, it would take one more read to know.
    pub const READ_BYTES: usize = 68 << 10;
    /// Queued events that one instance handles.
    pub const CALLS_MAX: u32 = 64;
    /// Messages taken from the mailbox.
    pub const MAILS_MAX: usize = 1_024;
    /// Instances at which it is looked whether they rest.
    pub const LOOKS_MAX: usize = 1_024;
    /// Memory of instances that rest that is packed, in bytes, up to a piece more: some 0.5 ms.
    pub const PACKED_BYTES: usize = 64 << 10;
}

/// How long connections may take to finish when the host is asked to stop, unless it is told otherwise.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// How long a guest computes before the others get a turn.
pub const CPU_SLICE: Duration = Duration::from_millis(5);

/// The same while one has done so lately: the others would wait for it again and again (`guest/ticker.rs`).
pub const CPU_SLICE_CONTENDED: Duration = Duration::from_micros(500);

/// Memory that an instance has written to, in bytes, up to which it is packed while the instance rests. The others wait while it is
/// put back, which takes 1 ms for the half mebibyte of an interpreter.
pub const PACKED_MAX_BYTES: usize = 128 << 10;

/// Linear memory up to which it is looked for what of it was written to, in bytes. The operating system answers for so much at
/// once, in some 10 µs.
pub const PACKED_MEMORY_MAX_BYTES: usize = 2 << 20;

/// Over which time a service's share of the CPU is counted.
pub const CPU_SHARE_WINDOW: Duration = Duration::from_millis(100);

/// How long a closed socket is still read, so that what was sent last is not destroyed by a reset; see `driver/linger.rs`.
pub const LINGER_MAX: Duration = Duration::from_secs(2);

/// How much a closed socket is still read, in bytes.
pub const LINGER_MAX_BYTES: usize = 1 << 20;

/// How long accepting pauses when descriptors or memory are used up, unless a connection ends earlier.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The longest log message of a guest, in bytes; longer ones are cut.
pub const LOG_MESSAGE_MAX_BYTES: usize = 8 << 10;

/// Log records of one service's guests in a second; more are dropped, which is said.
pub const GUEST_RECORDS_PER_SECOND_MAX: u32 = 1_000;

/// Records in a second that the host itself writes about one service on one reactor: ends of connections, failures of guests.
/// More are dropped, which is said.
pub const SERVICE_RECORDS_PER_SECOND_MAX: u32 = 1_000;

/// What an instance may leave to the one that takes its place, in bytes.
pub const STATE_MAX_BYTES: usize = 16 << 20;

/// The most random bytes that a guest gets in one call.
pub const RANDOM_MAX_BYTES: u32 = 64 << 10;

/// Spans that wait to be sent to the collector. One more is dropped, and counted (`telemetry/courier.rs`). More than
/// [`Limits::connections_max`] by default, whose connections may all end at once.
pub const SPANS_QUEUED_MAX: usize = 16_384;

/// The texts of the spans that wait, all together, in bytes. What would exceed it is dropped, and counted.
pub const SPANS_QUEUED_MAX_BYTES: usize = 8 << 20;

/// The longest text in a span that a guest or a peer has a say in, in bytes; longer ones are cut.
pub const SPAN_TEXT_MAX_BYTES: usize = 4 << 10;

/// Spans in one request to the collector. When so many wait, they are sent at once.
pub const SPANS_PER_EXPORT_MAX: usize = 512;

/// How long a span waits for others to be sent with it.
pub const EXPORT_INTERVAL: Duration = Duration::from_secs(1);

/// How long sending may take, with attempts that are repeated.
pub const EXPORT_MAX: Duration = Duration::from_secs(10);

/// How long spans that are left may hold up the exit.
pub const EXPORT_AT_EXIT_MAX: Duration = Duration::from_secs(2);

/// How long connecting to the collector may take.
pub const COLLECTOR_CONNECT_MAX: Duration = Duration::from_secs(5);

/// The longest answer of a collector, in bytes: it says how many spans it did not want, and why.
pub const COLLECTOR_ANSWER_MAX_BYTES: usize = 64 << 10;
