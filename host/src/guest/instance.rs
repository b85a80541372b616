//! One running instance: takes one call after another, plainly or each on a fiber of its own. Knows what a trap is; knows
//! neither sockets nor the order of events.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use wasmtime::component::Instance as WasmInstance;
use wasmtime::{Error, Result, Store};

use super::code::GuestCode;
use super::exchange::{Call, ConnectionNumber, CpuMeter, Outbox, PendingNumber, Returned, Shared};
use super::fault::{Fault, FaultKind};
use super::handlers::{fiber, missing, plain};
use super::host::{GuestHost, Stack, Stacks};
use super::packed::Packed;
use super::pending::Outcome;
use super::state::{self, GuestState, Origin};
use super::waiting::{self, Waiting};
use crate::clock;
use crate::core::{CloseReason, DirectWire};
use crate::limits::Limits;
use crate::prefetch;

/// What a message touches of a store's state, and of what wasmtime has before it, by their distance from the state: as valgrind's
/// lackey shows it. Where that is otherwise, prefetching does nothing worse than too much.
const STORE_TOUCHED: [(usize, usize); 2] = [(896, 192), (512, 512 + 64)];
/// The same of a body.
const BODY_TOUCHED_BYTES: usize = 192;
/// wasmtime's component instance, whose address nothing tells, is the next thing of some size that is allocated, and so mostly lies right
/// behind: so much of it is touched.
const BEHIND_BODY_BYTES: usize = 576;

/// An instance. It is made when its first call runs.
pub struct Instance {
    life: Life,
    shared: Shared,
    waker: Waker,
    running: Option<&'static str>,
    asks_for_host: bool,
    has_shortcut: bool,
    /// Where its store's state is.
    state_at: usize,
    /// Where the guest last wrote from; its exchange has it, too.
    written_at: usize,
    /// It serves one connection only, which is then what each of its handlers is about.
    sole_connection: bool,
    memory_bytes: Arc<AtomicUsize>,
    stacks: Arc<Stacks>,
    /// Its place among those that are called on fibers. Given back after the store, which keeps the stack itself.
    stack: Option<Stack>,
    /// What was in its memory, while it rests.
    packed: Option<Box<Packed>>,
}

/// How an instance is called.
enum Life {
    /// Without a fiber: it never waits, and has not been seen computing for longer than its slice.
    Plain(Box<Body>),
    /// On fibers.
    Fiber(Pin<Box<dyn Future<Output = (Fault, Box<Body>)> + Send>>),
    /// It has ended. What it was made of may be much: whoever has the instance says when, and where, that is dropped.
    Over { _remains: Option<Box<Body>> },
}

/// What an instance is made of.
struct Body {
    code: Arc<GuestCode>,
    store: Store<GuestState>,
    /// Made by the first call.
    instance: Option<WasmInstance>,
    /// For plain calls.
    handlers: plain::Handlers,
    /// Found by the first one with data that still wait at their socket.
    data_received: Option<waiting::Handler>,
}

/// What came of running an instance.
#[derive(Debug)]
pub enum Step {
    /// The handler has returned and recorded this; the instance is free for the next call.
    Returned(Returned, Box<Outbox>),
    /// The handler waits, and has recorded this so far.
    Suspended(Box<Outbox>),
    /// The handler has used up its slice of CPU and will go on. It does not know: what it records is one batch all the same,
    /// with one batch's limits.
    Preempted,
    /// The instance is no more.
    Ended(Fault),
}

