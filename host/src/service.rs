//! What is to be served, where, and within which limits: plain values that the command line makes and the driver reads.

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;
use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::guest::{GuestCode, Origin};
use crate::limits::Limits;
use crate::web::WebClient;

/// Whether an instance serves one connection or all of its service's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// An instance for each connection: what goes wrong in it is that connection's alone.
    #[default]
    Connection,
    /// One instance for all connections, as a Twisted factory has: for chat rooms and other shared state.
    Service,
}

impl FromStr for Isolation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "connection" => Ok(Self::Connection),
            "service" => Ok(Self::Service),
            _ => Err(format!("{text:?} is neither `connection` nor `service`")),
        }
    }
}

/// Which of several shared instances a new connection gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// One after the other.
    #[default]
    RoundRobin,
    /// Always the same one for the same peer address, while it runs.
    Peer,
}

/// One service.
#[derive(Clone)]
pub struct Service {
    /// Who it is, for log records.
    pub origin: Arc<Origin>,
    /// Where it listens. Empty for programs.
    pub endpoints: Vec<Endpoint>,
    /// See [`Isolation`].
    pub isolation: Isolation,
    /// With isolation `service`: how many instances share the connections. Each has its own memory: what is shared is shared by
    /// the connections of one instance.
    pub instances: NonZero<u16>,
    /// Which of them a new connection gets.
    pub choice: Choice,
    /// See [`Recycle`]. Of no effect with isolation `connection`, whose instances end with their connections.
    pub recycle: Recycle,
    /// See [`Limits`].
    pub limits: Arc<Limits>,
    /// Whether the host is there for it alone, and so ends when it cannot start or its program fails. Otherwise it is started
    /// again, as after any failure.
    pub is_sole: bool,
    /// What it runs.
    pub code: Arc<GuestCode>,
    /// What its guests may reach.
    pub web: WebClient,
}

/// When the one instance of a service has served enough: a new one takes the connections that come from then on, and the old
/// one ends when its own have ended. For runtimes that leak. Nothing is recycled unless one of these is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recycle {
    /// After so many calls of handlers.
    pub after_calls: Option<u64>,
    /// After so many connections.
    pub after_connections: Option<u64>,
    /// When its linear memory, which never shrinks, has so many bytes.
    pub memory_bytes: Option<usize>,
}

impl Recycle {
    /// Whether an instance that has done and has so much has served enough.
    pub fn is_due(&self, calls: u64, connections: u64, memory_bytes: usize) -> bool {
        self.after_calls.is_some_and(|max| calls >= max)
            || self.after_connections.is_some_and(|max| connections >= max)
            || self.memory_bytes.is_some_and(|max| memory_bytes >= max)
    }
}

/// Without the guest's configuration values: some of them are secret.
impl fmt::Debug for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Service")
            .field("name", &self.origin.service)
            .field("endpoints", &self.endpoints)
            .field("isolation", &self.isolation)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// Whether it serves connections, rather than being a program that runs by itself.
    pub fn serves_connections(&self) -> bool {
        self.code.exports().connection
    }
}
