//! The admin endpoint: what an operator asks a running host, and orders it, over HTTP on a Unix socket or TCP. It runs on the side
//! thread and knows drivers by their [`Control`] alone; what a reload or a drain does is its [`Operations`]' affair.
//!
//! - `listener.rs`: its socket, at an [`AdminEndpoint`](crate::endpoint::AdminEndpoint);
//! - `server.rs`: connections and their limits; `guard.rs`: which requests are let in; `routes.rs`: what is answered;
//! - `gather.rs`: the reactors' answers; [`model`]: those as JSON; `metrics.rs`: as Prometheus reads them; `dashboard.html`: as
//!   people see them;
//! - [`Client`]: the other side, for the commands.

mod client;
mod gather;
mod guard;
mod listener;
mod metrics;
pub mod model;
mod routes;
mod server;

use std::net::SocketAddr;

use crate::driver::Control;
use crate::service::Isolation;
use crate::telemetry::SpanCounts;

pub use client::{Client, ClientError};
pub use model::{ReloadFailure, ReloadOutcome};
pub use server::{Server, Settings, StartError};

/// What the admin endpoint administers. Its functions are called on threads of the side thread's runtime, any number at a time;
/// only [`reload`](Self::reload) and [`drain_service`](Self::drain_service) may block.
pub trait Operations: Send + Sync + 'static {
    /// The running drivers.
    fn control(&self) -> &Control;

    /// What is known of the services without asking a reactor, in the order in which they are to be shown.
    fn services(&self) -> Vec<ServiceFacts>;

    /// Whether the host as a whole has started. Whether each service serves is asked of the reactors.
    fn is_ready(&self) -> bool;

    /// What became of the spans of traces, if they are made.
    fn spans(&self) -> Option<SpanCounts>;

    /// Reads the configuration and what it names again, and serves it. May take as long as it takes; it is called once at a time.
    ///
    /// # Errors
    /// In words, when nothing was changed. A service that keeps its old build is not such an error: see
    /// [`ReloadOutcome::failed`].
    fn reload(&self) -> Result<ReloadOutcome, String>;

    /// The service takes no new connections any more, and ends when its last one has. Called with a name out of
    /// [`services`](Self::services). Returns when the drain has begun.
    ///
    /// # Errors
    /// In words, when it cannot be drained.
    fn drain_service(&self, name: &str) -> Result<(), String>;
}

/// What does not change while a service serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceFacts {
    /// As reports name it.
    pub name: String,
    /// Where it listens, with the ports that it got.
    pub addresses: Vec<SocketAddr>,
    /// Where its component is, or its source.
    pub component: String,
    /// See [`Isolation`].
    pub isolation: Isolation,
    /// It runs by itself and serves nobody.
    pub is_program: bool,
}

impl ServiceFacts {
    /// Where it listens, as endpoints are written: `tcp:127.0.0.1:8000`.
    #[must_use]
    pub fn endpoints(&self) -> Vec<String> {
        let endpoint = |address: &SocketAddr| format!("tcp:{address}");
        self.addresses.iter().map(endpoint).collect()
    }
}