impl Step {
    /// Whether the handler will not go on.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Returned(..) | Self::Ended(_))
    }
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
        let state = GuestState::new(shared.clone(), Arc::clone(origin), Arc::clone(code));
        let memory_bytes = state.limiter.used_bytes();
        let mut store = Store::new(&host.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.epoch_deadline_callback(state::slice_is_over);
        let state_at = std::ptr::from_ref(store.data()).addr();
        let body = Body {
            code: Arc::clone(code),
            store,
            instance: None,
            handlers: plain::Handlers::default(),
            data_received: None,
        };
        Self {
            life: Life::Plain(Box::new(body)),
            shared,
            waker,
            running: None,
            asks_for_host: code.asks_for_host(),
            has_shortcut: code.has_shortcut(),
            state_at,
            written_at: 0,
            sole_connection,
            memory_bytes,
            stacks: Arc::clone(&host.stacks),
            stack: None,
            packed: None,
        }
    }

    /// The handler that is running or suspended, by its name in the WIT contract.
    pub fn running(&self) -> Option<&'static str> {
        self.running
    }

    /// The linear memory that it has, all its memories together.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes.load(Ordering::Relaxed)
    }

    /// Packs its memory while it rests, a piece after the other until it was so many bytes. Only until the next call, which puts
    /// back what was packed. While a handler is suspended there is nothing to do.
    pub fn rest(&mut self, host: &GuestHost, bytes_max: usize) -> Resting {
        let mut bytes = 0;
        let memory = self.shared.lock().memory;
        if let Some(pagemap) = &host.pagemap
            && !self.is_busy()
            && !matches!(self.life, Life::Over { .. })
            && self.packed.is_none()
            // Where the system does not say, it stays as it is.
            && let Ok(packed) = Packed::begin(memory, pagemap)
        {
            self.packed = Some(Box::new(packed));
        }
        while let Some(packed) = &mut self.packed {
            if bytes >= bytes_max {
                return Resting {
                    bytes,
                    is_over: false,
                };
            }
            // SAFETY: the instance is there, since nothing ends it but a call, which unpacks first. Its code runs in calls only,
            // so none does now, and none was suspended when packing began.
            #[allow(unsafe_code)]
            match unsafe { packed.pack_on() } {
                Some(packed) => bytes += packed,
                None => {
                    self.packed.take_if(|packed| packed.is_empty());
                    break;
                }
            }
        }
        Resting {
            bytes,
            is_over: true,
        }
    }

    /// Whether its memory is packed, or part of it.
    pub fn is_packed(&self) -> bool {
        self.packed.is_some()
    }

    /// Puts back what is packed.
    fn unpack(&mut self) -> Result<(), Fault> {
        let Some(packed) = self.packed.take() else {
            return Ok(());
        };
        // SAFETY: as where it was packed; the call for whose sake it is unpacked has not begun.
        #[allow(unsafe_code)]
        let unpacked = unsafe { packed.unpack() };
        unpacked.map_err(|error| Fault::limit(format!("its packed memory is damaged: {error}")))
    }

    /// From here on these limits hold.
    pub fn set_limits(&mut self, limits: &Arc<Limits>) {
        self.shared.lock().limits = Arc::clone(limits);
    }

    /// Whether a handler is suspended: no call may be made until it has returned.
    pub fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the suspended handler would go on computing at once.
    pub fn is_preempted(&self) -> bool {
        self.shared.lock().preempted
    }

    /// Has the processor fetch what a call touches, as far as its place is known: with many instances it is in none of its caches.
    /// Call it before what the call has to wait for, such as a read.
    pub fn prefetch(&self) {
        // A guest's allocator tends to put the next message where the last one was, and its own data beside it.
        const MESSAGE_BYTES: usize = 256;
        let message_at = self.written_at.saturating_sub(MESSAGE_BYTES / 4);
        prefetch::bytes(message_at, MESSAGE_BYTES);
        for (before, bytes) in STORE_TOUCHED {
            prefetch::bytes(self.state_at.saturating_sub(before), bytes);
        }
        self.shared.prefetch();
        if let Life::Plain(body) = &self.life {
            prefetch::value::<Body>(body, BODY_TOUCHED_BYTES);
            let behind = std::ptr::from_ref::<Body>(body).addr() + size_of::<Body>();
            prefetch::bytes(behind, BEHIND_BODY_BYTES);
        }
    }

    /// Whether its guest can ask for the address that a peer has connected to.
    pub fn asks_for_host(&self) -> bool {
        self.asks_for_host
    }

    /// Gives a new connection its number in this instance. `host` is needed only where [it asks](Self::asks_for_host). `direct` is
    /// where its large writes go at once, while nothing is queued before them.
    pub fn connection_made(
        &mut self,
        log_id: u64,
        peer: SocketAddr,
        host: Option<SocketAddr>,
        direct: Weak<dyn DirectWire>,
    ) -> ConnectionNumber {
        let mut exchange = self.shared.lock();
        exchange.connection_made(log_id, peer, host, direct)
    }

    /// What `buffered-bytes` answers from here on.
    pub fn set_buffered_bytes(&mut self, number: ConnectionNumber, bytes: usize) {
        if let Some(view) = self.shared.lock().connections.get_mut(number) {
            view.buffered_bytes = bytes;
        }
    }

    /// The connection is gone. Returns whether the suspended handler waits for its sake, and must be run.
    pub fn connection_is_lost(&mut self, number: ConnectionNumber, reason: &CloseReason) -> bool {
        let mut exchange = self.shared.lock();
        if let Some(view) = exchange.connections.get_mut(number) {
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

    /// Calls a handler. Only while the instance is not busy. `outbox` is where it records, emptied: lent for the call, so that
    /// instances need none of their own and the memory stays warm.
    pub fn call(&mut self, mut call: Call, outbox: Box<Outbox>) -> Step {
        debug_assert!(!self.is_busy(), "one handler at a time");
        if let Err(fault) = self.unpack() {
            return Step::Ended(fault);
        }
        self.running = Some(call.handler());
        let plainly = self.prepare_life();
        {
            let mut exchange = self.shared.lock();
            let connection = call.connection().or_else(|| {
                let first = || exchange.connections.iter().next().map(|(number, _)| number);
                self.sole_connection.then(first).flatten()
            });
            exchange.running_for = connection;
            exchange.waits_with = match call {
                Call::ConnectionLost(..) | Call::Stop => None,
                _ => connection,
            };
            exchange.cpu = CpuMeter::default();
            exchange.plainly = plainly;
            exchange.lend_outbox(outbox);
            if plainly && self.has_shortcut {
                call = self.shared.through_window(&mut exchange, call);
            }
        }
        match &mut self.life {
            Life::Plain(body) => match body.call(call) {
                Ok(returned) => self.handler_has_returned(returned),
                Err(fault) => {
                    if let Life::Plain(body) = self.end() {
                        self.life = Life::Over {
                            _remains: Some(body),
                        };
                    }
                    Step::Ended(fault)
                }
            },
            Life::Fiber(_) | Life::Over { .. } => {
                let mut exchange = self.shared.lock();
                match exchange.without_waiting(call) {
                    Ok(call) => exchange.inbox = Some(call),
                    Err(limit) => return Step::Ended(Fault::limit(limit.0)),
                }
                drop(exchange);
                self.poll()
            }
        }
    }

    /// Ends the way in which it was called so far.
    fn end(&mut self) -> Life {
        std::mem::replace(&mut self.life, Life::Over { _remains: None })
    }

    /// Decides whether the next call is a plain one.
    fn prepare_life(&mut self) -> bool {
        if let Life::Plain(body) = &self.life {
            if body.code.is_called_plainly() {
                return true;
            }
            self.stack = self.stacks.take();
            if self.stack.is_none() && !body.code.may_wait() {
                return true;
            }
            if let Life::Plain(body) = self.end() {
                self.life = Life::Fiber(Box::pin(live(body, self.shared.clone())));
            }
        }
        false
    }

    /// Goes on with a suspended handler. Call it when the waker was called, or something of this interface said so.
    pub fn run(&mut self) -> Step {
        if !self.is_busy() {
            return Step::Returned(Returned::Nothing, Box::default());
        }
        {
            let mut exchange = self.shared.lock();
            exchange.preempted = false;
            exchange.cpu.mark = Some(clock::thread_cpu());
        }
        self.poll()
    }

    fn poll(&mut self) -> Step {
        let Life::Fiber(future) = &mut self.life else {
            return Step::Ended(Fault::limit("the instance has ended".into()));
        };
        let polled = future.as_mut().poll(&mut Context::from_waker(&self.waker));
        if let Poll::Ready((fault, body)) = polled {
            self.life = Life::Over {
                _remains: Some(body),
            };
            return Step::Ended(fault);
        }
        let mut exchange = self.shared.lock();
        if let Some(returned) = exchange.returned.take() {
            drop(exchange);
            return self.handler_has_returned(returned);
        }
        if let Some(mark) = exchange.cpu.mark.take() {
            exchange.cpu.used += clock::thread_cpu().saturating_sub(mark);
        }
        match exchange.check_cpu() {
            Ok(()) if exchange.preempted => Step::Preempted,
            Ok(()) => Step::Suspended(exchange.take_outbox()),
            Err(limit) => Step::Ended(Fault::limit(limit.0)),
        }
    }

    fn handler_has_returned(&mut self, returned: Returned) -> Step {
        let handler = self.running.take();
        let mut exchange = self.shared.lock();
        // An instance with one connection speaks for it to the end, in what it logs too.
        if !self.sole_connection {
            let number = exchange.running_for.take();
            if handler == Some("connection-lost")
                && let Some(number) = number
            {
                exchange.connections.remove(number);
            }
        }
        exchange.waits_with = None;
        exchange.pending.handler_returned();
        self.written_at = exchange.written_at;
        Step::Returned(returned, exchange.take_outbox())
    }
}

/// How far an instance's memory is packed.
#[derive(Clone, Copy, Debug)]
pub struct Resting {
    /// How many bytes were looked at.
    pub bytes: usize,
    /// Nothing is left to do until the next call.
    pub is_over: bool,
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
            .finish_non_exhaustive()
    }
}

