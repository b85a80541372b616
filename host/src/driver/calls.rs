//! An instance's calls: which handler is called when, and what follows when it returns, waits or has used up its slice.

use std::sync::atomic::Ordering;

use super::events::Event;
use super::instances::{InstanceKey, Leaving, Role};
use super::{Driver, Due, Ready};
use crate::clock;
use crate::guest::{Call, Fault, Outcome, Returned, Step};
use crate::limits::per_turn;

impl Driver {
    /// Delivers queued events, within the instance's budget.
    pub(super) fn deliver_events(&mut self, key: InstanceKey) {
        if let Some(instance) = self.instance(key) {
            instance.queued = false;
        }
        for _ in 0..per_turn::CALLS_MAX {
            let Some(instance) = self.instance(key) else {
                return;
            };
            if instance.guest.is_busy() {
                return;
            }
            let Some(event) = instance.events.pop_front() else {
                return self.instance_is_idle(key);
            };
            if let Some(call) = self.call_for(key, event) {
                self.call(key, call);
            }
        }
        if let Some(instance) = self.instance(key) {
            instance.queued = true;
            self.carried.push(Ready::Instance(key));
        }
    }

    /// The call that tells of an event, unless the guest has no handler for it or does not want it any more.
    fn call_for(&mut self, key: InstanceKey, event: Event) -> Option<Call> {
        let instance = self.instances.get_mut(key.place)?;
        let exports = instance.exports;
        match event {
            Event::Start => Some(Call::Start),
            Event::Execute => Some(Call::Execute),
            Event::SaveState => Some(Call::SaveState),
            Event::RestoreState(state) => Some(Call::RestoreState(state)),
            Event::Made(number) => Some(Call::ConnectionMade(number)),
            Event::ReadClosed(number) => Some(Call::ReadClosed(number)),
            Event::Drained(number) => Some(Call::Drained(number)),
            Event::Lost(number, reason) => Some(Call::ConnectionLost(number, reason)),
            Event::Outcome(number) => match instance.guest.take_outcome(number)? {
                Outcome::Timer => exports.timer.then_some(Call::TimerFired(number)),
                Outcome::Page(page) => exports.page.then_some(Call::PageReceived(number, page)),
            },
        }
    }

    /// No event is left: the instance leaves if it is to, or takes data again.
    fn instance_is_idle(&mut self, key: InstanceKey) {
        let Some(instance) = self.instance(key) else {
            return;
        };
        match instance.leaving {
            Leaving::No | Leaving::WhenAlone => {
                let service = instance.service;
                for connection in std::mem::take(&mut instance.blocked) {
                    self.queue_connection(connection);
                }
                self.service_may_accept_again(service);
            }
            Leaving::WhenIdle => {
                instance.leaving = Leaving::Stopped;
                if instance.exports.lifecycle {
                    self.call(key, Call::Stop);
                }
                self.queue_instance(key);
            }
            Leaving::Stopped => self.remove_instance(key),
        }
    }

    /// Calls a handler. The instance must not be busy.
    pub(super) fn call(&mut self, key: InstanceKey, call: Call) {
        let outbox = self.outbox.take().unwrap_or_default();
        if let Some(instance) = self.instance(key) {
            let handler = call.handler();
            let about = call.connection();
            instance.about = about.and_then(|number| instance.connections.get(number).copied());
            let began = clock::now();
            let step = instance.guest.call(call, outbox);
            let ended = clock::now();
            self.guest_ran(key, ended - began, ended, step.is_over());
            self.after_step(key, handler, step);
        }
    }

    /// Goes on with a suspended handler.
    pub(super) fn resume(&mut self, key: InstanceKey) {
        if let Some(instance) = self.instance(key)
            && let Some(handler) = instance.guest.running()
        {
            let began = clock::now();
            let step = instance.guest.run();
            let ended = clock::now();
            self.guest_ran(key, ended - began, ended, step.is_over());
            self.after_step(key, handler, step);
        }
    }

