//! Protocols and programs for the Wisted reactor: this file is the map of the crate and knows no more than the names.
//!
//! A server is a [`Protocol`]. This is all of an echo server:
//!
//! ```
//! use wisted_guest::{Protocol, Transport, export};
//!
//! #[derive(Default)]
//! struct Echo;
//!
//! impl Protocol for Echo {
//!     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
//!         transport.write(data);
//!     }
//! }
//!
//! export!(Echo);
//! ```
//!
//! From the outside to the inside:
//!
//! - [`export!`] and [`export_program!`] turn a type into a guest. Natively they only check that the type fits.
//! - A [`Factory`] builds a [`Protocol`] for each connection and keeps what they share. A [`Program`] runs
//!   without sockets.
//! - A [`Transport`] is a protocol's handle on its connection: cheap to clone, and it may be kept by others (a chat
//!   room).
//! - What takes time is a [`Deferred`] ([`get_page`], [`request`], [`after`]): attach callbacks and return, or call
//!   [`wait`](Deferred::wait), which suspends this guest and nobody else. [`call_later`] and [`sleep`] are the same two
//!   choices for time alone.
//! - [`framing`] finds lines, netstrings and length-prefixed strings in what arrives.
//! - [`info!`] and its like write log records; [`config`] reads what the operator configured; [`random_bytes`].
//! - [`no_std!`] is for guests that do without the standard library, and so with less memory.
//! - `testing` has the fakes: on native targets the same code runs against a fake transport, clock and web.
//!
//! # One handler at a time
//!
//! The host runs one handler of an instance at a time, also when a handler waits or sleeps: what arrives meanwhile is
//! delivered after it has returned. So `Rc<RefCell<…>>` is all that protocols need to share state, and a borrow may
//! be held across a wait. Functions of this crate never call back into user code, but for a [`Deferred`]'s own
//! callbacks: `wait` and `cancel` run them, and so does attaching one to a Deferred that is ready.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

pub mod config;
mod deferred;
mod error;
mod export;
pub mod framing;
#[cfg(all(target_arch = "wasm32", feature = "allocator"))]
#[doc(hidden)]
pub mod heap;
#[doc(hidden)]
pub mod host;
pub mod log;
#[doc(hidden)]
pub mod no_std;
mod pending;
#[doc(hidden)]
pub mod program;
mod protocol;
#[doc(hidden)]
pub mod server;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod single;
mod table;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod time;
mod transport;
mod web;

pub use config::Config;
pub use deferred::Deferred;
pub use error::{Error, FetchError, WaitError};
pub use program::Program;
pub use protocol::{Factory, Protocol, StatefulFactory};
pub use time::{DelayedCall, after, call_later, now, sleep};
pub use transport::{Address, CloseReason, Transport};
pub use web::{Header, Request, Response, get_page, request};

use alloc::vec::Vec;

/// `length` bytes of randomness from the operating system, fit for keys.
///
/// # Panics
///
/// Traps above 65,536 bytes.
pub fn random_bytes(length: u32) -> Vec<u8> {
    host::random_bytes(length)
}
