//! Services that come, change and go while drivers run. Another thread decides; what it decides goes to every driver by mail, the
//! first driver last, since that one hands peers on: nobody is handed a peer of a service that he does not know yet.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::accept::Listener;
use super::census::Census;
use super::control::{Control, Order};
use super::crew::Mail;
use super::instances::Role;
use super::seats::{Seat, is_spread, shared_instances};
use super::{Driver, Served};
use crate::clock;
use crate::reactor::Bound;
use crate::service::Service;

/// Places a service may have in the drivers' tables, those included that are on their way out.
const SEATS_MAX: usize = 65_536;

/// How much longer than its limits a start may take.
const START_GRACE: Duration = Duration::from_secs(10);

/// How long drivers may take to do what was decided before it is called done.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// Decides which services run. There is one for a [`Crew`](super::Crew).
#[derive(Debug)]
pub struct Roster {
    control: Control,
    /// How many places the drivers' tables have.
    seats: usize,
    /// Services that are on their way out: their places are free when they have gone.
    leaving: Vec<(Range<usize>, Arc<Census>)>,
    /// Where the next seat's instance lives.
    next_home: usize,
    last_listener: u64,
}

/// A service as it runs.
#[derive(Debug)]
pub struct Placed {
    service: Arc<Service>,
    seats: Range<usize>,
    census: Arc<Census>,
    /// One message comes from each instance that is to start.
    started: Receiver<Result<(), String>>,
    awaited: usize,
}

/// Names a listening socket, as long as it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerId(u64);

/// There are too many services.
#[derive(Debug, thiserror::Error)]
#[error(
    "{SEATS_MAX} instances of services are running or on their way out: no more can be added now"
)]
pub struct TooMany;

/// A service's seat, as a driver is told of it.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub place: usize,
    pub service: Arc<Service>,
    pub census: Arc<Census>,
    pub seat: Seat,
    /// The seat whose instance leaves its state to the first one here.
    pub inherits: Option<usize>,
    /// Who waits for its start.
    pub started: Option<Sender<Result<(), String>>>,
    /// With an instance for each connection: one is to be made and started just to see whether that works.
    pub on_trial: bool,
}

/// A decision, as a driver is told of it.
#[derive(Debug)]
pub(super) enum Change {
    Add(Vec<Part>),
    Update(Range<usize>, Arc<Service>),
    Listen(ListenerId, Box<Bound>, usize),
    Repoint(ListenerId, usize),
    Unlisten(ListenerId),
    Close(Range<usize>),
    /// From the first driver, when it accepts nobody more for these.
    Retire(Range<usize>),
    /// Nothing, but that whoever waits is told that all before it is done.
    Settle(Sender<()>),
}

impl Roster {
    pub(super) fn new(control: Control) -> Self {
        Self {
            control,
            seats: 0,
            leaving: Vec::new(),
            next_home: 0,
            last_listener: 0,
        }
    }

    /// The drivers that it decides for.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Adds a service, which begins to start. `on_trial`: one instance is started even if each connection has its own, so that
    /// [`Placed::wait_for_start`] tells whether the guest can start at all.
    ///
    /// # Errors
    /// When there are too many.
    pub fn add(&mut self, service: Service, on_trial: bool) -> Result<Placed, TooMany> {
        self.place(service, on_trial, None)
    }

    /// The same for one that takes over from another: its state, and its peers as far as limits go.
    fn place(
        &mut self,
        service: Service,
        on_trial: bool,
        from: Option<&Placed>,
    ) -> Result<Placed, TooMany> {
        let service = Arc::new(service);
        let count = shared_instances(&service);
        let reactors = self.control.reactors();
        let seats = self.free_seats(count).ok_or(TooMany)?;
        let census = match from {
            Some(from) => from.census.of_successor(),
            None => Census::new(seats.start),
        };
        let census = Arc::new(census);
        let (sender, started) = channel();
        let spread = is_spread(&service);
        let on_trial = on_trial && spread;
        let parts = Seat::row(&seats, self.next_home, reactors);
        let parts: Vec<Part> = parts
            .zip(seats.clone())
            .map(|(seat, place)| Part {
                place,
                // Each from the one that has its number: with other numbers of instances there is no telling whose state is whose.
                inherits: from
                    .map(|from| &from.seats)
                    .filter(|from| from.len() == count)
                    .map(|from| from.start + (place - seats.start)),
                service: Arc::clone(&service),
                census: Arc::clone(&census),
                seat,
                started: (on_trial || !spread).then(|| sender.clone()),
                on_trial,
            })
            .collect();
        self.next_home = (self.next_home + count) % reactors;
        self.tell_all(|| Change::Add(parts.clone()));
        let awaited = if on_trial || !spread { count } else { 0 };
        Ok(Placed {
            service,
            seats,
            census,
            started,
            awaited,
        })
    }

