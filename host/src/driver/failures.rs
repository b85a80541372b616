//! Instances that end against their will: what is logged, whose connections go with them, and when a service starts again.

use super::connections::ConnectionKey;
use super::instances::{InstanceKey, Role};
use super::recycle::Standing;
use super::report::{Condition, Failure};
use super::shutdown::Exit;
use super::{Driver, Due};
use crate::clock;
use crate::core::CloseReason;
use crate::guest::{Fault, FaultKind};
use crate::service::Service;

impl Driver {
    pub(super) fn suspended_too_long(&mut self, key: InstanceKey) {
        if let Some(instance) = self.instance(key)
            && let Some(handler) = instance.guest.running()
        {
            let service = instance.service;
            let max = self.services[service].service.limits.call_suspended_max;
            let message =
                format!("the handler was suspended for more than {max:?} (--call-suspended-max)");
            self.instance_has_failed(key, handler, &Fault::limit(message));
        }
    }

    pub(super) fn farewell_is_over(&mut self, key: InstanceKey) {
        if let Some(instance) = self.instance(key) {
            let handler = instance.guest.running().unwrap_or("none");
            let service = instance.service;
            let max = self.services[service].service.limits.farewell_max;
            let message = format!("it still ran {max:?} after its connection was lost");
            self.instance_has_failed(key, handler, &Fault::limit(message));
        }
    }

    /// The instance has ended against its will: so do its connections, and nobody else's.
    pub(super) fn instance_has_failed(&mut self, key: InstanceKey, handler: &str, fault: &Fault) {
        let Some(instance) = self.instance(key) else {
            return;
        };
        let (service, role) = (instance.service, instance.role);
        let mut connections: Vec<_> = instance.connections.iter().map(|(_, key)| *key).collect();
        // In the order in which they came.
        connections.sort_unstable_by_key(|connection| connection.id);
        if fault.kind == FaultKind::Memory {
            self.host.memory_is_short();
        }
        let standing = self.standing(key);
        self.note_failure(service, role, connections.first().copied(), handler, fault);
        let cause = self.trace_failure(key, handler, fault);
        // Before the instance goes: it has the ledger.
        let taken: Vec<_> = connections
            .into_iter()
            .filter_map(|connection| Some((connection, self.take_connection(connection)?)))
            .collect();
        self.remove_instance(key);
        self.role_is_vacant(service, role, standing, fault);
        // Only now: a peer that has seen the end and comes back is not to be handed to an instance that is no more.
        for (connection, taken) in taken {
            self.trace_end(&taken, &CloseReason::GuestFailed, cause.as_ref());
            self.reactor.abort(connection.token);
            self.log_end(&taken, &CloseReason::GuestFailed);
            self.connection_has_gone(service, taken.peer.ip());
        }
    }

    /// What an instance did that has failed is done by nobody, or by another one.
    fn role_is_vacant(&mut self, service: usize, role: Role, standing: Standing, fault: &Fault) {
        match role {
            Role::Connection => {}
            Role::Trial => self.services[service].tell_start(Err(fault.message.clone())),
            Role::Service if self.bystander_has_failed(service, standing, fault) => {}
            Role::Service | Role::Program => {
                let is_refused = fault.kind == FaultKind::Refused && !self.services[service].up;
                let is_fatal = is_refused || role == Role::Program;
                self.services[service].tell_start(Err(fault.message.clone()));
                if self.services[service].service.is_sole && is_fatal {
                    let guest = self.services[service].service.origin.guest.clone();
                    let error = fault.message.clone();
                    self.exit = Some(Exit::Failed { guest, error });
                } else {
                    self.restart(service);
                }
            }
        }
    }

    /// A program has returned an error.
    pub(super) fn program_has_failed(&mut self, key: InstanceKey, service: usize, error: String) {
        let Service {
            origin, is_sole, ..
        } = &*self.services[service].service;
        if *is_sole {
            let guest = origin.guest.clone();
            self.exit = Some(Exit::Failed { guest, error });
        } else {
            let fault = Fault {
                kind: FaultKind::Refused,
                message: error,
                backtrace: String::new(),
            };
            self.instance_has_failed(key, "execute", &fault);
        }
    }

    fn restart(&mut self, service: usize) {
        if self.services[service].closed {
            return;
        }
        let served = &mut self.services[service];
        served.totals.restarts += 1;
        let mut pause = served.backoff.failed(self.now);
        let failures = served.backoff.in_a_row();
        let name = &served.service.origin.service;
        let limits = &served.service.limits;
        let condition = if failures < limits.failures_in_a_row_max {
            tracing::info!(
                service = name,
                pause_ms = pause.as_millis() as u64,
                instances = served.seat.all.len(),
                "the service's instance will be started again; until then it takes no connections"
            );
            Condition::Restarting
        } else {
            pause = limits.broken_pause;
            tracing::error!(
                service = name,
                failures,
                pause_s = pause.as_secs(),
                "the service's instance fails each time: peers are turned away, and it is tried once more after the pause; a reload with a better build ends that"
            );
            Condition::Broken
        };
        self.set_condition(service, condition);
        self.deadlines
            .insert(self.now + pause, Due::Restart(service));
    }

    fn note_failure(
        &mut self,
        service: usize,
        role: Role,
        connection: Option<ConnectionKey>,
        handler: &str,
        fault: &Fault,
    ) {
        // An instance that serves everybody fails on nobody's account.
        let connection = connection.filter(|_| role == Role::Connection);
        let peer = connection.and_then(|key| Some(self.connection(key)?.peer));
        self.services[service].totals.failed(Failure {
            at: clock::time_of_day(),
            handler: handler.to_owned(),
            kind: fault.kind.as_str(),
            message: fault.message.clone(),
            backtrace: fault.backtrace.clone(),
            connection: connection.map(|key| key.id),
            peer,
        });
        if !self.may_log(service) {
            return;
        }
        let peer = peer.map(|peer| peer.to_string());
        let served = &self.services[service].service;
        tracing::error!(
            service = served.origin.service,
            guest = served.origin.guest,
            connection = connection.map(|key| key.id),
            peer,
            handler,
            kind = fault.kind.as_str(),
            reason = fault.message,
            memory_max_bytes = served.limits.memory_max_bytes,
            call_cpu_max_ms = served.limits.call_cpu_max.as_millis() as u64,
            backtrace = %fault.backtrace,
            "the guest failed in {handler}: {}",
            fault.message
        );
    }
}
