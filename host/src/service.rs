//! What is to be served, where, and within which limits: plain values that the command line makes and the driver reads.

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

/// One service.
#[derive(Debug)]
pub struct Service {
    /// Who it is, for log records.
    pub origin: Arc<Origin>,
    /// Where it listens. Empty for programs.
    pub endpoints: Vec<Endpoint>,
    /// See [`Isolation`].
    pub isolation: Isolation,
    /// See [`Limits`].
    pub limits: Arc<Limits>,
    /// What it runs.
    pub code: Arc<GuestCode>,
    /// What its guests may reach.
    pub web: WebClient,
}

impl Service {
    /// Whether it serves connections, rather than being a program that runs by itself.
    pub fn serves_connections(&self) -> bool {
        self.code.exports().connection
    }
}