    /// The waker of an instance was called.
    pub(super) fn instance_is_woken(&mut self, key: InstanceKey) {
        if let Some(instance) = self.instance(key) {
            instance.waker.sent.store(false, Ordering::Release);
            if instance.guest.is_preempted() {
                self.preempted.push_back(key);
            } else {
                self.ready.push_back(Ready::Resume(key));
            }
        }
    }

    fn after_step(&mut self, key: InstanceKey, handler: &'static str, step: Step) {
        match step {
            Step::Ended(fault) => self.instance_has_failed(key, handler, &fault),
            Step::Suspended(outbox) => {
                self.apply_outbox(key, outbox);
                self.handler_is_suspended(key);
                self.handler_waits(key, handler);
            }
            Step::Preempted => {
                self.host.slice_was_used_up();
                self.handler_is_suspended(key);
            }
            Step::Returned(returned, outbox) => {
                self.apply_outbox(key, outbox);
                self.handler_has_returned(key, handler, returned);
            }
        }
    }

    fn handler_has_returned(&mut self, key: InstanceKey, handler: &str, returned: Returned) {
        let mut failure = None;
        match returned {
            Returned::Nothing => {}
            Returned::Buffer(buffer) => self.give_back_buffer(buffer),
            Returned::Error(error) => failure = Some(error),
            Returned::State(state) => {
                if let Some(heir) = self.instance(key).and_then(|one| one.heir.take()) {
                    self.leave(heir, Ok(Some(state)));
                }
            }
        }
        let Some(instance) = self.instance(key) else {
            return;
        };
        let was_suspended = instance.suspended.take();
        let waited = std::mem::take(&mut instance.waits);
        instance.work.calls += 1;
        let (service, role) = (instance.service, instance.role);
        if !instance.events.is_empty()
            || !instance.blocked.is_empty()
            || instance.leaving != Leaving::No
        {
            self.queue_instance(key);
        }
        if let Some(deadline) = was_suspended {
            self.deadlines.cancel(deadline);
        }
        if waited {
            self.services[service].census.resume();
        }
        match (role, handler) {
            (Role::Service, "start") => self.has_started(key),
            (Role::Service, "restore-state") => self.service_is_up(key),
            (Role::Service, _) => self.consider_recycling(key),
            (Role::Trial, "start") => self.trial_is_over(key),
            _ => {}
        }
        if let Some(error) = failure {
            self.program_has_failed(key, service, error);
        }
    }

    /// It will go on later: because of what it waits for, or because it has used up its slice.
    fn handler_is_suspended(&mut self, key: InstanceKey) {
        let Some(instance) = self.instance(key) else {
            return;
        };
        if instance.suspended.is_some() {
            return;
        }
        let service = instance.service;
        let is_leaving = instance.leaving != Leaving::No && instance.role == Role::Connection;
        let limits = &self.services[service].service.limits;
        if is_leaving {
            self.deadlines
                .insert(self.now + limits.farewell_max, Due::Farewell(key));
        }
        let deadline = self.now + limits.call_suspended_max;
        let deadline = self.deadlines.insert(deadline, Due::SuspendedTooLong(key));
        if let Some(instance) = self.instance(key) {
            instance.suspended = Some(deadline);
        }
    }

    /// It counts among its service's handlers that wait, until it returns. One that computes may be interrupted at any time and
    /// can do nothing about it: it does not count.
    fn handler_waits(&mut self, key: InstanceKey, handler: &'static str) {
        let Some(instance) = self.instance(key) else {
            return;
        };
        if std::mem::replace(&mut instance.waits, true) {
            return;
        }
        let service = instance.service;
        let served = &self.services[service];
        let suspended_max = served.service.limits.suspended_max;
        if served.census.suspend() > suspended_max {
            let message = format!(
                "more than {suspended_max} handlers of the service are suspended (--suspended-max)"
            );
            self.instance_has_failed(key, handler, &Fault::limit(message));
        }
    }
}
