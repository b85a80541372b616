//! Every limit of the server, with its unit in its name. Values only: who enforces a limit is said in its documentation.
//!
//! One instance serves everyone, and it has 64 MiB and 100 ms of CPU for each handler: a peer that could exceed either
//! would end everybody's connection. So what one peer can make the instance hold or compute is bounded here.

/// One argument of a command, and so one value: a longer one is a protocol error, as above `proto-max-bulk-len`.
pub(crate) const BULK_MAX_BYTES: usize = 1 << 20;

/// What is kept of one connection's commands that are incomplete or not run yet. Above it the connection is closed.
pub(crate) const QUERY_MAX_BYTES: usize = 2 << 20;

/// What is kept of all connections' commands together. Above it the connection that asks for more is closed.
pub(crate) const QUERIES_MAX_BYTES: usize = 8 << 20;

/// A line: an inline command, or a count with what stands before it. A longer one is a protocol error.
pub(crate) const LINE_MAX_BYTES: usize = 64 << 10;

/// The keys' memory (`maxmemory`) unless the operator configures it. Above it commands that need more are refused.
pub(crate) const MEMORY_MAX_BYTES: usize = 24 << 20;

/// The reply to one command. A longer one is an error instead; it must fit the host's `write-buffer-max`.
pub(crate) const REPLY_MAX_BYTES: usize = 2 << 20;

/// The replies of one handler call. Above it the remaining commands wait until the peer has read.
pub(crate) const REPLIES_MAX_BYTES: usize = 256 << 10;

/// Unsent bytes of a connection above which its waiting commands go on waiting.
pub(crate) const UNSENT_MAX_BYTES: u64 = 64 << 10;

/// The elements that the commands of one handler call look at. Above it the remaining commands wait for the next turn.
pub(crate) const CALL_WORK_MAX_STEPS: usize = 200_000;

/// The elements that one command looks at. Above it the command fails.
pub(crate) const COMMAND_WORK_MAX_STEPS: usize = 4_000_000;

/// Keys that one round of active expiry looks at.
pub(crate) const EXPIRY_ROUND_MAX_KEYS: usize = 5_000;

/// The time between two rounds of active expiry.
pub(crate) const EXPIRY_PERIOD_MS: u64 = 100;

/// How long waiting commands wait before they look again whether their peer has read.
pub(crate) const BACKLOG_PERIOD_MS: u64 = 10;

/// A memory that is not in use any more is given back when it is larger than this.
pub(crate) const KEPT_BYTES_MAX: usize = 4 << 10;

/// Databases that `SELECT` knows.
pub(crate) const DATABASES: usize = 16;

/// Fields of a hash and members of a set up to which their order is kept when one is removed, which moves the others.
pub(crate) const ORDERED_MAX_ELEMENTS: usize = 128;
