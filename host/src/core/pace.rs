//! A rate that something may go on at: a token bucket that holds what may come at once, and fills as time goes on.

use std::time::{Duration, Instant};

/// See the file's header. What is above the rate waits; nothing is dropped.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    per_second: u64,
    burst: u64,
    /// What may go on now, in billionths, so that nothing is lost to rounding.
    left_nano: u128,
    /// When `left_nano` was right.
    at: Instant,
}

const NANO: u128 = 1_000_000_000;

impl Pace {
    /// So many a second, at least one, and up to `burst` at once, also at least one. It begins full.
    pub fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let (per_second, burst) = (u64::from(per_second.max(1)), u64::from(burst.max(1)));
        Self {
            per_second,
            burst,
            left_nano: u128::from(burst) * NANO,
            at: now,
        }
    }

    /// So many bytes a second, in pieces of up to a tenth of that.
    pub fn of_bytes(per_second: u32, now: Instant) -> Self {
        Self::new(per_second, per_second / 10, now)
    }

    /// How many may go on now.
    pub fn left(&mut self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.at).as_nanos();
        let full = u128::from(self.burst) * NANO;
        self.left_nano = full.min(self.left_nano + passed * u128::from(self.per_second));
        self.at = self.at.max(now);
        u64::try_from(self.left_nano / NANO).unwrap_or(u64::MAX)
    }

    /// So many went on: no more than [`left`](Self::left) said just now.
    pub fn take(&mut self, count: u64) {
        self.left_nano = self.left_nano.saturating_sub(u128::from(count) * NANO);
    }

    /// How long until so many may go on that it is worth it: half of what may at once.
    pub fn wait_for_more(&self) -> Duration {
        self.wait(self.burst.div_ceil(2))
    }

    /// How long until `count` may go on, or as many as ever may at once.
    pub fn wait(&self, count: u64) -> Duration {
        let wanted = u128::from(count.min(self.burst)) * NANO;
        let missing = wanted.saturating_sub(self.left_nano);
        let nanos = missing.div_ceil(u128::from(self.per_second));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn never_more_than_the_rate_and_a_burst(
            per_second in 1u32..10_000,
            burst in 1u32..1_000,
            steps in prop::collection::vec((0u64..400, 0u64..2_000), 1..60),
        ) {
            let start = crate::clock::now();
            let mut pace = Pace::new(per_second, burst, start);
            let (mut passed_ms, mut gone) = (0u64, 0u64);
            for (wait_ms, wanted) in steps {
                passed_ms += wait_ms;
                let now = start + Duration::from_millis(passed_ms);
                let taken = wanted.min(pace.left(now));
                pace.take(taken);
                gone += taken;
                let may = u64::from(burst) + passed_ms * u64::from(per_second) / 1_000;
                prop_assert!(gone <= may, "{gone} of {may}");
                // After the wait that it names, as much as was asked for goes on.
                let later = now + pace.wait(wanted);
                prop_assert!(pace.left(later) >= wanted.min(u64::from(burst)));
                passed_ms = (later - start).as_millis() as u64 + 1;
            }
        }
    }

    #[test]
    fn a_clock_that_stands_still_lets_nothing_more_go_on() {
        let now = crate::clock::now();
        let mut pace = Pace::new(10, 2, now);
        let all = pace.left(now);
        pace.take(all);
        assert_eq!(pace.left(now), 0);
        assert_eq!(pace.wait(1), Duration::from_millis(100));
        assert_eq!(pace.wait(9), Duration::from_millis(200));
    }
}
