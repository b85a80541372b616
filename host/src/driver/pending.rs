//! Timers, pages and their outcomes: what guests have asked for is carried out, and what comes of it is brought to them.

use std::time::Duration;

use super::crew::Mail;
use super::events::Event;
use super::instances::InstanceKey;
use super::{Driver, Due, Exit, Ready};
use crate::guest::{Arrival, Command, Outbox, Outcome, PendingNumber};
use crate::limits::per_turn;
use crate::reactor::Mailbox;
use crate::web;

impl Driver {
    /// Does what the instance has recorded.
    pub(super) fn apply_outbox(&mut self, key: InstanceKey, mut outbox: Box<Outbox>) {
        let mut sent_bytes = 0;
        for command in outbox.commands.drain(..) {
            self.apply_command(key, command, &outbox.bytes, &mut sent_bytes);
        }
        outbox.clear();
        self.outbox = Some(outbox);
    }

    fn apply_command(
        &mut self,
        key: InstanceKey,
        command: Command,
        all_bytes: &[u8],
        sent_bytes: &mut usize,
    ) {
        match command {
            Command::Transport(number, command) => {
                let mut bytes: &[u8] = &[];
                if let crate::core::TransportCommand::Write(length) = command {
                    bytes = &all_bytes[*sent_bytes..*sent_bytes + length];
                    *sent_bytes += length;
                }
                let instance = self.instance(key);
                let connection = instance.and_then(|one| one.connections.get(number).copied());
                if let Some(connection) = connection {
                    self.apply_to_connection(connection, command, bytes);
                }
            }
            Command::CallLater(number, delay_ms) => {
                self.guest_asked(key, |ledger| ledger.timers += 1);
                let at = self.now + Duration::from_millis(u64::from(delay_ms));
                let deadline = self.deadlines.insert(at, Due::Timer(key, number));
                match self.instance(key) {
                    Some(instance) => drop(instance.timers.insert(number, deadline)),
                    None => drop(self.deadlines.cancel(deadline)),
                }
            }
            Command::Fetch(number, request) => self.fetch(key, number, *request),
            Command::Cancel(number) => {
                if let Some(instance) = self.instance(key) {
                    instance.fetches.remove(&number);
                    if let Some(deadline) = instance.timers.remove(&number) {
                        self.deadlines.cancel(deadline);
                    }
                }
            }
        }
    }

    fn fetch(&mut self, key: InstanceKey, number: PendingNumber, mut request: web::Request) {
        let mailbox: Mailbox<Mail> = self.mailbox.clone();
        let Some(service) = self.instance(key).map(|instance| instance.service) else {
            return;
        };
        let span = self.trace_fetch(key, &mut request);
        let deliver = move |page| {
            if let Some(span) = span {
                span.has_ended(&page);
            }
            mailbox.send(Mail::Page(key, number, page));
        };
        let fetch = self.services[service].service.web.fetch(request, deliver);
        self.guest_asked(key, |ledger| ledger.fetches += 1);
        if let Some(instance) = self.instance(key) {
            instance.fetches.insert(number, fetch);
        }
    }

    pub(super) fn timer_is_due(&mut self, key: InstanceKey, number: PendingNumber) {
        if let Some(instance) = self.instance(key) {
            instance.timers.remove(&number);
            self.outcome_arrived(key, number, Outcome::Timer);
        }
    }

    /// Takes what other threads have sent.
    pub(super) fn take_mail(&mut self) {
        for _ in 0..per_turn::MAILS_MAX {
            match self.mail.try_recv() {
                Ok(Mail::Page(key, number, page)) => {
                    if let Some(instance) = self.instance(key) {
                        instance.fetches.remove(&number);
                        self.outcome_arrived(key, number, Outcome::Page(page));
                    }
                }
                Ok(Mail::Woken(key)) => self.instance_is_woken(key),
                Ok(Mail::Adopt(service, socket, peer)) => self.adopt(service, socket, peer),
                Ok(Mail::AcceptAgain(service)) => self.service_may_accept_again(service),
                Ok(Mail::Order(order)) => self.take_order(order),
                Ok(Mail::Signal(signal)) => self.stop(signal),
                Ok(Mail::Quit) => self.exit = Some(Exit::Drained),
                Err(_) => return,
            }
        }
        // The waker has been spent: without this the rest would lie there until the next mail.
        self.carried.push(Ready::Mail);
    }

    fn outcome_arrived(&mut self, key: InstanceKey, number: PendingNumber, outcome: Outcome) {
        let Some(instance) = self.instance(key) else {
            return;
        };
        match instance.guest.outcome_arrived(number, outcome) {
            Arrival::Unwanted => {}
            Arrival::Run => self.ready.push_back(Ready::Resume(key)),
            Arrival::Deliver => self.push_event(key, Event::Outcome(number)),
        }
    }
}
