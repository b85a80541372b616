//! Every pending deadline of a reactor thread in one table. Knows no clock and not what the deadlines are for.

use std::collections::BTreeMap;
use std::time::Instant;

/// Names one entry of a [`Deadlines`] table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeadlineKey(Instant, u64);

/// What is due when. Entries that are due at the same instant come in the order of their insertion.
#[derive(Debug)]
pub struct Deadlines<T> {
    entries: BTreeMap<DeadlineKey, T>,
    inserted: u64,
}

impl<T> Default for Deadlines<T> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            inserted: 0,
        }
    }
}

impl<T> Deadlines<T> {
    /// Adds something that is due at `at`. Keep the key if it may have to be cancelled.
    pub fn insert(&mut self, at: Instant, due: T) -> DeadlineKey {
        self.inserted += 1;
        let key = DeadlineKey(at, self.inserted);
        self.entries.insert(key, due);
        key
    }

    /// Takes an entry out, if it is still there.
    pub fn cancel(&mut self, key: DeadlineKey) -> Option<T> {
        self.entries.remove(&key)
    }

    /// When the next entry is due: how long the reactor may sleep.
    pub fn next(&self) -> Option<Instant> {
        self.entries.first_key_value().map(|(key, _)| key.0)
    }

    /// Takes the next entry out if it is due. Call it until there is none, once a turn, with the turn's `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        let entry = self.entries.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        #[test]
        fn pops_in_order_of_time_and_insertion(
            delays in prop::collection::vec((0u64..50, any::<bool>()), 0..100), until in 0u64..60,
        ) {
            let start = Instant::now();
            let mut deadlines = Deadlines::default();
            let mut expected = Vec::new();
            for (index, (delay, cancelled)) in delays.iter().enumerate() {
                let key = deadlines.insert(start + Duration::from_millis(*delay), index);
                if *cancelled {
                    prop_assert_eq!(deadlines.cancel(key), Some(index));
                    prop_assert_eq!(deadlines.cancel(key), None);
                } else if *delay <= until {
                    expected.push((*delay, index));
                }
            }
            expected.sort_unstable();
            let now = start + Duration::from_millis(until);
            let popped: Vec<_> = std::iter::from_fn(|| deadlines.pop_due(now)).collect();
            prop_assert_eq!(popped, expected.into_iter().map(|(_, index)| index).collect::<Vec<_>>());
            prop_assert!(deadlines.next().is_none_or(|next| next > now));
        }
    }
}