    /// From here on the service is described so: its limits, grants and what it recycles. All else must be as it was, the
    /// [`Origin`](crate::guest::Origin) the very same; anything else is another service.
    pub fn update(&mut self, placed: &mut Placed, service: Service) {
        placed.service = Arc::new(service);
        let seats = placed.seats.clone();
        self.tell_all(|| Change::Update(seats.clone(), Arc::clone(&placed.service)));
    }

    /// Accepts peers of the service from this socket.
    pub fn listen(&mut self, bound: Bound, placed: &Placed) -> ListenerId {
        self.last_listener += 1;
        let id = ListenerId(self.last_listener);
        self.tell_first(Change::Listen(id, Box::new(bound), placed.seats.start));
        id
    }

    /// The socket's peers are this service's from here on.
    pub fn repoint(&mut self, listener: ListenerId, placed: &Placed) {
        self.tell_first(Change::Repoint(listener, placed.seats.start));
    }

    /// Closes the socket. Peers that have not been accepted are refused.
    pub fn unlisten(&mut self, listener: ListenerId) {
        self.tell_first(Change::Unlisten(listener));
    }

    /// Puts a service in another's place, without a peer noticing: what listens for the old one goes on, new connections are the
    /// new one's once it has started, and those that are open end with the old one. Waits for the start: only on a thread that
    /// does not serve.
    ///
    /// # Errors
    /// Why the new one could not start: the old one goes on, and nothing has changed.
    pub fn succeed(
        &mut self,
        placed: &mut Placed,
        service: Service,
        listeners: &[ListenerId],
    ) -> Result<(), String> {
        let mut new = self
            .place(service, true, Some(placed))
            .map_err(|error| error.to_string())?;
        if let Err(error) = new.wait_for_start() {
            self.close(new);
            return Err(error);
        }
        // Before the first peer comes: whoever ends a connection tells the one that may wait for it.
        new.census.set_door(new.seats.start);
        for listener in listeners {
            self.repoint(*listener, &new);
        }
        let old = std::mem::replace(placed, new);
        self.close(old);
        Ok(())
    }

    /// The service takes no more connections, and ends when the last one has gone. Its sockets must listen for another one, or
    /// not at all.
    pub fn close(&mut self, placed: Placed) {
        self.tell_first(Change::Close(placed.seats.clone()));
        self.leaving.push((placed.seats, placed.census));
    }

    /// Waits until the drivers have done what was decided: from then on a new peer is treated accordingly. A driver whose guest
    /// computes may be late; after [`SETTLE_MAX`] nobody waits for it any longer.
    pub fn settle(&self) {
        let (sender, done) = channel();
        self.tell_all(|| Change::Settle(sender.clone()));
        drop(sender);
        let deadline = clock::now() + SETTLE_MAX;
        for _ in 0..self.control.reactors() {
            let left = deadline.saturating_duration_since(clock::now());
            if done.recv_timeout(left).is_err() {
                return;
            }
        }
    }

    fn free_seats(&mut self, count: usize) -> Option<Range<usize>> {
        let reactors = self.control.reactors();
        let free = self
            .leaving
            .iter()
            .position(|(seats, census)| seats.len() == count && census.is_over(reactors));
        if let Some(free) = free {
            return Some(self.leaving.swap_remove(free).0);
        }
        let seats = self.seats..self.seats + count;
        if seats.end > SEATS_MAX {
            return None;
        }
        self.seats = seats.end;
        Some(seats)
    }

    fn tell_first(&self, change: Change) {
        if let Some(first) = self.control.mailboxes().first() {
            first.send(Mail::Order(Order::Change(change)));
        }
    }

    fn tell_all(&self, change: impl Fn() -> Change) {
        for mailbox in self.control.mailboxes().iter().rev() {
            mailbox.send(Mail::Order(Order::Change(change())));
        }
    }
}

