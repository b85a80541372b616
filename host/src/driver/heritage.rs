//! State that one instance of a service leaves to the one that takes its place, within a driver or from one to another. Where
//! the old one has none to leave, the new one begins without; where it cannot be had or is not taken, the old one goes on.

use super::Driver;
use super::control::Order;
use super::crew::Mail;
use super::events::Event;
use super::instances::InstanceKey;
use crate::guest::Fault;
use crate::limits::STATE_MAX_BYTES;

/// Who waits for what an instance saves: an instance of this driver.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heir {
    driver: usize,
    key: InstanceKey,
}

/// From one driver to another.
#[derive(Debug)]
pub(super) enum Heritage {
    /// The instance of this seat is to save its state for that heir.
    Wanted(usize, Heir),
    /// It has; or there is none; or why it cannot be had.
    Saved(InstanceKey, Result<Option<Vec<u8>>, String>),
}

impl Driver {
    /// An instance that is to serve all connections has started: it takes over what the one before it leaves, and is ready then.
    pub(super) fn has_started(&mut self, key: InstanceKey) {
        let exports = self.exports_of(key);
        let Some(service) = self.instance(key).map(|instance| instance.service) else {
            return;
        };
        let served = &mut self.services[service];
        let inherited = served.inherits.take();
        let is_successor = served.successor == Some(key) && served.instance.is_some();
        let from = is_successor.then_some(service).or(inherited);
        match from.filter(|_| exports.state) {
            Some(from) => {
                let heir = Heir {
                    driver: self.place.index,
                    key,
                };
                let home = self.services[from].seat.home;
                self.send_heritage(home, Heritage::Wanted(from, heir));
            }
            None => self.service_is_up(key),
        }
    }

    pub(super) fn take_heritage(&mut self, heritage: Heritage) {
        match heritage {
            Heritage::Wanted(seat, heir) => self.save_state_for(seat, heir),
            Heritage::Saved(key, Ok(Some(state))) => {
                self.push_event(key, Event::RestoreState(state));
            }
            Heritage::Saved(key, Ok(None)) => self.service_is_up(key),
            Heritage::Saved(key, Err(message)) => {
                self.instance_has_failed(key, "restore-state", &Fault::limit(message));
            }
        }
    }

    fn save_state_for(&mut self, seat: usize, heir: Heir) {
        let old = self.services[seat].instance;
        let old = old.filter(|key| self.exports_of(*key).state);
        match old.and_then(|key| self.instance(key)) {
            // Two at a time cannot both be its successors.
            Some(instance) if instance.heir.is_none() => {
                instance.heir = Some(heir);
                let key = instance.key();
                self.push_event(key, Event::SaveState);
            }
            _ => self.leave(heir, Ok(None)),
        }
    }

    /// The old instance has saved its state, or is no more.
    pub(super) fn leave(&mut self, heir: Heir, state: Result<Option<Vec<u8>>, String>) {
        let state = state.and_then(|state| match state {
            Some(state) if state.len() > STATE_MAX_BYTES => Err(format!(
                "the state to be taken over has {} bytes, and may have {STATE_MAX_BYTES}",
                state.len()
            )),
            state => Ok(state),
        });
        self.send_heritage(heir.driver, Heritage::Saved(heir.key, state));
    }

    fn send_heritage(&self, driver: usize, heritage: Heritage) {
        self.place.mailboxes[driver].send(Mail::Order(Order::Heritage(heritage)));
    }
}
