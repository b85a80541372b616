//! Fakes for unit tests of guests: native, without wasm, sockets or sleeping. Knows the fake host and no real one.
//!
//! - [`Server`] runs a whole factory: connect fake peers, send bytes (also one at a time), look at what comes back.
//! - [`StringTransport`] is a transport alone, to call a protocol's handlers by hand.
//! - [`Clock`] is the time: it stands still until it is put forward, and waiting and sleeping put it forward at once.
//! - [`Pages`] is the web.
//!
//! ```
//! use wisted_guest::{Protocol, Transport, testing::Server};
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
//! let server = Server::<Echo>::start(&[]).unwrap();
//! let peer = server.connect();
//! peer.send_bytewise(b"hello");
//! assert_eq!(peer.take_received(), b"hello");
//! ```
//!
//! All of it belongs to the running thread, which is the test's own. A new [`Clock`], [`Pages`] or [`Server`] begins
//! afresh, so make the clock and the pages before the server starts.

mod server;

pub use server::{Peer, Server};

use crate::host::fake::{self, Connection, Page};
use crate::log::Level;
use crate::pending::{self, Outcome};
use crate::{FetchError, Request, Response, Transport, WaitError};
use std::time::Duration;

/// Sets what `config::get` and `config::all` answer. [`Server::start`] does it too.
pub fn configure(values: &[(&str, &str)]) {
    let mut values: Vec<_> = values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    values.sort();
    fake::with(|world| world.config = values);
}

/// The records logged since the last call.
pub fn take_log() -> Vec<(Level, String)> {
    fake::with(|world| std::mem::take(&mut world.log))
}

/// A connection that keeps what is written to it: Twisted's `StringTransport`.
#[derive(Debug)]
pub struct StringTransport {
    transport: Transport,
}

impl StringTransport {
    /// A new connection.
    #[expect(
        clippy::new_without_default,
        reason = "each is another connection: there is no default one"
    )]
    pub fn new() -> StringTransport {
        let id = fake::with(|world| {
            let id = world.new_id();
            world.connections.insert(id, Connection::default());
            id
        });
        StringTransport {
            transport: Transport::new(id),
        }
    }

    /// What a protocol's handlers are given.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// What was written and not taken yet.
    pub fn written(&self) -> Vec<u8> {
        self.look(|connection| connection.written.clone())
    }

    /// What was written and not taken yet; from now on it is taken, and no longer among `buffered_bytes`.
    pub fn take_written(&self) -> Vec<u8> {
        self.look(|connection| std::mem::take(&mut connection.written))
    }

    /// Whether `lose_connection` was called.
    pub fn is_losing(&self) -> bool {
        self.look(|connection| connection.losing)
    }

    /// Whether `abort_connection` was called.
    pub fn is_aborted(&self) -> bool {
        self.look(|connection| connection.aborted)
    }

    /// Whether `shutdown_write` was called.
    pub fn is_write_shut_down(&self) -> bool {
        self.look(|connection| connection.write_shut_down)
    }

    /// Whether reading is paused.
    pub fn is_reading_paused(&self) -> bool {
        self.look(|connection| connection.reading_paused)
    }

    fn look<R>(&self, call: impl FnOnce(&mut Connection) -> R) -> R {
        fake::with(|world| {
            call(
                world
                    .connections
                    .get_mut(&self.transport.id())
                    .expect("made in `new`"),
            )
        })
    }
}

/// The time: Twisted's `task.Clock`.
#[derive(Debug)]
pub struct Clock {
    _private: (),
}

impl Clock {
    /// Time 0 with nothing pending.
    #[expect(
        clippy::new_without_default,
        reason = "it changes the thread's fake host"
    )]
    pub fn new() -> Clock {
        forget_pending();
        fake::with(|world| {
            world.now_ms = 0;
            world.broken_waits = None;
        });
        Clock { _private: () }
    }

    /// Puts the clock forward and delivers what becomes due, timers and pages, in order of time.
    pub fn advance(&self, duration: Duration) {
        let until_ms = fake::with(|world| world.now_ms) + duration.as_millis() as u64;
        deliver_due(until_ms);
        fake::with(|world| world.now_ms = world.now_ms.max(until_ms));
    }

    /// From now on every wait and sleep ends at once with `error`, as when the handler's connection is lost.
    pub fn break_waits(&self, error: WaitError) {
        fake::with(|world| world.broken_waits = Some(error));
    }
}

/// The web: says what each URL gives. Anything else cannot be connected to.
#[derive(Debug)]
pub struct Pages {
    _private: (),
}

impl Pages {
    /// An empty web.
    #[expect(
        clippy::new_without_default,
        reason = "it changes the thread's fake host"
    )]
    pub fn new() -> Pages {
        fake::with(|world| {
            world.pages.clear();
            world.requests.clear();
        });
        Pages { _private: () }
    }

    /// `url` gives this body with status 200, at once: after the running handler.
    pub fn respond(&self, url: &str, body: impl Into<Vec<u8>>) {
        self.respond_after(Duration::ZERO, url, body);
    }

    /// `url` gives this body with status 200 after some time.
    pub fn respond_after(&self, delay: Duration, url: &str, body: impl Into<Vec<u8>>) {
        let response = Response {
            status: 200,
            headers: Vec::new(),
            body: body.into(),
            url: url.to_owned(),
        };
        self.respond_with(delay, url, Ok(response));
    }

    /// `url` gives this error, at once: after the running handler.
    pub fn fail(&self, url: &str, error: FetchError) {
        self.respond_with(Duration::ZERO, url, Err(error));
    }

    /// `url` gives any result after some time.
    pub fn respond_with(&self, delay: Duration, url: &str, result: Result<Response, FetchError>) {
        let page = Page {
            delay_ms: delay.as_millis() as u64,
            result,
        };
        fake::with(|world| world.pages.insert(url.to_owned(), page));
    }

    /// The requests that were made.
    pub fn requests(&self) -> Vec<Request> {
        fake::with(|world| world.requests.clone())
    }
}

/// Delivers what is due by `until_ms`, in order of time; what that gives rise to included.
fn deliver_due(until_ms: u64) {
    for _ in 0..OUTCOMES_MAX {
        let Some((id, due)) = fake::with(|world| world.next_due(until_ms)) else {
            return;
        };
        pending::deliver(id, due.page.map_or(Outcome::Fired, Outcome::Page));
    }
    panic!(
        "{OUTCOMES_MAX} outcomes in one go: does a callback ask for itself again without a delay?"
    );
}

/// Forgets timers and pages under way, as at the beginning of an instance.
fn forget_pending() {
    fake::with(|world| world.pending.clear());
    pending::clear();
}

/// More than this many outcomes in one step of a test is taken for an endless loop.
const OUTCOMES_MAX: u32 = 100_000;
