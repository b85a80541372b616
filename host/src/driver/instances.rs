//! One instance's events, calls, suspensions and ending. What a call does inside is the guest room's; here is when it is made
//! and what follows.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::connections::ConnectionKey;
use super::crew::Mail;
use super::events::Event;
use super::heritage::Heir;
use super::recycle::Work;
use super::report::Condition;
use super::rest::Rest;
use super::shutdown::Phase;
use super::{Driver, Due, Ready};
use crate::core::{CloseReason, DeadlineKey, Ledger};
use crate::guest::{self, ByConnection, ConnectionNumber, Exports, PendingNumber};
use crate::reactor::{Mailbox, Token};
use crate::service::Isolation;
use crate::telemetry::SpanKey;
use crate::web;

/// Names an instance: its place in the table, and a number that is never given twice, since places are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InstanceKey {
    pub place: usize,
    id: u64,
}

/// What an instance is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// One connection.
    Connection,
    /// All connections of its service.
    Service,
    /// `execute`.
    Program,
    /// None: it is started to see whether that works.
    Trial,
}

/// What each message touches comes first, in as few cache lines as it needs: with many instances they are all cold.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Instance {
    id: u64,
    pub service: usize,
    pub role: Role,
    pub leaving: Leaving,
    pub queued: bool,
    /// The running handler has waited for something.
    pub waits: bool,
    pub exports: Exports,
    pub guest: guest::Instance,
    pub events: VecDeque<Event>,
    /// Connections with data that wait for the running handler to return.
    pub blocked: Vec<ConnectionKey>,
    /// Set while a handler is suspended.
    pub suspended: Option<DeadlineKey>,
    /// The connection that the running handler is about.
    pub about: Option<ConnectionKey>,
    /// How long the running handler has kept it busy so far.
    pub call_busy: Duration,
    /// What it has used.
    pub ledger: Ledger,
    /// What it has served, for [`recycle`](super::recycle).
    pub work: Work,
    pub connections: ByConnection<ConnectionKey>,
    pub timers: BTreeMap<PendingNumber, DeadlineKey>,
    /// Dropping one cancels it.
    pub fetches: BTreeMap<PendingNumber, web::Fetch>,
    pub waker: Arc<InstanceWaker>,
    /// Who waits for the state that it saves.
    pub heir: Option<Heir>,
    /// Whether it rests, as of the last look.
    pub rest: Rest,
    /// The span of the connection that it was made for, when that has ended.
    pub span: Option<SpanKey>,
}

/// How far an instance is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    No,
    /// It takes no new connections, and leaves when its last one has gone.
    WhenAlone,
    /// `stop` is called when all events are delivered.
    WhenIdle,
    /// `stop` has been called.
    Stopped,
}

/// Called by wasmtime when it can go on with an instance.
#[derive(Debug)]
pub(super) struct InstanceWaker {
    key: InstanceKey,
    mailbox: Mailbox<Mail>,
    /// One message at a time is enough.
    pub sent: AtomicBool,
}

impl Wake for InstanceWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.sent.swap(true, Ordering::AcqRel) {
            self.mailbox.send(Mail::Woken(self.key));
        }
    }
}

impl Instance {
    fn takes_data(&self) -> bool {
        !self.guest.is_busy() && self.events.is_empty() && self.stays()
    }

    /// Whether it is not on its way out, but for its connections.
    fn stays(&self) -> bool {
        matches!(self.leaving, Leaving::No | Leaving::WhenAlone)
    }

    pub fn key(&self) -> InstanceKey {
        self.waker.key
    }

    /// Another one has taken its place: it leaves when its connections have gone.
    pub fn retire(&mut self) {
        self.leaving = Leaving::WhenAlone;
        self.leave_if_alone();
    }

    pub fn is_retired(&self) -> bool {
        self.role == Role::Service && self.leaving != Leaving::No
    }

    fn leave_if_alone(&mut self) {
        if self.leaving == Leaving::WhenAlone && self.connections.is_empty() {
            self.leaving = Leaving::WhenIdle;
        }
    }

    fn is_full(&self, events_queued_max: usize) -> bool {
        self.events.len() >= events_queued_max
    }
}

impl Driver {
    pub(super) fn instance(&mut self, key: InstanceKey) -> Option<&mut Instance> {
        let instance = self.instances.get_mut(key.place)?;
        (instance.id == key.id).then_some(instance)
    }

    pub(super) fn instance_at(&self, key: InstanceKey) -> Option<&Instance> {
        let instance = self.instances.get(key.place)?;
        (instance.id == key.id).then_some(instance)
    }

    /// What an instance exports: others of its service may run another build.
    pub(super) fn exports_of(&mut self, key: InstanceKey) -> Exports {
        let instance = self.instance(key);
        instance
            .map(|instance| instance.exports)
            .unwrap_or_default()
    }

