//! The turn of one reactor thread: poll, take events, run what is ready within budgets. It puts the other rooms in order and
//! is the only one that knows them all; their rules are theirs.

mod accept;
mod accounts;
mod admission;
mod allowance;
mod calls;
mod census;
mod connections;
mod control;
mod crew;
mod events;
mod failures;
mod heritage;
mod instances;
mod linger;
mod pending;
mod recycle;
mod report;
mod rest;
mod roster;
mod seats;
mod share;
mod shutdown;
mod traces;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use slab::Slab;

use accept::Listener;
use admission::AcceptPace;
use census::Census;
use connections::{Connection, ConnectionKey};
use crew::{Mail, OnDrain, Place};
use instances::{Instance, InstanceKey};
use linger::Lingering;
use rest::Round;
use roster::Part;
use seats::Seat;
use share::Held;
use shutdown::Phase;

pub use control::Control;
pub use crew::Crew;
pub use report::{
    Condition, ConnectionQuery, ConnectionReport, FAILURES_KEPT_MAX, Failure, Report,
    ServiceReport, Totals,
};
pub use roster::{ListenerId, Placed, Roster, TooMany};
pub use shutdown::Exit;

pub use crate::reactor::{Bound, Hangups};

use crate::clock;
use crate::core::{Backoff, Deadlines, RecordBudget};
use crate::guest::{GuestHost, Outbox, PendingNumber};
use crate::limits::{CPU_SLICE, SERVICE_RECORDS_PER_SECOND_MAX};
use crate::prefetch;
use crate::reactor::{Event, Mailbox, Reactor, Signals, Token};
use crate::service::Service;
use crate::telemetry::Traces;

/// What is to be looked at in this turn.
#[derive(Clone, Copy, Debug)]
enum Ready {
    Listener(usize),
    Connection(ConnectionKey),
    /// Deliver queued events.
    Instance(InstanceKey),
    /// Go on with a suspended handler.
    Resume(InstanceKey),
    Lingering(Token),
    /// Mail that was left over.
    Mail,
}

/// What happens at a deadline.
#[derive(Clone, Copy, Debug)]
enum Due {
    /// A guest's timer.
    Timer(InstanceKey, PendingNumber),
    /// Unsent bytes may have made no progress for too long.
    Stall(ConnectionKey),
    /// A handler has been suspended for too long.
    SuspendedTooLong(InstanceKey),
    /// An instance without a connection has had its time.
    Farewell(InstanceKey),
    /// Descriptors may be free again.
    AcceptAgain,
    /// A service's instance is to be started again.
    Restart(usize),
    LingerOver(Token, u64),
    /// A connection may read on, or send on.
    ReadOn(ConnectionKey),
    SendOn(ConnectionKey),
    /// A connection may have been idle for too long, or have lasted for as long as it may.
    LookWhetherIdle(ConnectionKey),
    LifetimeOver(ConnectionKey),
    /// A service may accept on.
    AcceptOn(usize),
    /// A service that had used up its share of the CPU may go on.
    ShareAgain(usize),
    /// Connections have had their time to finish.
    DrainOver,
    /// What is still there is given up.
    GiveUp,
}

/// A service as it runs: with several shared instances, one of these for each.
#[derive(Debug)]
struct Served {
    service: Arc<Service>,
    seat: Seat,
    /// Its connections, at all drivers.
    census: Arc<Census>,
    /// The driver that serves the next peer; with shared instances, the seat among them.
    next_home: usize,
    /// With isolation `service`: the instance, and whether it is ready for connections.
    instance: Option<InstanceKey>,
    up: bool,
    /// What takes the instance's place once it is ready.
    successor: Option<InstanceKey>,
    backoff: Backoff,
    /// It takes no new connections any more, and ends when the last one has gone.
    closed: bool,
    /// The seat whose instance leaves its state to the first one here.
    inherits: Option<usize>,
    /// Who waits for its instance's first start.
    started: Option<Sender<Result<(), String>>>,
    totals: Totals,
    accept_pace: AcceptPace,
    held: Held,
    /// What may still be logged about it in this second.
    records: RecordBudget,
    /// Peers may wait that were not accepted because of a limit, which is logged once for each such time.
    accept_held: bool,
}

impl Served {
    fn new(part: Part, now: Instant) -> Self {
        let limits = &part.service.limits;
        Self {
            accept_pace: AcceptPace::new(limits, now),
            held: Held::new(limits, now),
            service: part.service,
            seat: part.seat,
            census: part.census,
            next_home: 0,
            instance: None,
            up: false,
            successor: None,
            backoff: Backoff::new(RESTART_PAUSE.0, RESTART_PAUSE.1),
            closed: false,
            inherits: part.inherits,
            started: part.started,
            totals: Totals::new(),
            records: RecordBudget::new(SERVICE_RECORDS_PER_SECOND_MAX),
            accept_held: false,
        }
    }

