//! What a connection, an instance or a service has used: numbers that only grow.

use std::time::Duration;

/// See the file's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Handlers that were called.
    pub calls: u64,
    /// How long guests ran. It is what their reactor had to wait for, and so what they cost the others: on a machine with more
    /// threads than cores that may be more than their CPU time.
    pub busy: Duration,
    /// The longest that a guest ran without giving the others a turn.
    pub longest_run: Duration,
    /// Bytes from peers.
    pub received_bytes: u64,
    /// Bytes to peers.
    pub sent_bytes: u64,
    /// Timers that were set.
    pub timers: u64,
    /// Pages that were asked for.
    pub fetches: u64,
}

impl Ledger {
    /// A guest ran for so long without giving the others a turn.
    pub fn ran(&mut self, took: Duration) {
        self.busy += took;
        self.longest_run = self.longest_run.max(took);
    }

    /// Adds what another has used.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.busy += other.busy;
        self.longest_run = self.longest_run.max(other.longest_run);
        self.received_bytes += other.received_bytes;
        self.sent_bytes += other.sent_bytes;
        self.timers += other.timers;
        self.fetches += other.fetches;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_keeps_the_longest_run() {
        let mut one = Ledger::default();
        one.ran(Duration::from_millis(2));
        one.ran(Duration::from_millis(5));
        let mut sum = Ledger {
            calls: 1,
            sent_bytes: 7,
            ..Ledger::default()
        };
        sum.ran(Duration::from_millis(3));
        sum.add(&one);
        assert_eq!(sum.busy, Duration::from_millis(10));
        assert_eq!(sum.longest_run, Duration::from_millis(5));
        assert_eq!((sum.calls, sum.sent_bytes), (1, 7));
    }
}
