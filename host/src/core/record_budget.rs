//! How many log records somebody may still cause in this second: a flood of one service's must not fill a disk, nor make others'
//! records be dropped.

use std::time::{Duration, Instant};

/// See the file's header.
#[derive(Debug)]
pub struct RecordBudget {
    per_second_max: u32,
    since: Option<Instant>,
    records: u32,
}

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is written.
    Write,
    /// It is the first that is dropped in this second: that is to be said, once.
    Last,
    /// It is dropped.
    Drop,
}

impl RecordBudget {
    /// So many records in each second.
    pub fn new(per_second_max: u32) -> Self {
        Self {
            per_second_max,
            since: None,
            records: 0,
        }
    }

    /// Asks for one record.
    pub fn take(&mut self, now: Instant) -> Admission {
        let since = *self.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= Duration::from_secs(1) {
            self.since = Some(now);
            self.records = 0;
        }
        self.records = self.records.saturating_add(1);
        match self.records.cmp(&self.per_second_max.saturating_add(1)) {
            std::cmp::Ordering::Less => Admission::Write,
            std::cmp::Ordering::Equal => Admission::Last,
            std::cmp::Ordering::Greater => Admission::Drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_each_second_and_said_once() {
        let mut budget = RecordBudget::new(3);
        let start = crate::clock::now();
        for second in 0..2 {
            let now = start + Duration::from_secs(second);
            for _ in 0..3 {
                assert_eq!(budget.take(now), Admission::Write);
            }
            assert_eq!(budget.take(now), Admission::Last);
            assert_eq!(budget.take(now), Admission::Drop);
        }
    }
}