    /// From here on it is described so.
    fn set_service(&mut self, service: Arc<Service>, now: Instant) {
        self.accept_pace.set_limits(&service.limits, now);
        self.held.set_limits(&service.limits, now);
        self.service = service;
    }

    /// The first start of its instance has worked, or why not.
    fn tell_start(&mut self, started: Result<(), String>) {
        if let Some(waiting) = self.started.take() {
            // Whoever waited may have given up.
            let _ = waiting.send(started);
        }
    }
}

/// Drives one reactor.
#[derive(Debug)]
struct Driver {
    place: Place,
    reactor: Reactor,
    host: Arc<GuestHost>,
    mailbox: Mailbox<Mail>,
    mail: Receiver<Mail>,
    /// The first driver's.
    signals: Option<Signals>,
    services: Vec<Served>,
    listeners: Slab<Listener>,
    /// By their token.
    connections: Vec<Option<Box<Connection>>>,
    connections_open: usize,
    lingering: Vec<Lingering>,
    instances: Slab<Instance>,
    deadlines: Deadlines<Due>,
    /// To be done in this turn.
    ready: VecDeque<Ready>,
    /// To be done in the next turn: their budget is spent.
    carried: Vec<Ready>,
    /// Instances that have used up a slice of CPU.
    preempted: VecDeque<InstanceKey>,
    /// How far it is with looking which instances rest.
    round: Round,
    /// The time at the beginning of this turn.
    now: Instant,
    /// Read buffers that are free.
    buffers: Vec<Vec<u8>>,
    /// Lent to instances in turn.
    outbox: Option<Box<Outbox>>,
    last_id: u64,
    /// How many services have used up their share of the CPU.
    services_held: usize,
    /// Accepting is paused because descriptors are used up.
    exhausted: bool,
    /// The log has said so, and peers still wait.
    exhaustion_logged: bool,
    phase: Phase,
    drain_max: Duration,
    on_drain: Option<OnDrain>,
    exit: Option<Exit>,
    /// Takes what has ended, if traces are made.
    traces: Option<Traces>,
}

/// The first and the longest pause before a service's instance is started again.
const RESTART_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

impl Driver {
    fn new(host: Arc<GuestHost>, drain_max: Duration, index: usize) -> io::Result<Self> {
        let reactor = Reactor::new()?;
        let (mailbox, mail) = reactor.mailbox()?;
        let signals = match index {
            0 => Some(reactor.signals()?),
            _ => None,
        };
        Ok(Self {
            place: Place {
                index,
                mailboxes: vec![mailbox.clone()],
            },
            reactor,
            host,
            mailbox,
            mail,
            signals,
            services: Vec::new(),
            listeners: Slab::new(),
            connections: Vec::new(),
            connections_open: 0,
            lingering: Vec::new(),
            instances: Slab::new(),
            deadlines: Deadlines::default(),
            ready: VecDeque::new(),
            carried: Vec::new(),
            preempted: VecDeque::new(),
            round: Round::default(),
            now: clock::now(),
            buffers: Vec::new(),
            outbox: None,
            last_id: 0,
            services_held: 0,
            exhausted: false,
            exhaustion_logged: false,
            phase: Phase::Serving,
            drain_max,
            on_drain: None,
            exit: None,
            traces: None,
        })
    }

    fn mailbox(&self) -> Mailbox<Mail> {
        self.mailbox.clone()
    }

    /// Makes the others known.
    fn join(&mut self, mailboxes: Vec<Mailbox<Mail>>) {
        self.place.mailboxes = mailboxes;
    }

    fn index(&self) -> usize {
        self.place.index
    }

    fn run(mut self) -> io::Result<Exit> {
        let mut events = Vec::new();
        loop {
            self.host.turn_begins(self.place.index);
            self.now = clock::now();
            for event in events.drain(..) {
                self.take_event(event);
            }
            self.take_due();
            self.look_who_rests();
            self.run_ready();
            self.check_shutdown();
            self.host.turn_ends(self.place.index);
            if let Some(exit) = self.exit.take() {
                return Ok(exit);
            }
            self.ready.extend(self.carried.drain(..));
            self.reactor.poll(self.time_to_wait(), &mut events)?;
        }
    }

