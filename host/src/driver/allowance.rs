//! What a service's limits let each of its connections do in a time: bytes in a second, how long it may be idle and last. What is
//! above a rate waits; nothing is dropped.

use std::time::Instant;

use super::connections::{Connection, ConnectionKey};
use super::{Driver, Due};
use crate::core::{DeadlineKey, Idle, Looked, Pace};
use crate::limits::{Limits, per_turn};

/// See the file's header.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Allowance {
    read_pace: Option<Box<Pace>>,
    /// It has read what it may, and a deadline says when it may read on.
    pub read_waits: bool,
    /// It has sent what it may, and a deadline says when it may send on.
    send_waits: bool,
    idle: Idle,
    /// When to look whether it is idle, and when it has lasted for as long as it may.
    look: Option<DeadlineKey>,
    lifetime: Option<DeadlineKey>,
}

impl Allowance {
    pub fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            read_pace: read_pace(limits, now),
            read_waits: false,
            send_waits: false,
            idle: Idle::new(now),
            look: None,
            lifetime: None,
        }
    }

    /// What is still due for the connection.
    pub fn take_deadlines(&mut self) -> impl Iterator<Item = DeadlineKey> + use<> {
        [self.look.take(), self.lifetime.take()]
            .into_iter()
            .flatten()
    }

    pub fn has_read(&mut self, count: usize) {
        if let Some(pace) = &mut self.read_pace {
            pace.take(count as u64);
        }
    }
}

fn read_pace(limits: &Limits, now: Instant) -> Option<Box<Pace>> {
    let per_second = limits.read_bytes_per_second_max?;
    Some(Box::new(Pace::of_bytes(per_second.get(), now)))
}

impl Driver {
    /// A connection has been made: its time runs from here on.
    pub(super) fn start_its_time(&mut self, key: ConnectionKey) {
        let Some(connection) = self.connection(key) else {
            return;
        };
        let (service, made_at) = (connection.service, connection.made_at);
        let limits = &self.services[service].service.limits;
        let lifetime = limits.lifetime_max.map(|lifetime_max| {
            let over = made_at + lifetime_max;
            self.deadlines.insert(over, Due::LifetimeOver(key))
        });
        if let Some(connection) = self.connection(key) {
            connection.allowance.lifetime = lifetime;
        }
        self.look_whether_idle(key);
    }

    /// A connection has ended: nothing is due for it any more. It may be one of very many.
    pub(super) fn stop_its_time(&mut self, deadlines: impl Iterator<Item = DeadlineKey>) {
        for key in deadlines {
            self.deadlines.cancel(key);
        }
    }

    /// How many bytes may be read at once. None where it has to wait, for which there is a deadline then.
    pub(super) fn may_read(&mut self, key: ConnectionKey) -> Option<usize> {
        let now = self.now;
        let allowance = &mut self.connection(key)?.allowance;
        let Some(pace) = allowance.read_pace.as_deref_mut() else {
            return Some(per_turn::READ_BYTES);
        };
        let left = usize::try_from(pace.left(now)).unwrap_or(usize::MAX);
        if left > 0 {
            return Some(left.min(per_turn::READ_BYTES));
        }
        let at = now + pace.wait_for_more();
        if !std::mem::replace(&mut allowance.read_waits, true) {
            self.deadlines.insert(at, Due::ReadOn(key));
        }
        None
    }

    /// The connection may read on.
    pub(super) fn read_on(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connection(key) {
            connection.allowance.read_waits = false;
            self.queue_connection(key);
        }
    }

    /// Bytes wait although the socket would take them: they go on later.
    pub(super) fn schedule_sending(&mut self, key: ConnectionKey) {
        let now = self.now;
        if let Some(connection) = self.connection(key)
            && !connection.allowance.send_waits
            && let Some(at) = connection.state.pace_deadline(now)
        {
            connection.allowance.send_waits = true;
            self.deadlines.insert(at, Due::SendOn(key));
        }
    }

    /// The connection may send on.
    pub(super) fn send_on(&mut self, key: ConnectionKey) {
        if let Some(connection) = self.connection(key) {
            connection.allowance.send_waits = false;
            self.flush(key);
        }
    }

    /// Looks whether a connection is idle, and when to look again.
    pub(super) fn look_whether_idle(&mut self, key: ConnectionKey) {
        let now = self.now;
        let (received, sent) = self.reactor.traffic(key.token).unwrap_or_default();
        let Some(connection) = self.connection(key) else {
            return;
        };
        connection.allowance.look = None;
        let service = connection.service;
        let Some(idle_max) = self.services[service].service.limits.idle_max else {
            return;
        };
        let Some(connection) = self.connection(key) else {
            return;
        };
        match connection
            .allowance
            .idle
            .look(received + sent, idle_max, now)
        {
            Looked::TooLong => self.expire(key, format!("idle for {idle_max:?} (idle_max)")),
            Looked::Again(at) => {
                let look = self.deadlines.insert(at, Due::LookWhetherIdle(key));
                if let Some(connection) = self.connection(key) {
                    connection.allowance.look = Some(look);
                }
            }
        }
    }

    /// The connection may have lasted for as long as it may.
    pub(super) fn lifetime_is_over(&mut self, key: ConnectionKey) {
        let now = self.now;
        let Some(connection) = self.connection(key) else {
            return;
        };
        let (service, made_at) = (connection.service, connection.made_at);
        if let Some(lifetime_max) = self.services[service].service.limits.lifetime_max
            && made_at + lifetime_max <= now
        {
            self.expire(key, format!("open for {lifetime_max:?} (lifetime_max)"));
        }
    }

    fn expire(&mut self, key: ConnectionKey, reason: String) {
        self.flush(key);
        if let Some(connection) = self.connection(key) {
            connection.state.expire(reason);
            self.settle(key);
        }
    }

    /// The limits of a connection's service have changed.
    pub(super) fn limits_have_changed(&mut self, key: ConnectionKey) {
        let now = self.now;
        let Some(connection) = self.connection(key) else {
            return;
        };
        let service = connection.service;
        let limits = std::sync::Arc::clone(&self.services[service].service.limits);
        let Some(connection) = self.connection(key) else {
            return;
        };
        let Connection {
            state, allowance, ..
        } = connection;
        state.set_limits(limits.of_connection(), now);
        allowance.read_pace = read_pace(&limits, now);
        let deadlines = allowance.take_deadlines();
        self.stop_its_time(deadlines);
        self.start_its_time(key);
        self.flush(key);
        self.read_on(key);
    }
}