impl Body {
    /// Calls a handler without a fiber.
    fn call(&mut self, call: Call) -> Result<Returned, Fault> {
        let starting = matches!(call, Call::Start | Call::RestoreState(_));
        let returned = self.try_call(call).map_err(|error| self.fault(&error))?;
        match returned {
            Returned::Error(refusal) if starting => Err(refused(refusal)),
            returned => Ok(returned),
        }
    }

    fn try_call(&mut self, call: Call) -> Result<Returned> {
        self.store.set_epoch_deadline(1);
        let instance = match &self.instance {
            Some(instance) => instance,
            None => {
                let instance = self.code.pre.instantiate(&mut self.store)?;
                self.instance.insert(instance)
            }
        };
        match call {
            Call::DataWaiting(number, buffer, bytes) => {
                self.receive(number, bytes)?;
                Ok(Returned::Buffer(buffer))
            }
            call => {
                let indices = &self.code.plain;
                let place = plain::Place { indices, instance };
                self.handlers.call(place, &mut self.store, call)
            }
        }
    }

    /// Calls `data-received` with what waits at the connection's socket.
    fn receive(&mut self, number: ConnectionNumber, bytes: usize) -> Result<()> {
        let wire = self.store.data().shared.lock().wire(number);
        let wire = wire.ok_or_else(|| waiting::nothing_came(bytes))?;
        let handler = match (
            &self.data_received,
            &self.instance,
            &self.code.data_received,
        ) {
            (Some(handler), ..) => handler,
            (None, Some(instance), Some(index)) => {
                let handler = instance.get_typed_func(&mut self.store, index)?;
                self.data_received.insert(handler)
            }
            _ => return Err(missing("data-received")),
        };
        handler.call(&mut self.store, (number, Waiting { wire, bytes }))
    }

