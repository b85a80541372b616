//! Several drivers, a thread each. They share nothing while they serve: the first one accepts, hands sockets on in turn, and
//! is told when a connection of a service that was full has ended.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::control::{Control, Order};
use super::instances::InstanceKey;
use super::roster::Roster;
use super::seats::{is_spread, shared_instances};
use super::{Driver, Exit};
use crate::guest::{GuestHost, PendingNumber};
use crate::reactor::{Mailbox, Signal, Socket};
use crate::service::Service;
use crate::telemetry::Traces;
use crate::web;

/// What reaches a driver from other threads.
#[derive(Debug)]
pub(super) enum Mail {
    /// An instance is to be run again.
    Woken(InstanceKey),
    /// A page is there.
    Page(InstanceKey, PendingNumber, web::Page),
    /// A peer of this service was accepted, to be served here.
    Adopt(usize, Socket, SocketAddr),
    /// A connection of this service, which was full, has ended elsewhere.
    AcceptAgain(usize),
    /// Another thread asks or orders something.
    Order(Order),
    /// The first driver was sent a signal.
    Signal(Signal),
    /// Another driver has ended for a reason of its own: so does this one.
    Quit,
}

/// What all drivers know of a service. Written when a connection begins or ends, and when a handler suspends or has done so.
#[derive(Debug, Default)]
pub(super) struct Census {
    connections: AtomicU32,
    suspended: AtomicU32,
    instances: AtomicU32,
    /// Drivers that know that it takes no more connections.
    retired: AtomicUsize,
    /// Connections by their peers' addresses.
    peers: Mutex<HashMap<IpAddr, u32>>,
    /// Somebody waits for a connection to end.
    awaited: AtomicBool,
}

impl Census {
    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Whether there are as many as may be. If so, whoever ends one is to tell.
    pub fn is_full(&self, connections_max: u32) -> bool {
        if self.connections() < connections_max {
            return false;
        }
        self.awaited.store(true, Ordering::SeqCst);
        // One may have ended before that was seen.
        self.connections() >= connections_max
    }

    pub fn instance_is_made(&self) {
        self.instances.fetch_add(1, Ordering::SeqCst);
    }

    pub fn instance_has_gone(&self) {
        self.instances.fetch_sub(1, Ordering::SeqCst);
    }

    /// A driver knows that it takes no more connections.
    pub fn retired_here(&self) {
        self.retired.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether nothing is left of a service that was closed, at any of so many drivers.
    pub fn is_over(&self, drivers: usize) -> bool {
        self.retired.load(Ordering::SeqCst) >= drivers
            && self.connections() == 0
            && self.instances.load(Ordering::SeqCst) == 0
    }

    /// A handler is suspended. Returns how many are.
    pub fn suspend(&self) -> u32 {
        self.suspended.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A handler is no longer suspended.
    pub fn resume(&self) {
        self.suspended.fetch_sub(1, Ordering::SeqCst);
    }

    /// A connection more, unless its address has as many as may be.
    pub fn add(&self, peer: IpAddr, per_peer_max: Option<NonZero<u32>>) -> bool {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = peers.entry(peer).or_default();
        if per_peer_max.is_some_and(|max| *of_peer >= max.get()) {
            return false;
        }
        *of_peer += 1;
        self.connections.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// A connection less. Returns whether somebody waits for it.
    pub fn remove(&self, peer: IpAddr) -> bool {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut of_peer) = peers.entry(peer) {
            *of_peer.get_mut() -= 1;
            if *of_peer.get() == 0 {
                of_peer.remove();
            }
        }
        drop(peers);
        self.connections.fetch_sub(1, Ordering::SeqCst);
        self.awaited.swap(false, Ordering::SeqCst)
    }
}

/// A driver's place among the others.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub index: usize,
    /// The mailboxes of all of them, its own included.
    pub mailboxes: Vec<Mailbox<Mail>>,
}

impl Place {
    pub fn is_first(&self) -> bool {
        self.index == 0
    }
}

/// Drivers that serve together.
#[derive(Debug)]
pub struct Crew {
    drivers: Vec<Driver>,
}

/// Called when the first driver begins to drain.
pub(super) struct OnDrain(pub Box<dyn FnOnce() + Send>);

impl std::fmt::Debug for OnDrain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnDrain")
    }
}

