//! Several drivers, a thread each. They share nothing while they serve: the first one accepts, hands sockets on in turn, and
//! is told when a connection of a service that was full has ended.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
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
