//! The servers that Wisted is compared with, by name; their sources are in `benches/peers/`. It must not know what is
//! measured.
//!
//! - [`tools`]: what they need, found or installed;
//! - [`recipe`]: how each is started.

pub mod recipe;
pub mod tools;

use std::fmt;

use clap::ValueEnum;

use crate::messages::Messages;
use crate::server::Kind;

/// A server of the comparison. (In the code, "peer" alone is the remote side of a connection.)
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub enum Contender {
    /// The baseline: mio by hand.
    Native,
    /// Rust, tokio's current-thread runtime.
    Tokio,
    /// Python, asyncio protocols on uvloop.
    Uvloop,
    /// Go's net package.
    Go,
    /// HAProxy with a Lua service.
    Haproxy,
    /// nginx with njs in its stream module.
    Nginx,
    /// Node's net module.
    Node,
    /// Python, Twisted's epoll reactor.
    Twisted,
    /// A WebAssembly command on WASI 0.2 sockets, in a small embedding of wasmtime.
    Wasi,
    /// Wisted with an instance for each connection.
    Connection,
    /// Wisted with one instance for all connections.
    Service,
}

impl Contender {
    /// Every server, in the order of a round.
    pub fn all() -> Vec<Contender> {
        Contender::value_variants().to_vec()
    }

    /// This host's, by isolation.
    pub fn wisted(self) -> Option<Kind> {
        match self {
            Contender::Connection => Some(Kind::Connection),
            Contender::Service => Some(Kind::Service),
            _ => None,
        }
    }

    /// Whether it is part of this repository in every respect, so that its failure is ours.
    pub fn is_ours(self) -> bool {
        self == Contender::Native || self.wisted().is_some()
    }

    /// Connections that it can have within a limit of `descriptors_max` open files.
    pub fn connections_max(self, descriptors_max: u64) -> u64 {
        /// For everything that is no connection.
        const SPARE: u64 = 100;
        let descriptors = descriptors_max.saturating_sub(SPARE);
        match self {
            // It reserves one for an upstream that its service does not have.
            Contender::Haproxy => descriptors / 2,
            // The client's, and both ends of one to its silent upstream.
            Contender::Nginx => descriptors / 3,
            _ => descriptors,
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Contender::Native => "native mio",
            Contender::Tokio => "tokio",
            Contender::Uvloop => "uvloop",
            Contender::Go => "Go",
            Contender::Haproxy => "HAProxy Lua",
            Contender::Nginx => "nginx njs",
            Contender::Node => "Node",
            Contender::Twisted => "Twisted",
            Contender::Wasi => "wasi:sockets",
            Contender::Connection => "wisted connection",
            Contender::Service => "wisted service",
        })
    }
}

/// What is spoken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub enum Protocol {
    /// The same bytes come back.
    Echo,
    /// Each line comes back in upper case.
    Line,
}

impl Protocol {
    /// What a client of it sends.
    pub fn messages(self, size_bytes: usize) -> Messages {
        match self {
            Protocol::Echo => Messages::binary(size_bytes),
            Protocol::Line => Messages::lines_to_upper_case(size_bytes),
        }
    }

    /// As the servers are told.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Echo => "echo",
            Protocol::Line => "line",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_with_several_descriptors_for_each_client_have_fewer_clients() {
        assert_eq!(Contender::Tokio.connections_max(20_000), 19_900);
        assert_eq!(Contender::Haproxy.connections_max(20_000), 9_950);
        assert_eq!(Contender::Nginx.connections_max(20_000), 6_633);
        assert_eq!(Contender::Nginx.connections_max(10), 0);
    }
}
