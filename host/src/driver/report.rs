//! What a driver tells of itself when another thread asks: plain values, made at that moment. What was used in all is what has
//! ended plus what is still there, so that serving costs no more than counting where it happens.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;

use crate::core::Ledger;
use crate::service::Isolation;

/// One driver's part of what is served.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which one, counted from 0.
    pub reactor: usize,
    /// Each service that has a part here.
    pub services: Vec<ServiceReport>,
}

/// One driver's part of one service: to be [added](Self::add) to the other drivers'.
#[derive(Clone, Debug)]
pub struct ServiceReport {
    /// The service's name.
    pub name: String,
    /// See [`Isolation`].
    pub isolation: Isolation,
    /// The worst of what its instances are at.
    pub condition: Condition,
    /// Open connections.
    pub connections: u64,
    /// Live instances.
    pub instances: u64,
    /// Those of them whose memory is packed.
    pub instances_packed: u64,
    /// Their linear memory.
    pub memory_bytes: u64,
    /// Timers and pages that they wait for.
    pub pending: u64,
    /// Unsent bytes of the connections.
    pub buffered_bytes: u64,
    /// Since the start, ended connections and instances included.
    pub totals: Totals,
}

/// What was counted since the start.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Connections that were made.
    pub connections_made: u64,
    /// Peers that were turned away because of a limit.
    pub connections_refused: u64,
    /// What connections and instances have used.
    pub ledger: Ledger,
    /// How long each handler call kept the guest busy, in nanoseconds.
    pub call_times: Histogram<u64>,
    /// Instances that ended against their will.
    pub failures: u64,
    /// Shared instances that were started again after that.
    pub restarts: u64,
    /// How often the service had used up its share of the CPU and had to wait.
    pub share_waits: u64,
    /// The last failures, the latest last; [`FAILURES_KEPT_MAX`] at most.
    pub recent_failures: Vec<Failure>,
}

/// Whether a service can serve, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// It serves, or waits for somebody to serve.
    Up,
    /// It takes no new connections any more, and ends when the last one has gone.
    Draining,
    /// Its instance has been made and `start` has not returned.
    Starting,
    /// Its instance has failed and will be started again.
    Restarting,
    /// Its instance has failed so often that peers are turned away until a next try, in some minutes.
    Broken,
}

/// An instance that ended against its will.
#[derive(Clone, Debug)]
pub struct Failure {
    /// When.
    pub at: SystemTime,
    /// The handler that ran.
    pub handler: String,
    /// `limit`, `trap`, `exit`, `refused` or `host`.
    pub kind: &'static str,
    /// In words.
    pub message: String,
    /// The wasm frames, innermost first, one a line.
    pub backtrace: String,
    /// The connection that the instance served, if it was only one.
    pub connection: Option<u64>,
    /// Its peer.
    pub peer: Option<SocketAddr>,
}

/// How many failures of a service each driver remembers.
pub const FAILURES_KEPT_MAX: usize = 16;

/// An open connection.
#[derive(Clone, Debug)]
pub struct ConnectionReport {
    /// As log records name it.
    pub id: u64,
    /// The service's name.
    pub service: String,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// The driver that serves it.
    pub reactor: usize,
    /// How long it has been open.
    pub age: Duration,
    /// Unsent bytes.
    pub buffered_bytes: u64,
    /// The linear memory of its instance, if that is its own.
    pub memory_bytes: Option<u64>,
    /// What it has used.
    pub ledger: Ledger,
}

/// Which connections are asked for.
#[derive(Clone, Debug)]
pub struct ConnectionQuery {
    /// Of this service only.
    pub service: Option<String>,
    /// Those with a higher id: to go on where the last answer ended.
    pub after: u64,
    /// So many at most from each driver, those with the lowest ids.
    pub count_max: usize,
}

impl Condition {
    /// Of two parts of a service: one that is on its way out says nothing about the other.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Draining, one) | (one, Self::Draining) => one,
            (one, other) => one.max(other),
        }
    }
}

impl ServiceReport {
    /// Adds another driver's part of the same service.
    pub fn add(&mut self, other: &Self) {
        self.condition = self.condition.and(other.condition);
        self.connections += other.connections;
        self.instances += other.instances;
        self.instances_packed += other.instances_packed;
        self.memory_bytes += other.memory_bytes;
        self.pending += other.pending;
        self.buffered_bytes += other.buffered_bytes;
        self.totals.add(&other.totals);
    }
}

impl Totals {
    /// Nothing yet.
    pub fn new() -> Self {
        // From a tenth of a microsecond to a minute, in steps of a sixteenth or less: some 4 KiB.
        let call_times = Histogram::new_with_bounds(100, 60_000_000_000, 1);
        Self {
            connections_made: 0,
            connections_refused: 0,
            ledger: Ledger::default(),
            call_times: call_times.expect("the bounds are in order"),
            failures: 0,
            restarts: 0,
            share_waits: 0,
            recent_failures: Vec::new(),
        }
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.connections_made += other.connections_made;
        self.connections_refused += other.connections_refused;
        self.ledger.add(&other.ledger);
        // All are made with the same bounds.
        let _ = self.call_times.add(&other.call_times);
        self.failures += other.failures;
        self.restarts += other.restarts;
        self.share_waits += other.share_waits;
        self.recent_failures
            .extend_from_slice(&other.recent_failures);
        self.recent_failures.sort_by_key(|failure| failure.at);
        self.forget_old_failures();
    }

    fn forget_old_failures(&mut self) {
        let surplus = self.recent_failures.len().saturating_sub(FAILURES_KEPT_MAX);
        self.recent_failures.drain(..surplus);
    }

    /// An instance has ended against its will.
    pub(super) fn failed(&mut self, failure: Failure) {
        self.failures += 1;
        self.recent_failures.push(failure);
        self.forget_old_failures();
    }
}

impl Default for Totals {
    fn default() -> Self {
        Self::new()
    }
}
