//! What guests may import from us, one linker half for each capability. An import records or answers; it never calls the
//! guest, and only `wait` and `sleep` suspend it.

use std::future::poll_fn;
use std::task::Poll;

use wasmtime::component::{HasSelf, Linker, WasmList};
use wasmtime::{Result, StoreContextMut};

use super::bindings::wisted::reactor::{
    config, logging, pending, random, timers, types, web as wit_web,
};
use super::exchange::{Command, ConnectionNumber, Exchange, LimitHit, PendingNumber, Shared};
use super::guest_log;
use super::packed::InMemory;
use super::pending::Lookup;
use super::state::GuestState;
use crate::core::{CloseReason, TransportCommand};
use crate::limits::RANDOM_MAX_BYTES;
use crate::{clock, web};

/// The most pieces of one `write-many`.
const PIECES_MAX: usize = 4_096;

/// Adds all of them. WASI's are added beside them.
pub(super) fn add_to_linker(linker: &mut Linker<GuestState>) -> Result<()> {
    types::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    timers::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    pending::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    wit_web::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    logging::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    random::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    config::add_to_linker::<_, HasSelf<GuestState>>(linker, |state| state)?;
    add_transport(linker)
}

/// By hand, not generated: a generated `write` would copy the bytes into a `Vec` first, which costs a microsecond at 64 KiB.
fn add_transport(linker: &mut Linker<GuestState>) -> Result<()> {
    type Store<'a> = StoreContextMut<'a, GuestState>;
    let mut transport = linker.instance("wisted:reactor/transport@0.1.0")?;
    transport.func_wrap(
        "write",
        |store: Store, (connection, bytes): (ConnectionNumber, InMemory<u8>)| {
            let mut exchange = store.data().shared.lock();
            exchange.memory = bytes.memory;
            let bytes = bytes.list.as_le_slice(&store);
            Ok(exchange.record_write(connection, &[bytes])?)
        },
    )?;
    transport.func_wrap(
        "write-many",
        |mut store: Store, (connection, pieces): (ConnectionNumber, InMemory<WasmList<u8>>)| {
            let InMemory {
                list: pieces,
                memory,
            } = pieces;
            if pieces.len() > PIECES_MAX {
                let message = format!(
                    "{} pieces in one write-many, above {PIECES_MAX}",
                    pieces.len()
                );
                return Err(LimitHit(message).into());
            }
            let lists = pieces.iter(&mut store)?.collect::<Result<Vec<_>>>()?;
            let pieces: Vec<&[u8]> = lists.iter().map(|list| list.as_le_slice(&store)).collect();
            let mut exchange = store.data().shared.lock();
            exchange.memory = memory;
            Ok(exchange.record_write(connection, &pieces)?)
        },
    )?;
    for (name, command) in [
        ("lose-connection", TransportCommand::LoseConnection),
        ("abort-connection", TransportCommand::AbortConnection),
        ("shutdown-write", TransportCommand::ShutdownWrite),
        ("pause-reading", TransportCommand::PauseReading),
        ("resume-reading", TransportCommand::ResumeReading),
    ] {
        transport.func_wrap(
            name,
            move |store: Store, (connection,): (ConnectionNumber,)| {
                let mut exchange = store.data().shared.lock();
                if exchange.connection(connection)?.is_some() {
                    exchange.record(Command::Transport(connection, command))?;
                }
                Ok(())
            },
        )?;
    }
    transport.func_wrap(
        "peer",
        |store: Store, (connection,): (ConnectionNumber,)| {
            let mut exchange = store.data().shared.lock();
            let address = exchange.connection(connection)?.map(|view| view.peer);
            Ok((wit_address(address),))
        },
    )?;
    transport.func_wrap(
        "host",
        |store: Store, (connection,): (ConnectionNumber,)| {
            let mut exchange = store.data().shared.lock();
            let address = exchange.connection(connection)?.and_then(|view| view.host);
            Ok((wit_address(address),))
        },
    )?;
    transport.func_wrap(
        "buffered-bytes",
        |store: Store, (connection,): (ConnectionNumber,)| {
            let bytes = store.data().shared.lock().buffered_bytes(connection)?;
            Ok((bytes as u64,))
        },
    )
}