    /// Starts, or starts again, the instance of a service that needs one.
    pub(super) fn start_service(&mut self, service: usize) {
        if self.phase != Phase::Serving || self.services[service].closed {
            return;
        }
        if !self.houses(service) || self.has_instance(service) {
            return;
        }
        let served = &self.services[service].service;
        let exports = served.code.exports();
        let shared = exports.connection && served.isolation == Isolation::Service;
        let role = match (shared, exports.program) {
            (true, _) => Role::Service,
            (false, true) => Role::Program,
            (false, false) => {
                self.services[service].up = true;
                return;
            }
        };
        let key = self.new_instance(service, role);
        self.services[service].instance = Some(key);
        if !shared {
            self.services[service].up = true;
            self.services[service].tell_start(Ok(()));
        }
        if role == Role::Service && !exports.lifecycle {
            self.has_started(key);
        }
        if exports.program {
            self.push_event(key, Event::Execute);
        }
    }

    pub(super) fn new_instance(&mut self, service: usize, role: Role) -> InstanceKey {
        let id = self.next_id();
        self.services[service].census.instance_is_made();
        let served = &self.services[service].service;
        let code = &served.code;
        let exports = code.exports();
        let entry = self.instances.vacant_entry();
        let key = InstanceKey {
            place: entry.key(),
            id,
        };
        let waker = Arc::new(InstanceWaker {
            key,
            mailbox: self.mailbox.clone(),
            sent: AtomicBool::new(false),
        });
        let guest = guest::Instance::new(
            &self.host,
            code,
            &served.origin,
            &served.limits,
            role == Role::Connection,
            Waker::from(Arc::clone(&waker)),
        );
        entry.insert(Instance {
            id,
            service,
            role,
            exports,
            guest,
            waker,
            events: VecDeque::new(),
            connections: ByConnection::default(),
            timers: BTreeMap::new(),
            fetches: BTreeMap::new(),
            blocked: Vec::new(),
            queued: false,
            suspended: None,
            waits: false,
            leaving: Leaving::No,
            work: Work::default(),
            rest: Rest::new(self.now),
            ledger: Ledger::default(),
            call_busy: Duration::ZERO,
            heir: None,
            about: None,
            span: None,
        });
        if exports.lifecycle {
            self.push_event(key, Event::Start);
        }
        key
    }

    /// The instance of a service is ready for connections.
    pub(super) fn service_is_up(&mut self, key: InstanceKey) {
        let Some(instance) = self.instance(key) else {
            return;
        };
        let service = instance.service;
        self.succeeds(service, key);
        self.set_condition(service, Condition::Up);
        self.services[service].tell_start(Ok(()));
    }

    /// Starts an instance of a service just to see whether that works.
    pub(super) fn start_trial(&mut self, service: usize) {
        if self.services[service].service.code.exports().lifecycle {
            self.new_instance(service, Role::Trial);
        } else {
            self.services[service].tell_start(Ok(()));
        }
    }

    /// The instance on trial has started, and has nothing more to do.
    pub(super) fn trial_is_over(&mut self, key: InstanceKey) {
        if let Some(instance) = self.instance(key) {
            instance.leaving = Leaving::WhenIdle;
            let service = instance.service;
            self.services[service].tell_start(Ok(()));
            self.queue_instance(key);
        }
    }

    /// Whether a new connection would find an instance.
    pub(super) fn instance_may_take_connection(&mut self, service: usize) -> bool {
        let served = &self.services[service];
        if served.service.isolation == Isolation::Connection {
            return true;
        }
        let events_queued_max = served.service.limits.events_queued_max;
        let seats = &self.services[served.seat.all.clone()];
        // The first peers would all get the instances that happen to be ready first.
        if seats.iter().any(|served| served.seat.is_starting()) {
            return false;
        }
        if self.is_broken(service) {
            // A peer would find none for a long time: better to be turned away at once.
            return true;
        }
        let mut open = seats.iter().filter(|served| served.seat.is_open());
        // What waits for one at another driver is bounded by the connections that the service may have.
        open.any(|served| {
            let here = served
                .instance
                .and_then(|key| self.instances.get(key.place));
            here.is_none_or(|instance| !instance.is_full(events_queued_max))
        })
    }

    /// The instance for a new connection, and the connection's number in it.
    pub(super) fn instance_for_connection(
        &mut self,
        service: usize,
        id: u64,
        peer: SocketAddr,
        token: Token,
    ) -> Option<(InstanceKey, ConnectionNumber)> {
        let served = &self.services[service];
        let key = match served.service.isolation {
            Isolation::Connection => self.new_instance(service, Role::Connection),
            Isolation::Service => served.instance?,
        };
        let asks_for_host = self.instance(key)?.guest.asks_for_host();
        let socket = self.reactor.socket(token)?;
        let direct = socket.direct_wire();
        // A system call, and few ask for it.
        let local = asks_for_host.then(|| socket.local_address()).flatten();
        let instance = self.instance(key)?;
        let number = instance.guest.connection_made(id, peer, local, direct);
        Some((key, number))
    }

