//! One running instance: a future that takes one call after another, each on a fiber of its own. Knows what a trap is;
//! knows neither sockets nor the order of events.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use wasmtime::component::Instance as WasmInstance;
use wasmtime::{Error, Result, Store};

use super::bindings::exports::wisted::reactor as handlers;
use super::code::GuestCode;
use super::exchange::{
    Call, ConnectionNumber, CpuMeter, LimitHit, Outbox, PendingNumber, Returned, Shared,
};
use super::fault::{Fault, FaultKind};
use super::host::GuestHost;
use super::imports::{wit_page, wit_reason};
use super::pending::Outcome;
use super::state::{self, GuestState, Origin};
use crate::clock;
use crate::core::CloseReason;
use crate::limits::Limits;

/// An instance. It is made when its first call runs.
pub struct Instance {
    future: Pin<Box<dyn Future<Output = Fault> + Send>>,
    shared: Shared,
    waker: Waker,
    running: Option<&'static str>,
    suspended: bool,
    /// It serves one connection only, which is then what each of its handlers is about.
    sole_connection: bool,
}

/// What came of running an instance.
#[derive(Debug)]
pub enum Step {
    /// The handler has returned; the instance is free for the next call.
    Returned(Returned),
    /// The handler waits. What it has recorded so far is to be applied.
    Suspended,
    /// The handler has used up its slice of CPU and will go on. It does not know: what it records is one batch all the same,
    /// with one batch's limits.
    Preempted,
    /// The instance is no more.
    Ended(Fault),
}

impl Instance {
    /// Prepares an instance. `waker` is called when the instance is to be [`run`](Self::run) again because of something
    /// that only wasmtime knows: a WASI timer, the end of a slice.
    pub fn new(
        host: &GuestHost,
        code: &Arc<GuestCode>,
        origin: &Arc<Origin>,
        limits: &Arc<Limits>,
        sole_connection: bool,
        waker: Waker,
    ) -> Self {
        let shared = Shared::new(Arc::clone(limits));
        let state = GuestState::new(shared.clone(), Arc::clone(origin), limits);
        let mut store = Store::new(&host.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.epoch_deadline_callback(state::slice_is_over);
        Self {
            future: Box::pin(live(Arc::clone(code), store, shared.clone())),
            shared,
            waker,
            running: None,
            suspended: false,
            sole_connection,
        }
    }

    /// The handler that is running or suspended, by its name in the WIT contract.
    pub fn running(&self) -> Option<&'static str> {
        self.running
    }

    /// Whether a handler is suspended: no call may be made until it has returned.
    pub fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the suspended handler would go on computing at once.
    pub fn is_preempted(&self) -> bool {
        self.shared.lock().preempted
    }

    /// Gives a new connection its number in this instance.
    pub fn connection_made(
        &mut self,
        log_id: u64,
        peer: SocketAddr,
        host: Option<SocketAddr>,
    ) -> ConnectionNumber {
        self.shared.lock().connection_made(log_id, peer, host)
    }

    /// What `buffered-bytes` answers from here on.
    pub fn set_buffered_bytes(&mut self, number: ConnectionNumber, bytes: usize) {
        if let Some(view) = self.shared.lock().connections.get_mut(&number) {
            view.buffered_bytes = bytes;
        }
    }

    /// The connection is gone. Returns whether the suspended handler waits for its sake, and must be run.
    pub fn connection_is_lost(&mut self, number: ConnectionNumber, reason: &CloseReason) -> bool {
        let mut exchange = self.shared.lock();
        if let Some(view) = exchange.connections.get_mut(&number) {
            view.lost = Some(reason.clone());
        }
        exchange.waiting.is_some() && exchange.waits_with == Some(number)
    }

    /// The host is stopping: waits end from here on. Returns whether the suspended handler must be run.
    pub fn stop_waiting(&mut self) -> bool {
        let mut exchange = self.shared.lock();
        exchange.stopping = true;
        exchange.waiting.is_some()
    }

