//! When the requests of an open loop are to be sent, whatever became of those before; it must not know how, nor a clock.

use std::time::Duration;

const NS_PER_S: u128 = 1_000_000_000;

/// A fixed rate over many connections, in turn: request 0 on connection 0, request 1 on connection 1, …, evenly spaced.
///
/// A connection has one request under way at most. What is due while it waits queues (as numbers, so that nothing grows),
/// and keeps the time at which it was intended: from there its latency counts.
pub struct Schedule {
    rate_per_second: u64,
    requests: u64,
    issued: u64,
    answered: u64,
    queues: Vec<Queue>,
}

/// One connection's requests.
#[derive(Clone, Default)]
struct Queue {
    due: u64,
    begun: u64,
}

impl Schedule {
    /// A schedule for `length` from the beginning.
    pub fn new(rate_per_second: u64, connections: usize, length: Duration) -> Schedule {
        let requests = length.as_nanos() * u128::from(rate_per_second) / NS_PER_S;
        Schedule {
            rate_per_second,
            requests: requests as u64,
            issued: 0,
            answered: 0,
            queues: vec![Queue::default(); connections],
        }
    }

    /// The connection whose next request is due, `elapsed` after the beginning. Call it until there is none.
    pub fn pop_due(&mut self, elapsed: Duration) -> Option<usize> {
        if self.issued == self.requests || self.intended(self.issued) > elapsed {
            return None;
        }
        let connection = (self.issued % self.queues.len() as u64) as usize;
        self.issued += 1;
        self.queues[connection].due += 1;
        Some(connection)
    }

    /// Takes the oldest request that waits on `connection`: when it was to be sent. To be called when the connection is
    /// free.
    pub fn begin(&mut self, connection: usize) -> Option<Duration> {
        let connections = self.queues.len() as u64;
        let queue = &mut self.queues[connection];
        if queue.begun == queue.due {
            return None;
        }
        let request = queue.begun * connections + connection as u64;
        queue.begun += 1;
        Some(self.intended(request))
    }

    /// A request that was begun has its answer.
    pub fn answered(&mut self) {
        self.answered += 1;
    }

    /// Whether every request of the schedule has its answer.
    pub fn is_over(&self) -> bool {
        self.answered == self.requests
    }

    /// When the next request will be due; `None` when all have been.
    pub fn next(&self) -> Option<Duration> {
        (self.issued < self.requests).then(|| self.intended(self.issued))
    }

    /// Requests in all, and those that have no answer yet.
    pub fn requests(&self) -> (u64, u64) {
        (self.requests, self.requests - self.answered)
    }

    fn intended(&self, request: u64) -> Duration {
        let ns = u128::from(request) * NS_PER_S / u128::from(self.rate_per_second);
        Duration::from_nanos(ns as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn requests_are_evenly_spaced_and_take_turns() {
        let mut schedule = Schedule::new(1000, 2, 4 * MS);
        assert_eq!(schedule.pop_due(Duration::ZERO), Some(0));
        assert_eq!(schedule.pop_due(Duration::ZERO), None);
        assert_eq!(schedule.next(), Some(MS));
        assert_eq!(schedule.pop_due(2 * MS), Some(1));
        assert_eq!(schedule.pop_due(2 * MS), Some(0));
        assert_eq!(schedule.pop_due(2 * MS), None);
        assert_eq!(schedule.pop_due(100 * MS), Some(1));
        assert_eq!(schedule.pop_due(100 * MS), None, "the length is over");
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn what_waited_keeps_its_intended_time() {
        let mut schedule = Schedule::new(1000, 2, 6 * MS);
        while schedule.pop_due(5 * MS).is_some() {}
        let begun = |schedule: &mut Schedule, connection| {
            std::iter::from_fn(|| schedule.begin(connection)).collect::<Vec<_>>()
        };
        assert_eq!(begun(&mut schedule, 0), [Duration::ZERO, 2 * MS, 4 * MS]);
        assert_eq!(begun(&mut schedule, 1), [MS, 3 * MS, 5 * MS]);
    }

    #[test]
    fn it_is_over_with_the_last_answer() {
        let mut schedule = Schedule::new(1000, 1, 2 * MS);
        while schedule.pop_due(MS).is_some() {}
        assert_eq!(schedule.requests(), (2, 2));
        schedule.answered();
        assert!(!schedule.is_over());
        schedule.answered();
        assert!(schedule.is_over());
        assert!(Schedule::new(1, 1, MS).is_over(), "nothing to be sent");
    }
}