    /// The connection is in its table: its instance may be told of it.
    pub(super) fn connection_is_made(
        &mut self,
        connection: ConnectionKey,
        key: InstanceKey,
        number: ConnectionNumber,
    ) {
        if let Some(instance) = self.instance(key) {
            instance.connections.insert(number, connection);
            instance.work.connections += 1;
            self.push_event(key, Event::Made(number));
        }
    }

    /// Whether the connection may be read for the instance now. If not, it is read when the instance is free again.
    pub(super) fn instance_takes_data(
        &mut self,
        key: InstanceKey,
        connection: ConnectionKey,
    ) -> bool {
        let Some(instance) = self.instance(key) else {
            return false;
        };
        let takes = instance.takes_data();
        if !takes && !instance.blocked.contains(&connection) {
            instance.blocked.push(connection);
        }
        takes
    }

    /// Queues an event; it is delivered in this turn unless the instance is busy.
    pub(super) fn push_event(&mut self, key: InstanceKey, event: Event) {
        if let Some(instance) = self.instance(key) {
            instance.events.push_back(event);
            self.queue_instance(key);
        }
    }

    pub(super) fn queue_instance(&mut self, key: InstanceKey) {
        if let Some(instance) = self.instance(key)
            && !instance.queued
        {
            instance.queued = true;
            self.ready.push_back(Ready::Instance(key));
        }
    }

    /// A connection of the instance is lost: its waits end, and it will be told.
    pub(super) fn connection_is_lost(
        &mut self,
        key: InstanceKey,
        number: ConnectionNumber,
        reason: CloseReason,
    ) {
        let Some(instance) = self.instance(key) else {
            return;
        };
        instance.connections.remove(number);
        instance.leave_if_alone();
        let run = instance.guest.connection_is_lost(number, &reason);
        let (service, role) = (instance.service, instance.role);
        if run {
            self.ready.push_back(Ready::Resume(key));
        }
        self.push_event(key, Event::Lost(number, reason));
        if role == Role::Connection {
            if let Some(instance) = self.instance(key) {
                instance.leaving = Leaving::WhenIdle;
                if !instance.guest.is_busy() {
                    return;
                }
            }
            let farewell_max = self.services[service].service.limits.farewell_max;
            self.deadlines
                .insert(self.now + farewell_max, Due::Farewell(key));
        }
    }

    /// Drops an instance; its timers and fetches go with it.
    pub(super) fn remove_instance(&mut self, key: InstanceKey) {
        if self.instance(key).is_none() {
            return;
        }
        let instance = self.instances.remove(key.place);
        for deadline in instance.timers.into_values().chain(instance.suspended) {
            self.deadlines.cancel(deadline);
        }
        if let Some(heir) = instance.heir {
            self.leave(heir, Ok(None));
        }
        let served = &mut self.services[instance.service];
        served.totals.instance_has_ended(&instance.ledger);
        served.census.instance_has_gone();
        if instance.waits {
            served.census.resume();
        }
        for place in [&mut served.instance, &mut served.successor] {
            place.take_if(|at_place| *at_place == key);
        }
        self.host.drop_instance(instance.guest);
    }

    /// Ends the waits of the instances of some roles: the host is stopping.
    pub(super) fn stop_waits(&mut self, of: impl Fn(Role, usize) -> bool) {
        for (place, instance) in &mut self.instances {
            if of(instance.role, instance.service) && instance.guest.stop_waiting() {
                let id = instance.id;
                self.ready
                    .push_back(Ready::Resume(InstanceKey { place, id }));
            }
        }
    }

    /// Lets instances that have nothing more to do leave: there are no connections, and none will come.
    pub(super) fn dismiss_idle_instances(&mut self) {
        let idle: Vec<_> = self
            .instances
            .iter_mut()
            .filter(|(_, one)| one.stays() && one.connections.is_empty())
            .map(|(place, one)| {
                one.leaving = Leaving::WhenIdle;
                InstanceKey { place, id: one.id }
            })
            .collect();
        for key in idle {
            self.queue_instance(key);
        }
    }

    /// Whether every program has returned and waits for nothing.
    pub(super) fn programs_are_done(&self) -> bool {
        self.instances.iter().all(|(_, one)| {
            !one.guest.is_busy() && one.events.is_empty() && !one.guest.has_pending()
        })
    }
}
