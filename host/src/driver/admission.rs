//! Whether a service takes one more peer now: its limits on connections, and how fast it accepts.

use std::net::IpAddr;
use std::time::Instant;

use super::{Driver, Due};
use crate::core::Pace;
use crate::limits::Limits;

/// How fast a service accepts.
#[derive(Debug)]
pub(super) struct AcceptPace {
    pace: Option<Pace>,
    /// A deadline says when it may go on.
    waits: bool,
}

impl AcceptPace {
    pub fn new(limits: &Limits, now: Instant) -> Self {
        // A second's worth may come at once: peers come in bursts.
        let pace = |rate: std::num::NonZero<u32>| Pace::new(rate.get(), rate.get(), now);
        Self {
            pace: limits.accepts_per_second_max.map(pace),
            waits: false,
        }
    }
}

impl AcceptPace {
    /// From here on these limits hold. Whoever waits goes on when he was to.
    pub fn set_limits(&mut self, limits: &Limits, now: Instant) {
        self.pace = Self::new(limits, now).pace;
    }
}

impl Driver {
    /// Whether a peer of the service may be accepted. Where not, whoever lifts what is in the way looks at the service again.
    pub(super) fn may_accept(&mut self, service: usize) -> bool {
        let at_limit = {
            let served = &self.services[service];
            let limits = &served.service.limits;
            served.census.is_full(limits.connections_max)
        };
        let may = !at_limit
            && self.pace_lets_accept(service)
            && self.instance_may_take_connection(service);
        let served = &mut self.services[service];
        if at_limit && !served.accept_held {
            tracing::warn!(
                service = served.service.origin.service,
                connections = served.census.connections_of_all(),
                "the service has as many connections as it may (--connections-max): accepting nobody until one ends"
            );
        }
        served.accept_held = !may;
        may
    }

    fn pace_lets_accept(&mut self, service: usize) -> bool {
        let now = self.now;
        let AcceptPace { pace, waits } = &mut self.services[service].accept_pace;
        let Some(pace) = pace else {
            return true;
        };
        if pace.left(now) > 0 {
            return true;
        }
        let at = now + pace.wait(1);
        if !std::mem::replace(waits, true) {
            self.deadlines.insert(at, Due::AcceptOn(service));
        }
        false
    }

    /// The service may accept on.
    pub(super) fn accept_on(&mut self, service: usize) {
        self.services[service].accept_pace.waits = false;
        self.service_may_accept_again(service);
    }

    /// Whether a peer that was accepted is to be turned away, since it must not keep others waiting behind it: its address has as
    /// many connections as it may, or nobody is there to serve it. If not, it counts from here on.
    pub(super) fn is_turned_away(&mut self, service: usize, peer: IpAddr) -> bool {
        let broken = self.is_broken(service);
        let served = &mut self.services[service];
        if let Some(pace) = &mut served.accept_pace.pace {
            pace.take(1);
        }
        if broken {
            // What is broken has been logged.
            served.totals.connections_refused += 1;
            return true;
        }
        let max = served.service.limits.connections_per_peer_max;
        if served.census.add(peer.to_canonical(), max) {
            return false;
        }
        served.totals.connections_refused += 1;
        if self.may_log(service) {
            let served = &self.services[service];
            tracing::info!(
                service = served.service.origin.service,
                %peer,
                "a peer was turned away: its address has as many connections as it may (connections_per_peer_max)"
            );
        }
        true
    }
}