    fn fault(&self, error: &Error) -> Fault {
        Fault::of_error(error, self.store.data().limiter.refused.as_ref())
    }
}

/// The life of an instance on fibers. It ends only by a fault, or by being dropped.
async fn live(mut body: Box<Body>, shared: Shared) -> (Fault, Box<Body>) {
    let fault = match serve(&mut body, &shared).await {
        Ok(refusal) => refused(refusal),
        Err(error) => body.fault(&error),
    };
    (fault, body)
}

/// Takes calls for ever. Returns the error with which `start` refused.
async fn serve(body: &mut Body, shared: &Shared) -> Result<String> {
    let Body {
        code,
        store,
        instance,
        ..
    } = body;
    store.set_epoch_deadline(1);
    let instance = match instance {
        Some(instance) => *instance,
        None => *instance.insert(code.pre.instantiate_async(&mut *store).await?),
    };
    let place = fiber::Place {
        indices: &code.fiber,
        instance: &instance,
    };
    let mut handlers = fiber::Handlers::default();
    loop {
        let call = poll_fn(|_| {
            let mut exchange = shared.lock();
            match exchange.inbox.take() {
                Some(call) if code.has_shortcut() => {
                    Poll::Ready(shared.through_window(&mut exchange, call))
                }
                Some(call) => Poll::Ready(call),
                None => Poll::Pending,
            }
        })
        .await;
        store.set_epoch_deadline(1);
        let starting = matches!(call, Call::Start | Call::RestoreState(_));
        let returned = handlers.call(place, store, call).await?;
        match returned {
            Returned::Error(refusal) if starting => return Ok(refusal),
            returned => shared.lock().returned = Some(returned),
        }
    }
}

fn refused(message: String) -> Fault {
    Fault {
        kind: FaultKind::Refused,
        message,
        backtrace: String::new(),
    }
}
