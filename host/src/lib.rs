//! Wisted: a reactor that serves sandboxed WebAssembly protocols.
//!
//! The map, outermost first; ARCHITECTURE.md says what may know what.
//!
//! - [`build`]: a guest's source folder becomes a component;
//! - [`scaffold`]: a new guest's project;
//! - [`config`]: wisted.toml, with all that is wrong in it;
//! - [`supervisor`]: what a configuration asks for becomes services that run;
//! - [`service`], [`endpoint`], [`limits`]: what is to be served, where, and how far guests may go, as plain values;
//! - [`admin`]: what an operator asks a running host, and orders it;
//! - [`driver`]: the turn of a reactor thread;
//! - [`core`]: a connection's rules, pure;
//! - [`reactor`]: readiness and sockets;
//! - [`guest`]: components, instances and traps;
//! - [`web`], [`side`]: the web client, and the thread that it runs on;
//! - [`telemetry`]: traces for an operator's collector;
//! - [`logs`]: how log records are written;
//! - [`units`]: sizes and durations as people write them;
//! - [`clock`]: the time;
//! - [`prefetch`]: hints to the processor.
//!
//! The binary's command line is not part of the library.

pub mod admin;
pub mod build;
pub mod clock;
pub mod config;
pub mod core;
pub mod driver;
pub mod endpoint;
pub mod guest;
pub mod limits;
pub mod logs;
pub mod prefetch;
pub mod reactor;
pub mod scaffold;
pub mod service;
pub mod side;
pub mod supervisor;
pub mod telemetry;
pub mod units;
pub mod web;
