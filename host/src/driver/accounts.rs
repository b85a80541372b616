//! What guests and peers have used, counted where it happens, and summed up when somebody asks.

use std::time::{Duration, Instant};

use super::instances::{Instance, InstanceKey, Role};
use super::report::{Condition, ConnectionQuery, ConnectionReport, Report, ServiceReport, Totals};
use super::seats::is_spread;
use super::{Connection, Driver, Served};
use crate::core::Ledger;

impl Totals {
    pub(super) fn connection_has_ended(&mut self, ledger: &Ledger) {
        // All else is in its instance's.
        self.ledger.received_bytes += ledger.received_bytes;
        self.ledger.sent_bytes += ledger.sent_bytes;
    }

    pub(super) fn instance_has_ended(&mut self, ledger: &Ledger) {
        self.ledger.add(ledger);
    }

    pub(super) fn call_has_returned(&mut self, busy: Duration) {
        let nanos = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
        self.call_times.saturating_record(nanos);
    }
}

impl Driver {
    /// A guest has run for so long without giving the others a turn, for this connection if it is one's.
    pub(super) fn guest_ran(&mut self, key: InstanceKey, took: Duration, now: Instant, done: bool) {
        let Some(instance) = self.instance(key) else {
            return;
        };
        instance.ledger.ran(took);
        instance.call_busy += took;
        instance.ledger.calls += u64::from(done);
        let call_busy = done.then(|| std::mem::take(&mut instance.call_busy));
        let service = instance.service;
        // With one connection, its ledger is the instance's.
        let about = instance.about.filter(|_| instance.role == Role::Service);
        if let Some(busy) = call_busy {
            self.services[service].totals.call_has_returned(busy);
        }
        self.spend_share(service, took, now);
        self.guest_may_rest();
        if let Some(connection) = about.and_then(|key| self.connection(key)) {
            connection.ledger.ran(took);
            connection.ledger.calls += u64::from(done);
        }
    }

    /// A guest has asked for something, for this connection if its handler runs for one's.
    pub(super) fn guest_asked(&mut self, key: InstanceKey, count: impl Fn(&mut Ledger)) {
        let Some(instance) = self.instance(key) else {
            return;
        };
        count(&mut instance.ledger);
        let about = instance.about.filter(|_| instance.role == Role::Service);
        if let Some(connection) = about.and_then(|key| self.connection(key)) {
            count(&mut connection.ledger);
        }
    }

    /// What a connection has used, its instance's part included if that is its own.
    pub(super) fn ledger_of(&self, connection: &Connection) -> Ledger {
        let mut ledger = connection.ledger;
        if let Some(instance) = self.own_instance(connection) {
            ledger = instance.ledger;
        }
        if let Some((received, sent)) = self.reactor.traffic(connection.key.token) {
            ledger.received_bytes = received;
            ledger.sent_bytes = sent;
        }
        ledger
    }

    fn own_instance(&self, connection: &Connection) -> Option<&Instance> {
        let instance = self.instance_at(connection.instance)?;
        (instance.role == Role::Connection).then_some(instance)
    }

    /// This driver's part of everything.
    pub(super) fn report(&self) -> Report {
        let mut services: Vec<ServiceReport> = Vec::new();
        let mut places: Vec<Option<usize>> = vec![None; self.services.len()];
        let drivers = self.place.mailboxes.len();
        // Those that serve come first: what has gone or is going counts for the one that has its name.
        let (open, closed): (Vec<_>, Vec<_>) = (0..self.services.len())
            .filter(|seat| self.houses(*seat) || self.place.is_first())
            .partition(|seat| !self.services[*seat].closed);
        for seat in open.into_iter().chain(closed) {
            let served = &self.services[seat];
            let report = self.report_of(served);
            let same = services.iter().position(|other| other.name == report.name);
            match same {
                Some(place) => services[place].add(&report),
                None if served.closed && served.census.is_over(drivers) => continue,
                None => services.push(report),
            }
            places[seat] = same.or(Some(services.len() - 1));
        }
        let place_of = |seat: usize| places.get(seat).copied().flatten();
        for (_, instance) in &self.instances {
            if let Some(place) = place_of(instance.service) {
                let report = &mut services[place];
                report.instances += 1;
                report.instances_packed += u64::from(instance.guest.is_packed());
                report.memory_bytes += instance.guest.memory_bytes() as u64;
                report.pending += (instance.timers.len() + instance.fetches.len()) as u64;
                report.totals.ledger.add(&instance.ledger);
            }
        }
        for connection in self.connections.iter().flatten() {
            if let Some(place) = place_of(connection.service) {
                let report = &mut services[place];
                report.connections += 1;
                report.buffered_bytes += connection.buffered_bytes() as u64;
                if let Some((received, sent)) = self.reactor.traffic(connection.key.token) {
                    report.totals.ledger.received_bytes += received;
                    report.totals.ledger.sent_bytes += sent;
                }
            }
        }
        Report {
            reactor: self.place.index,
            services,
        }
    }

    fn report_of(&self, served: &Served) -> ServiceReport {
        ServiceReport {
            name: served.service.origin.service.clone(),
            isolation: served.service.isolation,
            condition: self.condition(served),
            connections: 0,
            instances: 0,
            instances_packed: 0,
            memory_bytes: 0,
            pending: 0,
            buffered_bytes: 0,
            totals: served.totals.clone(),
        }
    }

    fn condition(&self, served: &Served) -> Condition {
        if served.closed {
            Condition::Draining
        } else if is_spread(&served.service) || !served.service.serves_connections() {
            Condition::Up
        } else {
            served.seat.condition()
        }
    }

    /// The connections that are asked for, by their ids.
    pub(super) fn connection_reports(&self, query: &ConnectionQuery) -> Vec<ConnectionReport> {
        let wanted = |connection: &&Connection| {
            let name = &self.services[connection.service].service.origin.service;
            connection.key.id > query.after
                && query.service.as_ref().is_none_or(|service| service == name)
        };
        let mut found: Vec<&Connection> = self
            .connections
            .iter()
            .flatten()
            .map(|connection| &**connection)
            .filter(wanted)
            .collect();
        found.sort_unstable_by_key(|connection| connection.key.id);
        found.truncate(query.count_max);
        let report = |connection: &Connection| ConnectionReport {
            id: connection.key.id,
            service: self.services[connection.service]
                .service
                .origin
                .service
                .clone(),
            peer: connection.peer,
            reactor: self.place.index,
            age: self.now.saturating_duration_since(connection.made_at),
            buffered_bytes: connection.buffered_bytes() as u64,
            memory_bytes: self
                .own_instance(connection)
                .map(|instance| instance.guest.memory_bytes() as u64),
            ledger: self.ledger_of(connection),
        };
        found.into_iter().map(report).collect()
    }
}
