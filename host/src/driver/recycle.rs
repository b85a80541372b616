//! Instances that are succeeded while they run, because they have served enough. Peers notice nothing: the old one goes on until
//! the new one is ready, and then until its own connections have ended.

use super::Driver;
use super::instances::{InstanceKey, Role};
use super::shutdown::Phase;
use crate::guest::Fault;

/// What an instance has served since it began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    pub calls: u64,
    pub connections: u64,
}

impl Driver {
    /// A handler of a service's instance has returned: has it served enough?
    pub(super) fn consider_recycling(&mut self, key: InstanceKey) {
        let Some(instance) = self.instance(key) else {
            return;
        };
        let (service, work) = (instance.service, instance.work);
        let memory_bytes = instance.guest.memory_bytes();
        let served = &self.services[service];
        let recycle = &served.service.recycle;
        if !recycle.is_due(work.calls, work.connections, memory_bytes)
            || served.instance != Some(key)
            || served.successor.is_some()
            || served.closed
            || self.phase != Phase::Serving
        {
            return;
        }
        tracing::info!(
            service = served.service.origin.service,
            calls = work.calls,
            connections = work.connections,
            memory_bytes,
            "the service's instance has served enough: a new one takes its place"
        );
        if !self.start_successor(service) {
            self.served_nothing_yet(service);
        }
    }

    /// Whether a service has an instance, or one is being started in its place.
    pub(super) fn has_instance(&self, service: usize) -> bool {
        let served = &self.services[service];
        served.instance.is_some() || served.successor.is_some()
    }

    /// Starts what is to take the place of a service's instance. False where it would be one too many.
    fn start_successor(&mut self, service: usize) -> bool {
        if self.phase != Phase::Serving {
            return false;
        }
        let retired = self.instances.iter();
        let retired = retired.filter(|(_, one)| one.service == service && one.is_retired());
        if retired.count() >= RETIRED_MAX {
            tracing::warn!(
                service = self.services[service].service.origin.service,
                "{RETIRED_MAX} older instances of the service still have connections: no further one takes its place now"
            );
            return false;
        }
        let key = self.new_instance(service, Role::Service);
        self.services[service].successor = Some(key);
        if !self.services[service].service.code.exports().lifecycle {
            self.has_started(key);
        }
        true
    }

    /// An instance of a service is ready: if it is a successor, it takes the place.
    pub(super) fn succeeds(&mut self, service: usize, key: InstanceKey) {
        let served = &mut self.services[service];
        if served.successor != Some(key) {
            return;
        }
        served.successor = None;
        let old = served.instance.replace(key);
        if let Some(old) = old
            && let Some(instance) = self.instance(old)
        {
            instance.retire();
            // What waited for the running handler to return, and `stop`, come when it is idle.
            self.queue_instance(old);
        }
    }

    /// A service's instance has failed that was not the one which takes connections. Returns whether it was such a one, so
    /// that nothing else follows from it.
    pub(super) fn bystander_has_failed(
        &mut self,
        service: usize,
        standing: Standing,
        fault: &Fault,
    ) -> bool {
        let served = &self.services[service];
        match standing {
            Standing::InPlace => false,
            Standing::Retired => true,
            Standing::Successor if served.instance.is_none() => false,
            Standing::Successor => {
                tracing::warn!(
                    service = served.service.origin.service,
                    reason = fault.message,
                    "the new instance could not start: the old one goes on"
                );
                self.served_nothing_yet(service);
                true
            }
        }
    }

    /// What an instance is to its service. To be asked before it is removed.
    pub(super) fn standing(&mut self, key: InstanceKey) -> Standing {
        let Some(instance) = self.instance(key) else {
            return Standing::Retired;
        };
        let (service, is_retired) = (instance.service, instance.is_retired());
        if self.services[service].successor == Some(key) {
            Standing::Successor
        } else if is_retired {
            Standing::Retired
        } else {
            Standing::InPlace
        }
    }

    /// It counts from here on: what could not be done now is tried again after as much more work.
    fn served_nothing_yet(&mut self, service: usize) {
        if let Some(key) = self.services[service].instance
            && let Some(instance) = self.instance(key)
        {
            instance.work = Work::default();
        }
    }
}

/// What an instance is to its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It takes the connections.
    InPlace,
    /// It is being started to do so.
    Successor,
    /// It did so once.
    Retired,
}

/// Older instances of a service that still have connections. With so many, none is succeeded: each takes memory.
const RETIRED_MAX: usize = 8;
