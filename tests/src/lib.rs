//! What the integration tests stand on: a host as a child process, its guests, clients, neighbours, and a web server.
//!
//! - [`host`]: `wisted run …` with its address and its log;
//! - [`serve`]: `wisted serve …` on a configuration that a test writes and changes;
//! - [`logs`]: the log as records that can be waited for;
//! - [`workspace`]: builds the host and the guests once, and knows where things are;
//! - [`browser`]: headless Chromium;
//! - [`client`]: a peer, and [`neighbours`]: peers that must notice nothing;
//! - [`web`]: the pages that guests fetch;
//! - [`collector`]: what takes traces;
//! - [`admin`]: a client of the admin endpoint;
//! - [`conformance`]: the scripts that every language's guest is tested with;
//! - [`fixture`]: guests in the text format;
//! - [`programs`]: clients and servers that others wrote, and [`packages`]: such programs from PyPI.
//!
//! Nothing here sleeps: what is to be awaited tells so, and [`PATIENCE`] bounds how long a failing test takes.

pub mod admin;
pub mod browser;
pub mod client;
pub mod collector;
pub mod conformance;
pub mod fixture;
pub mod host;
pub mod logs;
pub mod neighbours;
pub mod packages;
pub mod programs;
pub mod serve;
pub mod web;
pub mod workspace;

use std::time::Duration;

pub use admin::Admin;
pub use client::{Client, End};
pub use collector::Collector;
pub use host::Host;
pub use neighbours::Neighbours;
pub use serve::Serving;

/// How long anything may take before the test that waits for it has failed. Generous: machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(30);