fn wit_address(address: Option<std::net::SocketAddr>) -> types::Address {
    match address {
        Some(address) => types::Address {
            host: address.ip().to_string(),
            port: address.port(),
        },
        // Of a connection that is lost.
        None => types::Address {
            host: String::new(),
            port: 0,
        },
    }
}

/// A reason as guests see it.
pub(super) fn wit_reason(reason: &CloseReason) -> types::CloseReason {
    match reason {
        CloseReason::Done => types::CloseReason::Done,
        CloseReason::Lost(error) => types::CloseReason::Lost(error.clone()),
        CloseReason::Aborted => types::CloseReason::Aborted,
        CloseReason::PeerNotReading(limit) => types::CloseReason::PeerNotReading(limit.clone()),
        CloseReason::Stopping => types::CloseReason::Stopping,
        // Its instance is gone; kept total so that nothing here can panic.
        CloseReason::GuestFailed => types::CloseReason::Aborted,
    }
}

impl types::Host for GuestState {}

impl timers::Host for GuestState {
    fn call_later(&mut self, delay: u32) -> Result<PendingNumber> {
        Ok(self.shared.lock().call_later(delay)?)
    }

    async fn sleep(&mut self, duration: u32) -> Result<Result<(), types::WaitError>> {
        let timer = self.shared.lock().call_later(duration)?;
        let result = wait_for(&self.shared, timer).await;
        if result.is_err() {
            // The sleep is over before its time: its timer must not come to a handler that never asked for it.
            self.shared.lock().cancel(timer)?;
        }
        Ok(result)
    }

    fn now(&mut self) -> Result<u64> {
        let since_start = clock::now().saturating_duration_since(self.started);
        Ok(u64::try_from(since_start.as_millis()).unwrap_or(u64::MAX))
    }
}

impl pending::Host for GuestState {
    async fn wait(&mut self, id: PendingNumber) -> Result<Result<(), types::WaitError>> {
        Ok(wait_for(&self.shared, id).await)
    }

    fn cancel(&mut self, id: PendingNumber) -> Result<bool> {
        Ok(self.shared.lock().cancel(id)?)
    }
}

impl Exchange {
    fn call_later(&mut self, delay_ms: u32) -> Result<PendingNumber, LimitHit> {
        let number = self.pending.ask(self.limits.pending_max)?;
        self.record(Command::CallLater(number, delay_ms))?;
        Ok(number)
    }

    fn fetch(&mut self, request: web::Request) -> Result<PendingNumber, LimitHit> {
        let number = self.pending.ask(self.limits.pending_max)?;
        self.record(Command::Fetch(number, Box::new(request)))?;
        Ok(number)
    }

    fn cancel(&mut self, number: PendingNumber) -> Result<bool, LimitHit> {
        let was_pending = self.pending.cancel(number);
        if was_pending {
            self.record(Command::Cancel(number))?;
        }
        Ok(was_pending)
    }
}

/// Suspends the fiber until the outcome is there, the connection is lost, or the host stops. The driver polls the instance
/// when one of them has happened, so nothing needs to be woken.
async fn wait_for(shared: &Shared, number: PendingNumber) -> Result<(), types::WaitError> {
    let result = poll_fn(|_| {
        let mut exchange = shared.lock();
        if let Some(reason) = exchange.running_lost() {
            let reason = wit_reason(reason);
            return Poll::Ready(Err(types::WaitError::ConnectionLost(reason)));
        }
        if exchange.stopping {
            return Poll::Ready(Err(types::WaitError::Stopping));
        }
        match exchange.pending.lookup(number) {
            Lookup::Unknown => Poll::Ready(Err(types::WaitError::UnknownId)),
            Lookup::There => {
                exchange.pending.waited(number);
                Poll::Ready(Ok(()))
            }
            Lookup::Asked => {
                exchange.waiting = Some(number);
                Poll::Pending
            }
        }
    })
    .await;
    shared.lock().waiting = None;
    result
}

