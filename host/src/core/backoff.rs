//! How long to wait before the next try of something that failed. Knows no clock.

use std::time::{Duration, Instant};

/// Doubles the pause with each failure, up to a limit, and forgets after a time without any.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    last_failure: Option<Instant>,
    in_a_row: u32,
}

impl Backoff {
    /// A back-off whose pauses go from `first` to `longest`. It starts anew after twice `longest` without a failure.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
            last_failure: None,
            in_a_row: 0,
        }
    }

    /// How long to pause after a failure at `now`.
    pub fn failed(&mut self, now: Instant) -> Duration {
        let quiet = self
            .last_failure
            .is_some_and(|last| now.saturating_duration_since(last) > self.longest * 2);
        if quiet {
            self.next = self.first;
            self.in_a_row = 0;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.last_failure = Some(now);
        let pause = self.next;
        self.next = (self.next * 2).min(self.longest);
        pause
    }

    /// Failures without a quiet time between them.
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_and_forgets() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100), ms(500));
        let start = Instant::now();
        let pauses: Vec<_> = (0..5).map(|_| backoff.failed(start)).collect();
        assert_eq!(pauses, [ms(100), ms(200), ms(400), ms(500), ms(500)]);
        assert_eq!(backoff.in_a_row(), 5);
        assert_eq!(backoff.failed(start + ms(1_000)), ms(500));
        assert_eq!(backoff.failed(start + ms(2_001)), ms(100));
        assert_eq!(backoff.in_a_row(), 1);
    }
}