    /// An outcome has come. Returns what to do about it.
    pub fn outcome_arrived(&mut self, number: PendingNumber, outcome: Outcome) -> Arrival {
        let mut exchange = self.shared.lock();
        let held_max_bytes = exchange.limits.pages_held_max_bytes;
        if !exchange.pending.arrived(number, outcome, held_max_bytes) {
            Arrival::Unwanted
        } else if exchange.waiting == Some(number) {
            Arrival::Run
        } else {
            Arrival::Deliver
        }
    }

    /// Takes an outcome that was to be delivered, unless the guest has waited for it or cancelled it meanwhile.
    pub fn take_outcome(&mut self, number: PendingNumber) -> Option<Outcome> {
        self.shared.lock().pending.take(number)
    }

    /// Whether timers or pages are pending.
    pub fn has_pending(&self) -> bool {
        !self.shared.lock().pending.is_empty()
    }

    /// Takes what the guest has recorded, leaving `into`, emptied, in its place. Call it after each [`run`](Self::run).
    pub fn take_outbox(&mut self, into: &mut Outbox) {
        self.shared.lock().take_outbox(into);
    }

    /// Calls a handler. Only while the instance is not busy.
    pub fn call(&mut self, call: Call) -> Step {
        debug_assert!(!self.is_busy(), "one handler at a time");
        self.running = Some(call.handler());
        {
            let mut exchange = self.shared.lock();
            let connection = call.connection().or_else(|| {
                let first = || exchange.connections.keys().next().copied();
                self.sole_connection.then(first).flatten()
            });
            exchange.running_for = connection;
            exchange.waits_with = match call {
                Call::ConnectionLost(..) | Call::Stop => None,
                _ => connection,
            };
            exchange.cpu = CpuMeter::default();
            exchange.inbox = Some(call);
        }
        self.poll()
    }

    /// Goes on with a suspended handler. Call it when the waker was called, or something of this interface said so.
    pub fn run(&mut self) -> Step {
        if !self.is_busy() {
            return Step::Returned(Returned::default());
        }
        {
            let mut exchange = self.shared.lock();
            exchange.preempted = false;
            exchange.cpu.mark = Some(clock::thread_cpu());
        }
        self.poll()
    }

    fn poll(&mut self) -> Step {
        let polled = self
            .future
            .as_mut()
            .poll(&mut Context::from_waker(&self.waker));
        let mut exchange = self.shared.lock();
        if let Poll::Ready(fault) = polled {
            return Step::Ended(fault);
        }
        if let Some(returned) = exchange.returned.take() {
            // An instance with one connection speaks for it to the end, in what it logs too.
            if !self.sole_connection {
                let number = exchange.running_for.take();
                if self.running == Some("connection-lost")
                    && let Some(number) = number
                {
                    exchange.connections.remove(&number);
                }
            }
            exchange.waits_with = None;
            exchange.pending.handler_returned();
            self.running = None;
            self.suspended = false;
            return Step::Returned(returned);
        }
        self.suspended = true;
        if let Some(mark) = exchange.cpu.mark.take() {
            exchange.cpu.used += clock::thread_cpu().saturating_sub(mark);
        }
        match exchange.check_cpu() {
            Ok(()) if exchange.preempted => Step::Preempted,
            Ok(()) => Step::Suspended,
            Err(limit) => Step::Ended(Fault::limit(limit.0)),
        }
    }
}

/// What to do about an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Nothing: it was cancelled.
    Unwanted,
    /// Run the instance: its handler waits for it.
    Run,
    /// Deliver it as an event.
    Deliver,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("running", &self.running)
            .field("suspended", &self.suspended)
            .finish_non_exhaustive()
    }
}

/// The life of an instance. It ends only by a fault, or by being dropped.
async fn live(code: Arc<GuestCode>, mut store: Store<GuestState>, shared: Shared) -> Fault {
    let error = match serve(&code, &mut store, &shared).await {
        Ok(refusal) => {
            return Fault {
                kind: FaultKind::Refused,
                message: refusal,
                backtrace: String::new(),
            };
        }
        Err(error) => error,
    };
    Fault::of_error(&error, store.data().limiter.refused.as_ref())
}