impl wit_web::Host for GuestState {
    fn get_page(&mut self, url: String) -> Result<PendingNumber> {
        Ok(self.shared.lock().fetch(web::Request::get(url))?)
    }

    fn send_request(&mut self, request: wit_web::Request) -> Result<PendingNumber> {
        let headers = request.headers.into_iter();
        let request = web::Request {
            method: request.method,
            url: request.url,
            headers: headers.map(|header| (header.name, header.value)).collect(),
            body: request.body,
            timeout_ms: request.timeout,
            traceparent: None,
        };
        Ok(self.shared.lock().fetch(request)?)
    }

    fn take_page(
        &mut self,
        id: PendingNumber,
    ) -> Result<Result<wit_web::Response, wit_web::FetchError>> {
        match self.shared.lock().pending.take_waited(id) {
            Some(page) => Ok(wit_page(page)),
            None => Err(LimitHit(format!("page {id} was not waited for in this handler")).into()),
        }
    }
}

/// A page as guests see it.
pub(super) fn wit_page(page: web::Page) -> Result<wit_web::Response, wit_web::FetchError> {
    use wit_web::FetchError as Wit;
    let error = match page {
        Ok(response) => {
            let headers = response.headers.into_iter();
            return Ok(wit_web::Response {
                status: response.status,
                headers: headers
                    .map(|(name, value)| wit_web::Header { name, value })
                    .collect(),
                body: response.body,
                url: response.url,
            });
        }
        Err(error) => error,
    };
    Err(match error {
        web::FetchError::Denied(text) => Wit::Denied(text),
        web::FetchError::InvalidRequest(text) => Wit::InvalidRequest(text),
        web::FetchError::Dns(text) => Wit::Dns(text),
        web::FetchError::Connect(text) => Wit::Connect(text),
        web::FetchError::Tls(text) => Wit::Tls(text),
        web::FetchError::Protocol(text) => Wit::Protocol(text),
        web::FetchError::Timeout => Wit::Timeout,
        web::FetchError::TooLarge(limit) => Wit::TooLarge(limit),
        web::FetchError::TooManyRedirects(limit) => Wit::TooManyRedirects(limit),
        web::FetchError::TooManyRequests(limit) => Wit::TooManyRequests(limit),
    })
}

impl logging::Host for GuestState {
    fn log(&mut self, level: logging::Level, message: String) -> Result<()> {
        let level = match level {
            logging::Level::Trace => guest_log::Level::Trace,
            logging::Level::Debug => guest_log::Level::Debug,
            logging::Level::Info => guest_log::Level::Info,
            logging::Level::Warn => guest_log::Level::Warn,
            logging::Level::Error => guest_log::Level::Error,
        };
        guest_log::write(&self.shared, &self.origin, level, &message);
        Ok(())
    }
}

impl random::Host for GuestState {
    fn get_random_bytes(&mut self, length: u32) -> Result<Vec<u8>> {
        if length > RANDOM_MAX_BYTES {
            let message = format!("{length} random bytes at once, above {RANDOM_MAX_BYTES}");
            return Err(LimitHit(message).into());
        }
        let mut bytes = vec![0; length as usize];
        getrandom::fill(&mut bytes).map_err(|error| LimitHit(format!("no randomness: {error}")))?;
        Ok(bytes)
    }
}

impl config::Host for GuestState {
    fn get(&mut self, key: String) -> Result<Option<String>> {
        let values = &self.origin.config;
        let found = values.binary_search_by(|(candidate, _)| candidate.as_str().cmp(&key));
        Ok(found.ok().map(|index| values[index].1.clone()))
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>> {
        Ok(self.origin.config.clone())
    }
}
