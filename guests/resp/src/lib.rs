//! A Redis-compatible server in memory. Needs isolation `service`, so that all connections share the keys.
//!
//! From the outside to the inside:
//!
//! - this file: what the host calls, and the two timers (waiting commands, expiry);
//! - `session`: one connection's bytes become commands, their replies one write;
//! - `frame`: finds commands in bytes that are cut anywhere;
//! - `command`: the table of commands, and a file for each family;
//! - `engine`: what all connections share;
//! - `keyspace`: keys, values, times to live, and what they weigh;
//! - `reply`, `fault`: what is answered; `number`, `glob`, `clock`, `limits`.

mod clock;
mod command;
mod engine;
mod fault;
mod frame;
mod glob;
mod keyspace;
mod limits;
mod number;
mod reply;
mod session;
#[cfg(test)]
mod tests;

use engine::Engine;
use limits::{BACKLOG_PERIOD_MS, EXPIRY_PERIOD_MS};
use session::Session;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use wisted_guest::{
    Address, CloseReason, Config, Factory, Protocol, Transport, call_later, export,
};

/// Builds the connections of one instance, which share its keys.
#[derive(Default)]
pub struct Resp {
    shared: Option<Rc<Shared>>,
}

/// What the connections share, and what only timers look at.
struct Shared {
    engine: RefCell<Engine>,
    /// Connections whose commands wait, in turn.
    backlog: RefCell<VecDeque<Rc<RefCell<Session>>>>,
    timers: RefCell<Timers>,
}

/// Which timers run: at most one of each kind, however many connections there are.
#[derive(Default)]
struct Timers {
    backlog: bool,
    expiry: bool,
}

/// One connection.
pub struct Connection {
    shared: Rc<Shared>,
    session: Option<Rc<RefCell<Session>>>,
}

impl Factory for Resp {
    type Protocol = Connection;

    fn start_factory(&mut self, config: &Config) -> Result<(), String> {
        let memory_max_bytes = match config.get("maxmemory") {
            None => None,
            Some(text) => {
                let wrong = || format!("maxmemory is a number of bytes, not {text:?}");
                Some(text.parse().map_err(|_| wrong())?)
            }
        };
        self.shared = Some(Rc::new(Shared::new(memory_max_bytes)));
        Ok(())
    }

    fn build_protocol(&mut self, _peer: &Address) -> Connection {
        let shared = self
            .shared
            .get_or_insert_with(|| Rc::new(Shared::new(None)));
        Connection {
            shared: shared.clone(),
            session: None,
        }
    }
}

impl Protocol for Connection {
    fn connection_made(&mut self, transport: &Transport) {
        let mut engine = self.shared.engine.borrow_mut();
        engine.begin_call();
        let session = Session::new(transport, &mut engine);
        self.session = Some(Rc::new(RefCell::new(session)));
    }

    #[inline]
    fn data_received(&mut self, _transport: &Transport, data: &[u8]) {
        let Some(session) = &self.session else {
            return;
        };
        let mut engine = self.shared.engine.borrow_mut();
        engine.begin_call();
        let mut running = session.borrow_mut();
        running.receive(data, &mut engine);
        if running.is_waiting() {
            self.shared.queue(session);
        }
        if engine.keyspace.may_expire() {
            self.shared.expire_later();
        }
    }

    fn drained(&mut self, _transport: &Transport) {
        let Some(session) = &self.session else {
            return;
        };
        let mut engine = self.shared.engine.borrow_mut();
        engine.begin_call();
        // It stays in the queue: there it is passed over if nothing waits any more.
        session.borrow_mut().go_on(&mut engine);
    }

    fn read_closed(&mut self, _transport: &Transport) {
        if let Some(session) = &self.session {
            session.borrow_mut().read_closed();
        }
    }

    fn connection_lost(&mut self, _transport: &Transport, _reason: CloseReason) {
        if let Some(session) = &self.session {
            let mut engine = self.shared.engine.borrow_mut();
            session.borrow_mut().lost(&mut engine);
        }
    }
}

impl Shared {
    fn new(memory_max_bytes: Option<usize>) -> Shared {
        Shared {
            engine: RefCell::new(Engine::new(memory_max_bytes)),
            backlog: RefCell::default(),
            timers: RefCell::default(),
        }
    }

    /// Has a connection's waiting commands go on in a later turn.
    #[cold]
    fn queue(self: &Rc<Self>, session: &Rc<RefCell<Session>>) {
        let mut backlog = self.backlog.borrow_mut();
        if !backlog.iter().any(|other| Rc::ptr_eq(other, session)) {
            backlog.push_back(session.clone());
        }
        self.work_later(Duration::ZERO);
    }

    fn work_later(self: &Rc<Self>, delay: Duration) {
        if !std::mem::replace(&mut self.timers.borrow_mut().backlog, true) {
            let shared = self.clone();
            call_later(delay, move || shared.work());
        }
    }

    /// Gives each connection that waits a turn, until the budget of this handler call is used.
    fn work(self: &Rc<Self>) {
        self.timers.borrow_mut().backlog = false;
        let mut engine = self.engine.borrow_mut();
        engine.begin_call();
        let turns = self.backlog.borrow().len();
        let mut progressed = false;
        for _ in 0..turns {
            let Some(session) = self.backlog.borrow_mut().pop_front() else {
                break;
            };
            let mut running = session.borrow_mut();
            progressed |= running.go_on(&mut engine);
            if running.is_waiting() {
                drop(running);
                self.backlog.borrow_mut().push_back(session);
            }
            if engine.is_exhausted() {
                break;
            }
        }
        if !self.backlog.borrow().is_empty() {
            // When all wait for their peers to read there is no hurry: `drained` will tell, too.
            let delay_ms = if progressed { 0 } else { BACKLOG_PERIOD_MS };
            self.work_later(Duration::from_millis(delay_ms));
        }
        if engine.keyspace.may_expire() {
            self.expire_later();
        }
    }

    /// While there are keys with a time to live, looks for those whose time is over.
    #[inline]
    fn expire_later(self: &Rc<Self>) {
        if !std::mem::replace(&mut self.timers.borrow_mut().expiry, true) {
            let shared = self.clone();
            call_later(Duration::from_millis(EXPIRY_PERIOD_MS), move || {
                shared.expire()
            });
        }
    }

    fn expire(self: &Rc<Self>) {
        self.timers.borrow_mut().expiry = false;
        let mut engine = self.engine.borrow_mut();
        engine.begin_call();
        engine.keyspace.expire_some();
        if engine.keyspace.may_expire() {
            self.expire_later();
        }
    }
}

export!(Resp);
