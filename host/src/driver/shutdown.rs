//! How the host ends: the drain that a first signal begins, the abort that a second one is, and the end of programs.

use super::crew::{Mail, OnDrain};
use super::instances::Role;
use super::{Driver, Due, Served};
use crate::core::{CloseReason, Ending};
use crate::limits::Limits;
use crate::reactor::{Signal, Signals};

/// Whether the host is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Nobody is accepted; connections may finish.
    Draining,
}

/// How a driver's run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// In order, when asked to.
    Drained,
    /// By a second signal.
    Aborted(Signal),
    /// The programs are done.
    Finished,
    /// A guest said that it cannot go on: `execute` or a service's `start` returned this error, or failed.
    Failed {
        /// The guest's name.
        guest: String,
        /// What it said.
        error: String,
    },
}

impl Driver {
    pub(super) fn take_signals(&mut self) {
        let arrived: Vec<_> = self.signals.iter_mut().flat_map(Signals::arrived).collect();
        for signal in arrived {
            for mailbox in self.place.mailboxes.iter().skip(1) {
                mailbox.send(Mail::Signal(signal));
            }
            self.stop(signal);
        }
    }

    /// The host is asked to stop.
    pub(super) fn stop(&mut self, signal: Signal) {
        match self.phase {
            Phase::Serving => self.drain(),
            Phase::Draining => self.exit = Some(Exit::Aborted(signal)),
        }
    }

    /// Accepts nobody any more, and ends when connections have finished or had their time.
    pub(super) fn drain(&mut self) {
        if self.phase == Phase::Draining {
            return;
        }
        self.phase = Phase::Draining;
        if let Some(OnDrain(act)) = self.on_drain.take() {
            act();
        }
        self.stop_listening();
        if self.place.is_first() {
            let services = self.services.iter().enumerate();
            let services = services.filter(|(place, served)| served.seat.all.start == *place);
            tracing::info!(
                connections = services
                    .map(|(_, served)| served.census.connections())
                    .sum::<u32>(),
                drain_max_s = self.drain_max.as_secs_f64(),
                "draining: accepting nobody, letting connections finish; a second signal aborts"
            );
        }
        self.deadlines
            .insert(self.now + self.drain_max, Due::DrainOver);
        // A program has no connections to finish: its waits end now.
        self.stop_waits(|role, _| role == Role::Program);
    }

    /// Connections have had their time.
    pub(super) fn drain_is_over(&mut self) {
        tracing::info!(
            reactor = self.place.index,
            connections = self.connections_open,
            "the drain is over: closing what is left"
        );
        self.stop_waits(|_, _| true);
        for key in self.connection_keys() {
            self.flush(key);
            self.end_connection(key, Ending::Abort(CloseReason::Stopping));
        }
        let farewell = self.services.iter();
        let farewell = farewell.map(|served| served.service.limits.farewell_max);
        let longest = farewell
            .max()
            .unwrap_or_else(|| Limits::default().farewell_max);
        self.deadlines.insert(self.now + longest, Due::GiveUp);
    }

    /// At the end of each turn: is there anything left to do?
    pub(super) fn check_shutdown(&mut self) {
        if self.exit.is_some() {
            return;
        }
        match self.phase {
            Phase::Serving if self.place.is_first() => {
                let sole = |served: &Served| {
                    served.service.is_sole && !served.service.serves_connections()
                };
                let only_programs = !self.services.is_empty() && self.services.iter().all(sole);
                if only_programs && self.programs_are_done() {
                    self.exit = Some(Exit::Finished);
                }
            }
            Phase::Draining if self.connections_open == 0 => {
                self.dismiss_idle_instances();
                if self.instances.is_empty() {
                    self.exit = Some(Exit::Drained);
                }
            }
            Phase::Serving | Phase::Draining => {}
        }
    }
}
