//! The fake host of native builds: what a guest asks for, recorded as plain values for `testing` to look at. Each
//! thread has its own, as each test has its own thread.

use crate::log::Level;
use crate::{Address, FetchError, Request, Response, WaitError};
use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::default());
}

/// Everything that the fake host knows. It is looked at through [`with`] and never while user code runs.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) now_ms: u64,
    pub(crate) pending: BTreeMap<u32, Pending>,
    /// Pages that were waited for and are still to be taken.
    pub(crate) arrived: BTreeMap<u32, Result<Response, FetchError>>,
    pub(crate) pages: BTreeMap<String, Page>,
    pub(crate) requests: Vec<Request>,
    pub(crate) connections: BTreeMap<u32, Connection>,
    pub(crate) broken_waits: Option<WaitError>,
    pub(crate) config: Vec<(String, String)>,
    pub(crate) log: Vec<(Level, String)>,
    ids_given: u32,
    random_state: u64,
}

/// A timer, or a page when there is one.
pub(crate) struct Pending {
    pub(crate) due_ms: u64,
    pub(crate) page: Option<Result<Response, FetchError>>,
}

/// What a test has laid down for a URL.
pub(crate) struct Page {
    pub(crate) delay_ms: u64,
    pub(crate) result: Result<Response, FetchError>,
}

/// What was done to one connection.
#[derive(Default)]
pub(crate) struct Connection {
    pub(crate) written: Vec<u8>,
    pub(crate) losing: bool,
    pub(crate) aborted: bool,
    pub(crate) write_shut_down: bool,
    pub(crate) reading_paused: bool,
    /// `connection_lost` was delivered.
    pub(crate) gone: bool,
    /// Came from the peer while reading was paused.
    pub(crate) inbox: Vec<u8>,
}

impl World {
    pub(crate) fn new_id(&mut self) -> u32 {
        self.ids_given += 1;
        self.ids_given
    }

    /// The next outcome that is due by `until_ms`, taken out, and the clock put forward to it.
    pub(crate) fn next_due(&mut self, until_ms: u64) -> Option<(u32, Pending)> {
        let (_, id) = self
            .pending
            .iter()
            .map(|(id, pending)| (pending.due_ms, *id))
            .min()?;
        let pending = self.pending.remove(&id)?;
        if pending.due_ms > until_ms {
            self.pending.insert(id, pending);
            return None;
        }
        self.now_ms = self.now_ms.max(pending.due_ms);
        Some((id, pending))
    }

    fn open(&mut self, id: u32) -> Option<&mut Connection> {
        let connection = self
            .connections
            .get_mut(&id)
            .expect("a connection that this test made");
        (!connection.gone).then_some(connection)
    }
}

impl Connection {
    fn write(&mut self, data: &[u8]) {
        if !self.losing && !self.aborted && !self.write_shut_down {
            self.written.extend_from_slice(data);
        }
    }
}

/// Looks at this thread's fake host. `call` must not run user code.
pub(crate) fn with<R>(call: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with(|world| call(&mut world.borrow_mut()))
}

/// The imports of a guest, answered by the fake.
pub(crate) mod imports {
    use super::*;

    fn with_open(id: u32, call: impl FnOnce(&mut Connection)) {
        with(|world| world.open(id).map(call));
    }

    pub(crate) fn write(id: u32, data: &[u8]) {
        with_open(id, |connection| connection.write(data));
    }

    pub(crate) fn write_many(id: u32, pieces: &[&[u8]]) {
        with_open(id, |connection| {
            pieces.iter().for_each(|piece| connection.write(piece))
        });
    }

    pub(crate) fn lose_connection(id: u32) {
        with_open(id, |connection| connection.losing = true);
    }

    pub(crate) fn abort_connection(id: u32) {
        with_open(id, |connection| {
            connection.aborted = true;
            connection.written.clear();
        });
    }

    pub(crate) fn shutdown_write(id: u32) {
        with_open(id, |connection| connection.write_shut_down = true);
    }