    fn time_to_wait(&self) -> Option<Duration> {
        if !self.ready.is_empty() || !self.preempted.is_empty() {
            return Some(Duration::ZERO);
        }
        let rest = self.rest_can_wait();
        let Some(next) = self.deadlines.next() else {
            return rest;
        };
        let wait = next.saturating_duration_since(clock::now());
        Some(rest.map_or(wait, |rest| rest.min(wait)))
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Acceptable(token) => {
                let found = self.listeners.iter().find(|(_, one)| one.token == token);
                self.ready
                    .extend(found.map(|(index, _)| Ready::Listener(index)));
            }
            Event::Ready {
                token,
                readable,
                writable,
                read_closed,
                hung_up,
            } => {
                self.connection_is_ready(token, readable, writable);
                self.connection_is_closing(token, read_closed, hung_up);
            }
            Event::Mail => self.take_mail(),
            Event::Signal => self.take_signals(),
        }
    }

    fn run_ready(&mut self) {
        while let Some(ready) = self.ready.pop_front() {
            let Some(ready) = self.unless_held(ready) else {
                continue;
            };
            self.prefetch_next();
            match ready {
                Ready::Listener(index) => self.accept(index),
                Ready::Connection(key) => self.serve_connection(key),
                Ready::Instance(key) => self.deliver_events(key),
                Ready::Resume(key) => self.resume(key),
                Ready::Lingering(token) => self.serve_lingering(token),
                Ready::Mail => self.take_mail(),
            }
        }
        self.run_preempted();
    }

    /// Has the processor fetch what is touched first of the next connections in the queue, each step by way of the one before it.
    fn prefetch_next(&self) {
        const CONNECTION_BYTES: usize = 256;
        const INSTANCE_BYTES: usize = 512;
        if !self.is_cold() {
            return;
        }
        let connection_at = |place: usize| match self.ready.get(place) {
            Some(Ready::Connection(key)) => self.connections.get(key.token.index())?.as_deref(),
            _ => None,
        };
        if let Some(connection) = connection_at(1) {
            prefetch::value(connection, CONNECTION_BYTES);
        }
        if let Some(connection) = connection_at(0)
            && let Some(instance) = self.instance_at(connection.instance)
        {
            prefetch::value(instance, INSTANCE_BYTES);
        }
    }

    /// Whether what a connection was touching has left the processor's own caches when it is served again: a message touches some
    /// 8 KiB of its data and the kernel's, and a core has 1 or 2 MiB.
    fn is_cold(&self) -> bool {
        const COLD_MIN: usize = 200;
        self.connections_open >= COLD_MIN
    }

    /// Lets guests go on that had used up a slice, one after another, for as long as the others have had of this turn: together
    /// they get half of the time when others keep the reactor busy, and no more.
    fn run_preempted(&mut self) {
        if self.preempted.is_empty() {
            return;
        }
        let began = clock::now();
        let others_took = (began - self.now).min(CPU_SLICE);
        while let Some(key) = self.preempted.pop_front() {
            if self.unless_held(Ready::Resume(key)).is_none() {
                continue;
            }
            self.resume(key);
            if clock::now() - began >= others_took {
                return;
            }
            // That it has used up another slice is told by mail.
            if self.preempted.is_empty() {
                self.take_mail();
            }
        }
    }

    fn take_due(&mut self) {
        while let Some(due) = self.deadlines.pop_due(self.now) {
            match due {
                Due::Timer(key, number) => self.timer_is_due(key, number),
                Due::Stall(key) => self.check_stall(key),
                Due::SuspendedTooLong(key) => self.suspended_too_long(key),
                Due::Farewell(key) => self.farewell_is_over(key),
                Due::AcceptAgain => self.accept_again(),
                Due::Restart(service) => self.start_service(service),
                Due::ReadOn(key) => self.read_on(key),
                Due::SendOn(key) => self.send_on(key),
                Due::LookWhetherIdle(key) => self.look_whether_idle(key),
                Due::LifetimeOver(key) => self.lifetime_is_over(key),
                Due::AcceptOn(service) => self.accept_on(service),
                Due::ShareAgain(service) => self.share_again(service),
                Due::LingerOver(token, id) => self.linger_is_over(token, id),
                Due::DrainOver => self.drain_is_over(),
                Due::GiveUp => self.exit = Some(Exit::Drained),
            }
        }
    }

    /// A number for a connection or an instance, never given before, by no driver.
    fn next_id(&mut self) -> u64 {
        let number = self.last_id * self.place.mailboxes.len() as u64 + self.place.index as u64;
        self.last_id += 1;
        number + 1
    }

    /// Which of so many drivers has given this number.
    fn home_of(id: u64, drivers: usize) -> Option<usize> {
        let home = id.checked_sub(1)? % drivers as u64;
        usize::try_from(home).ok()
    }
}