impl Crew {
    /// So many drivers, which serve nothing yet. `drain_max`: how long connections may take to finish when the host is asked to
    /// stop. `host` must have been made for as many reactors.
    ///
    /// # Errors
    /// When the operating system gives no descriptors or refuses the signal handlers.
    pub fn new(host: &Arc<GuestHost>, drain_max: Duration, reactors: usize) -> io::Result<Self> {
        let mut drivers = (0..reactors.max(1))
            .map(|index| Driver::new(Arc::clone(host), drain_max, index))
            .collect::<io::Result<Vec<_>>>()?;
        let mailboxes: Vec<_> = drivers.iter().map(Driver::mailbox).collect();
        for driver in &mut drivers {
            driver.join(mailboxes.clone());
        }
        Ok(Self { drivers })
    }

    /// How many of so many reactors would have something to do for this service.
    pub fn useful_reactors(service: &Service, reactors: usize) -> usize {
        match is_spread(service) {
            true => reactors.max(1),
            false => shared_instances(service).clamp(1, reactors.max(1)),
        }
    }

    /// How many reactors there are.
    pub fn reactors(&self) -> usize {
        self.drivers.len()
    }

    /// What decides which services run. To be had once, before [`run`](Self::run).
    pub fn roster(&self) -> Roster {
        Roster::new(Control::new(
            self.drivers.iter().map(Driver::mailbox).collect(),
        ))
    }

    /// Calls `act` when the drain begins, on a thread that serves: it must not block.
    pub fn on_drain(&mut self, act: impl FnOnce() + Send + 'static) {
        if let Some(first) = self.drivers.first_mut() {
            first.on_drain = Some(OnDrain(Box::new(act)));
        }
    }

    /// From here on, what connections and guests do is traced.
    pub fn trace(&mut self, traces: &Traces) {
        for driver in &mut self.drivers {
            driver.traces = Some(traces.clone());
        }
    }

    /// Serves until asked to stop, or until the programs among the services are done: the first driver on the calling thread,
    /// each other on one of its own. `enter` is called on each and what it returns is kept while the driver runs: the side
    /// thread's tokio context, for WASI's timers.
    ///
    /// # Errors
    /// Only when polling itself fails, or a thread cannot be had.
    pub fn run<C>(self, enter: impl Fn() -> C + Sync) -> io::Result<Exit> {
        let enter = &enter;
        let serve = move |driver: Driver| {
            let alarm = Alarm::of(&driver);
            let _context = enter();
            let exit = driver.run();
            if matches!(exit, Ok(Exit::Drained)) {
                alarm.disarm();
            }
            exit
        };
        thread::scope(|scope| {
            let mut drivers = self.drivers.into_iter();
            let Some(first) = drivers.next() else {
                return Ok(Exit::Finished);
            };
            let alarm = Alarm::of(&first);
            let mut others = Vec::new();
            for driver in drivers {
                let name = format!("wisted-reactor-{}", driver.index());
                let thread = thread::Builder::new().name(name);
                others.push(thread.spawn_scoped(scope, move || serve(driver))?);
            }
            alarm.disarm();
            let mut exit = serve(first);
            for other in others {
                match other.join() {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => exit = Err(error),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            exit
        })
    }
}

/// Ends all drivers when one of them has ended out of order, by a panic too: half a host would be worse than none.
struct Alarm(Vec<Mailbox<Mail>>);

impl Alarm {
    fn of(driver: &Driver) -> Self {
        Self(driver.place.mailboxes.clone())
    }

    fn disarm(mut self) {
        self.0.clear();
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        for mailbox in &self.0 {
            mailbox.send(Mail::Quit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn whoever_ends_a_connection_of_a_full_service_is_told_to_tell() {
        let census = Census::default();
        assert!(census.add(PEER, None));
        assert!(!census.is_full(2));
        assert!(census.add(PEER, None));
        assert!(census.is_full(2));
        assert!(census.remove(PEER));
        assert!(!census.remove(PEER));
        assert_eq!(census.connections(), 0);
    }

    #[test]
    fn one_address_has_so_many_and_no_more_and_leaves_nothing_behind() {
        let (census, two) = (Census::default(), NonZero::new(2));
        let other = IpAddr::from([10, 0, 0, 1]);
        assert!(census.add(PEER, two) && census.add(PEER, two));
        assert!(!census.add(PEER, two));
        assert!(census.add(other, two));
        census.remove(PEER);
        assert!(census.add(PEER, two));
        for peer in [PEER, PEER, other] {
            census.remove(peer);
        }
        assert!(census.peers.lock().unwrap().is_empty());
    }
}
