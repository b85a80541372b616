//! What one instance has asked for and not got yet. Knows neither who brings outcomes nor how a guest waits for them.

use std::collections::BTreeMap;

use super::exchange::{LimitHit, PendingNumber};
use crate::web;

/// What a pending thing ends with.
#[derive(Debug)]
pub enum Outcome {
    /// A timer has run out.
    Timer,
    /// A page is there, or will never be.
    Page(web::Page),
}

#[derive(Debug)]
enum Entry {
    Asked,
    /// The outcome is there, but no handler has been told and nobody has waited for it yet.
    There(Outcome),
}

/// The pending things of one instance.
#[derive(Debug, Default)]
pub(super) struct PendingTable {
    entries: BTreeMap<PendingNumber, Entry>,
    /// Pages that were waited for and not taken yet.
    waited: BTreeMap<PendingNumber, web::Page>,
    issued: PendingNumber,
    /// The bodies of all pages in this table, in bytes.
    held_bytes: u64,
}

/// What there is to know of a number that a guest waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// Never asked for, cancelled or delivered.
    Unknown,
    /// Not there yet.
    Asked,
    /// There.
    There,
}

impl PendingTable {
    /// Gives a number to something that the guest asks for.
    pub fn ask(&mut self, pending_max: u32) -> Result<PendingNumber, LimitHit> {
        if self.entries.len() >= pending_max as usize {
            return Err(LimitHit(format!(
                "more than {pending_max} timers and pages are pending (--pending-max)"
            )));
        }
        loop {
            self.issued = self.issued.checked_add(1).unwrap_or(1);
            if !self.entries.contains_key(&self.issued) {
                break;
            }
        }
        self.entries.insert(self.issued, Entry::Asked);
        Ok(self.issued)
    }

    /// An outcome has come. Returns whether anybody still wants it. A page that would make the table hold more than
    /// `held_max_bytes` becomes an error: a guest that lets pages pile up must not use the host's memory for it.
    pub fn arrived(
        &mut self,
        number: PendingNumber,
        mut outcome: Outcome,
        held_max_bytes: u64,
    ) -> bool {
        let Some(entry) = self.entries.get_mut(&number) else {
            return false;
        };
        if let Outcome::Page(page) = &mut outcome {
            if self.held_bytes + body_bytes(page) > held_max_bytes {
                *page = Err(web::FetchError::TooLarge(held_max_bytes - self.held_bytes));
            }
            self.held_bytes += body_bytes(page);
        }
        *entry = Entry::There(outcome);
        true
    }

    /// How it stands with a number.
    pub fn lookup(&self, number: PendingNumber) -> Lookup {
        match self.entries.get(&number) {
            None => Lookup::Unknown,
            Some(Entry::Asked) => Lookup::Asked,
            Some(Entry::There(_)) => Lookup::There,
        }
    }

    /// Takes an outcome that is there, to deliver it to a handler.
    pub fn take(&mut self, number: PendingNumber) -> Option<Outcome> {
        if self.lookup(number) != Lookup::There {
            return None;
        }
        match self.entries.remove(&number) {
            Some(Entry::There(outcome)) => {
                if let Outcome::Page(page) = &outcome {
                    self.held_bytes -= body_bytes(page);
                }
                Some(outcome)
            }
            _ => None,
        }
    }

    /// The guest has waited for an outcome that is there: a page stays until it is taken or the handler returns.
    pub fn waited(&mut self, number: PendingNumber) {
        if let Some(Outcome::Page(page)) = self.take(number) {
            self.held_bytes += body_bytes(&page);
            self.waited.insert(number, page);
        }
    }

    /// Takes a page that was waited for.
    pub fn take_waited(&mut self, number: PendingNumber) -> Option<web::Page> {
        let page = self.waited.remove(&number)?;
        self.held_bytes -= body_bytes(&page);
        Some(page)
    }

    /// The handler has returned: nobody can take the rest any more.
    pub fn handler_returned(&mut self) {
        while let Some((_, page)) = self.waited.pop_first() {
            self.held_bytes -= body_bytes(&page);
        }
    }

    /// Forgets a number. Returns whether it was pending.
    pub fn cancel(&mut self, number: PendingNumber) -> bool {
        self.take(number).is_some() || self.entries.remove(&number).is_some()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn body_bytes(page: &web::Page) -> u64 {
    page.as_ref()
        .map_or(0, |response| response.body.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD_MAX: u64 = 10;

    fn page(length: usize) -> Outcome {
        Outcome::Page(Ok(web::Response {
            status: 200,
            headers: Vec::new(),
            body: vec![0; length],
            url: String::new(),
        }))
    }

    #[test]
    fn pages_that_pile_up_become_errors() {
        let mut table = PendingTable::default();
        let numbers: Vec<_> = (0..3).map(|_| table.ask(10).unwrap()).collect();
        for number in &numbers {
            assert!(table.arrived(*number, page(6), HELD_MAX));
        }
        assert!(matches!(table.take(numbers[0]), Some(Outcome::Page(Ok(_)))));
        assert!(matches!(
            table.take(numbers[1]),
            Some(Outcome::Page(Err(web::FetchError::TooLarge(4))))
        ));
        let number = table.ask(10).unwrap();
        table.arrived(number, page(10), HELD_MAX);
        table.waited(number);
        table.handler_returned();
        assert_eq!(table.held_bytes, 0);
        let number = table.ask(10).unwrap();
        table.arrived(number, page(10), HELD_MAX);
        assert!(table.cancel(number));
        assert_eq!(table.held_bytes, 0);
    }

    #[test]
    fn an_outcome_is_delivered_once_to_whoever_comes_first() {
        let mut table = PendingTable::default();
        let (first, second) = (table.ask(10).unwrap(), table.ask(10).unwrap());
        assert_eq!(table.lookup(first), Lookup::Asked);
        assert!(table.take(first).is_none());
        assert!(table.arrived(first, Outcome::Timer, HELD_MAX));
        assert!(table.take(first).is_some());
        assert!(table.take(first).is_none());
        assert_eq!(table.lookup(first), Lookup::Unknown);

        assert!(table.arrived(
            second,
            Outcome::Page(Err(web::FetchError::Timeout)),
            HELD_MAX
        ));
        table.waited(second);
        assert!(table.take(second).is_none());
        assert!(table.take_waited(second).is_some());
        assert!(table.take_waited(second).is_none());
        assert!(table.is_empty());
    }

    #[test]
    fn what_was_cancelled_never_arrives() {
        let mut table = PendingTable::default();
        let number = table.ask(1).unwrap();
        assert!(table.ask(1).is_err(), "the limit is reached");
        assert!(table.cancel(number));
        assert!(!table.cancel(number));
        assert!(!table.arrived(number, Outcome::Timer, HELD_MAX));
        assert!(table.ask(1).is_ok());
    }
}