impl Placed {
    /// The service as it is described.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Waits until its instances have started, or one has failed to. Only on a thread that does not serve.
    ///
    /// # Errors
    /// Why it could not start; or that it has not after so long.
    pub fn wait_for_start(&mut self) -> Result<(), String> {
        // Its own limits end a start that takes too long; this is for a reactor that hangs.
        let limits = &self.service.limits;
        let timeout = limits.call_suspended_max + limits.call_cpu_max + START_GRACE;
        let deadline = clock::now() + timeout;
        while self.awaited > 0 {
            let left = deadline.saturating_duration_since(clock::now());
            match self.started.recv_timeout(left) {
                Ok(started) => started?,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("it has not started after {timeout:?}"));
                }
                Err(RecvTimeoutError::Disconnected) => return Err("the host is stopping".into()),
            }
            self.awaited -= 1;
        }
        Ok(())
    }
}

impl Driver {
    pub(super) fn take_change(&mut self, change: Change) {
        match change {
            Change::Add(parts) => parts.into_iter().for_each(|part| self.add(part)),
            Change::Update(seats, service) => self.update(seats, &service),
            Change::Listen(id, bound, seat) => self.listen(id, *bound, seat),
            Change::Repoint(id, seat) => {
                if let Some((_, listener)) = self.listeners.iter_mut().find(|(_, one)| one.id == id)
                {
                    listener.service = seat;
                    self.accept_again();
                }
            }
            Change::Unlisten(id) => {
                let found = self.listeners.iter().find(|(_, one)| one.id == id);
                if let Some(index) = found.map(|(index, _)| index) {
                    let listener = self.listeners.remove(index);
                    self.reactor.stop_listening(listener.token);
                }
            }
            Change::Close(seats) => {
                // Whatever was handed on lies in the mailboxes before this.
                for mailbox in self.place.mailboxes.iter().skip(1) {
                    let retire = Change::Retire(seats.clone());
                    mailbox.send(Mail::Order(Order::Change(retire)));
                }
                self.retire(seats);
            }
            Change::Retire(seats) => self.retire(seats),
            Change::Settle(done) => {
                // Whoever waited may have given up.
                let _ = done.send(());
            }
        }
    }

    fn add(&mut self, part: Part) {
        let (place, on_trial) = (part.place, part.on_trial);
        let served = Served::new(part, self.now);
        if place < self.services.len() {
            // Whoever was here has gone.
            let old = std::mem::replace(&mut self.services[place], served);
            self.forget(&old);
        } else {
            self.services.push(served);
        }
        self.start_service(place);
        if on_trial && self.place.is_first() {
            self.start_trial(place);
        }
    }

    /// What a service has used that is no more counts for the one that has its name.
    fn forget(&mut self, old: &Served) {
        if old.is_held() {
            self.services_held -= 1;
        }
        let name = &old.service.origin.service;
        let heir = self
            .services
            .iter_mut()
            .find(|served| !served.closed && served.service.origin.service == *name);
        if let Some(heir) = heir {
            heir.totals.add(&old.totals);
        }
    }

    fn update(&mut self, seats: Range<usize>, service: &Arc<Service>) {
        for seat in seats.clone() {
            self.services[seat].set_service(Arc::clone(service), self.now);
        }
        for (_, instance) in &mut self.instances {
            if seats.contains(&instance.service) {
                instance.guest.set_limits(&service.limits);
            }
        }
        let connections = self.connections.iter().flatten();
        let concerned = connections.filter(|connection| seats.contains(&connection.service));
        let keys: Vec<_> = concerned.map(|connection| connection.key).collect();
        for key in keys {
            self.limits_have_changed(key);
        }
        self.service_may_accept_again(seats.start);
    }

    fn listen(&mut self, id: ListenerId, bound: Bound, seat: usize) {
        let address: SocketAddr = bound.address();
        match self.reactor.listen(bound) {
            Ok(token) => {
                let index = self.listeners.insert(Listener::new(id, token, seat));
                self.ready.push_back(super::Ready::Listener(index));
            }
            Err(error) => {
                let service = &self.services[seat].service.origin.service;
                tracing::error!(service, %address, %error, "the address cannot be listened on");
            }
        }
    }

    fn retire(&mut self, seats: Range<usize>) {
        for seat in seats.clone() {
            self.services[seat].closed = true;
            let instances = self.instances.iter_mut();
            let shared = instances.filter(|(_, one)| one.service == seat);
            let keys: Vec<_> = shared
                .filter(|(_, one)| one.role != Role::Connection)
                .map(|(_, one)| {
                    one.retire();
                    one.key()
                })
                .collect();
            for key in keys {
                self.queue_instance(key);
            }
        }
        let is_seat = |service: usize| seats.contains(&service);
        self.stop_waits(|role, service| role == Role::Program && is_seat(service));
        self.services[seats.start].census.retired_here();
    }
}
