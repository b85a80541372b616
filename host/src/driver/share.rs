//! A service's share of a reactor's CPU: a service that has used it up waits, with all that is to be done for it, until the windows
//! to come have paid that off. Nothing is lost, and nobody else waits for it.

use std::time::{Duration, Instant};

use super::instances::InstanceKey;
use super::{Driver, Due, Ready};
use crate::core::Share;
use crate::limits::{CPU_SHARE_WINDOW, Limits};

/// What a service may use on this reactor, and what waits because it has used it.
#[derive(Debug)]
pub(super) struct Held {
    share: Option<Share>,
    is_held: bool,
    /// To be done when it may go on. Each connection and each instance is in it once at most.
    waiting: Vec<Ready>,
}

impl Held {
    pub fn new(limits: &Limits, now: Instant) -> Self {
        let share =
            |permille: std::num::NonZero<u32>| Share::new(permille.get(), CPU_SHARE_WINDOW, now);
        Self {
            share: limits.cpu_share_max_permille.map(share),
            is_held: false,
            waiting: Vec::new(),
        }
    }

    /// From here on these limits hold. What waits goes on when it was to, or is held again.
    pub fn set_limits(&mut self, limits: &Limits, now: Instant) {
        self.share = Self::new(limits, now).share;
    }
}

impl super::Served {
    pub fn is_held(&self) -> bool {
        self.held.is_held
    }
}

impl Driver {
    /// A service's guest ran for so long: is it to wait?
    pub(super) fn spend_share(&mut self, service: usize, took: Duration, now: Instant) {
        let served = &mut self.services[service];
        let Some(share) = &mut served.held.share else {
            return;
        };
        let Some(until) = share.spend(took, now) else {
            return;
        };
        if !std::mem::replace(&mut served.held.is_held, true) {
            served.totals.share_waits += 1;
            self.services_held += 1;
            self.deadlines.insert(until, Due::ShareAgain(service));
        }
    }

    /// Puts off what is to be done for a service that has to wait. Returns what is to be done now.
    pub(super) fn unless_held(&mut self, ready: Ready) -> Option<Ready> {
        if self.services_held == 0 {
            return Some(ready);
        }
        let service = match ready {
            Ready::Connection(key) => self.connection(key)?.service,
            Ready::Instance(key) | Ready::Resume(key) => self.instance(key)?.service,
            Ready::Listener(_) | Ready::Lingering(_) | Ready::Mail => return Some(ready),
        };
        let held = &mut self.services[service].held;
        if !held.is_held {
            return Some(ready);
        }
        held.waiting.push(ready);
        None
    }

    /// The service may go on.
    pub(super) fn share_again(&mut self, service: usize) {
        let held = &mut self.services[service].held;
        if !std::mem::take(&mut held.is_held) {
            return;
        }
        self.services_held -= 1;
        for ready in std::mem::take(&mut held.waiting) {
            match ready {
                // A slice of each of them in one turn would keep everybody else waiting for all of these.
                Ready::Resume(key) if self.is_preempted(key) => self.preempted.push_back(key),
                _ => self.ready.push_back(ready),
            }
        }
    }

    fn is_preempted(&mut self, key: InstanceKey) -> bool {
        self.instance(key)
            .is_some_and(|instance| instance.guest.is_preempted())
    }
}