    pub(crate) fn pause_reading(id: u32) {
        with_open(id, |connection| connection.reading_paused = true);
    }

    pub(crate) fn resume_reading(id: u32) {
        with_open(id, |connection| connection.reading_paused = false);
    }

    pub(crate) fn peer(id: u32) -> Address {
        // Every connection has its own port, so that tests can tell them apart.
        Address {
            host: "127.0.0.1".to_owned(),
            port: u16::try_from(40_000 + id % 20_000).unwrap_or(u16::MAX),
        }
    }

    pub(crate) fn host(_id: u32) -> Address {
        Address {
            host: "127.0.0.1".to_owned(),
            port: 8000,
        }
    }

    pub(crate) fn buffered_bytes(id: u32) -> u64 {
        with(|world| {
            world
                .open(id)
                .map_or(0, |connection| connection.written.len() as u64)
        })
    }

    pub(crate) fn call_later(delay_ms: u32) -> u32 {
        with(|world| {
            let id = world.new_id();
            world.pending.insert(
                id,
                Pending {
                    due_ms: world.now_ms + u64::from(delay_ms),
                    page: None,
                },
            );
            id
        })
    }

    pub(crate) fn sleep(duration_ms: u32) -> Result<(), WaitError> {
        with(|world| match &world.broken_waits {
            Some(error) => Err(error.clone()),
            None => {
                world.now_ms += u64::from(duration_ms);
                Ok(())
            }
        })
    }

    pub(crate) fn now() -> u64 {
        with(|world| world.now_ms)
    }

    pub(crate) fn wait(id: u32) -> Result<(), WaitError> {
        with(|world| {
            if let Some(error) = &world.broken_waits {
                return Err(error.clone());
            }
            let pending = world.pending.remove(&id).ok_or(WaitError::UnknownId)?;
            world.now_ms = world.now_ms.max(pending.due_ms);
            if let Some(page) = pending.page {
                world.arrived.insert(id, page);
            }
            Ok(())
        })
    }

    pub(crate) fn cancel(id: u32) -> bool {
        with(|world| world.pending.remove(&id).is_some())
    }

    pub(crate) fn get_page(url: &str) -> u32 {
        send_request(&Request::get(url))
    }

    pub(crate) fn send_request(request: &Request) -> u32 {
        with(|world| {
            let (delay_ms, result) = match world.pages.get(&request.url) {
                Some(page) => (page.delay_ms, page.result.clone()),
                None => (
                    0,
                    Err(FetchError::Connect(format!(
                        "no fake page for {}",
                        request.url
                    ))),
                ),
            };
            world.requests.push(request.clone());
            let id = world.new_id();
            world.pending.insert(
                id,
                Pending {
                    due_ms: world.now_ms + delay_ms,
                    page: Some(result),
                },
            );
            id
        })
    }

    pub(crate) fn take_page(id: u32) -> Result<Response, FetchError> {
        with(|world| world.arrived.remove(&id)).expect("a page that was waited for")
    }

    pub(crate) fn log(level: Level, message: &str) {
        // A Deferred may be dropped, and log, while its thread ends and this is gone already.
        let _ = WORLD.try_with(|world| world.borrow_mut().log.push((level, message.to_owned())));
    }

    pub(crate) fn random_bytes(length: u32) -> Vec<u8> {
        assert!(
            length <= 65_536,
            "the host gives at most 65,536 random bytes at once"
        );
        // The same bytes in every run: what a test wants.
        let next = |state: &mut u64| {
            *state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (*state >> 56) as u8
        };
        with(|world| (0..length).map(|_| next(&mut world.random_state)).collect())
    }

    pub(crate) fn config_get(key: &str) -> Option<String> {
        with(|world| {
            world
                .config
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value.clone())
        })
    }

    pub(crate) fn config_all() -> Vec<(String, String)> {
        with(|world| world.config.clone())
    }
}