/// Takes calls for ever. Returns the error with which `start` refused.
async fn serve(code: &GuestCode, store: &mut Store<GuestState>, shared: &Shared) -> Result<String> {
    store.set_epoch_deadline(1);
    let instance = code.pre.instantiate_async(&mut *store).await?;
    let handlers = Handlers::load(code, store, &instance)?;
    loop {
        let call = poll_fn(|_| match shared.lock().inbox.take() {
            Some(call) => Poll::Ready(call),
            None => Poll::Pending,
        })
        .await;
        store.set_epoch_deadline(1);
        let starting = matches!(call, Call::Start);
        let returned = handlers.call(store, call).await?;
        match returned.error {
            Some(refusal) if starting => return Ok(refusal),
            _ => shared.lock().returned = Some(returned),
        }
    }
}

/// The handlers of one instance, those that it has.
struct Handlers {
    connection: Option<handlers::connection_handler::Guest>,
    half_close: Option<handlers::half_close_handler::Guest>,
    flow: Option<handlers::flow_handler::Guest>,
    lifecycle: Option<handlers::lifecycle_handler::Guest>,
    program: Option<handlers::program::Guest>,
    timer: Option<handlers::timer_handler::Guest>,
    page: Option<handlers::page_handler::Guest>,
}

impl Handlers {
    fn load(
        code: &GuestCode,
        store: &mut Store<GuestState>,
        instance: &WasmInstance,
    ) -> Result<Self> {
        macro_rules! load {
            ($interface:ident) => {
                match &code.indices.$interface {
                    Some(indices) => Some(indices.load(&mut *store, instance)?),
                    None => None,
                }
            };
        }
        Ok(Self {
            connection: load!(connection),
            half_close: load!(half_close),
            flow: load!(flow),
            lifecycle: load!(lifecycle),
            program: load!(program),
            timer: load!(timer),
            page: load!(page),
        })
    }

    async fn call(&self, store: &mut Store<GuestState>, call: Call) -> Result<Returned> {
        let mut returned = Returned::default();
        let missing = call.handler();
        match call {
            Call::DataReceived(number, buffer, length) => {
                let handler = present(&self.connection, missing)?;
                let bytes = &buffer[..length];
                handler.call_data_received(store, number, bytes).await?;
                returned.buffer = Some(buffer);
            }
            Call::ConnectionMade(number) => {
                let handler = present(&self.connection, missing)?;
                handler.call_connection_made(store, number).await?;
            }
            Call::ConnectionLost(number, reason) => {
                let handler = present(&self.connection, missing)?;
                let reason = wit_reason(&reason);
                handler.call_connection_lost(store, number, &reason).await?;
            }
            Call::ReadClosed(number) => {
                let handler = present(&self.half_close, missing)?;
                handler.call_read_closed(store, number).await?;
            }
            Call::Drained(number) => {
                let handler = present(&self.flow, missing)?;
                handler.call_drained(store, number).await?;
            }
            Call::Start => {
                let handler = present(&self.lifecycle, missing)?;
                let origin = Arc::clone(&store.data().origin);
                returned.error = handler.call_start(store, &origin.config).await?.err();
            }
            Call::Stop => {
                present(&self.lifecycle, missing)?.call_stop(store).await?;
            }
            Call::Execute => {
                let handler = present(&self.program, missing)?;
                returned.error = handler.call_execute(store).await?.err();
            }
            Call::TimerFired(number) => {
                let handler = present(&self.timer, missing)?;
                handler.call_timer_fired(store, number).await?;
            }
            Call::PageReceived(number, page) => {
                let handler = present(&self.page, missing)?;
                let page = wit_page(page);
                let page = page.as_ref();
                handler.call_page_received(store, number, page).await?;
            }
        }
        Ok(returned)
    }
}

/// The driver asks the guest's exports before it calls; this error is its mistake, and still only ends the instance.
fn present<'a, T>(handler: &'a Option<T>, name: &str) -> Result<&'a T> {
    handler
        .as_ref()
        .ok_or_else(|| Error::from(LimitHit(format!("the guest has no handler {name}"))))
}
