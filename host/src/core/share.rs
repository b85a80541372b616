//! A part of the time that somebody may use: what is used above it is a debt that the next windows pay off.

use std::time::{Duration, Instant};

/// See the file's header.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// What may be used in each window.
    quota: Duration,
    window: Duration,
    /// What was used, less what the windows since have paid off.
    used: Duration,
    window_began: Instant,
}

impl Share {
    /// So many thousandths of each window.
    pub fn new(permille: u32, window: Duration, now: Instant) -> Self {
        Self {
            quota: (window * permille / 1_000).max(Duration::from_micros(1)),
            window,
            used: Duration::ZERO,
            window_began: now,
        }
    }

    /// So much was used. Returns when the user may go on, unless that is now.
    pub fn spend(&mut self, took: Duration, now: Instant) -> Option<Instant> {
        self.pay_off(now);
        self.used += took;
        if self.used < self.quota {
            return None;
        }
        let windows = self.used.as_nanos() / self.quota.as_nanos();
        let windows = u32::try_from(windows).unwrap_or(u32::MAX);
        Some(self.window_began + self.window.saturating_mul(windows))
    }

    fn pay_off(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.window_began).as_nanos();
        let windows = passed / self.window.as_nanos();
        let windows = u32::try_from(windows).unwrap_or(u32::MAX);
        self.window_began += self.window.saturating_mul(windows);
        self.used = self.used.saturating_sub(self.quota.saturating_mul(windows));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn whoever_has_used_a_window_waits_for_the_next() {
        let start = crate::clock::now();
        let mut share = Share::new(250, 100 * MS, start);
        assert_eq!(share.spend(24 * MS, start), None);
        assert_eq!(share.spend(MS, start + 30 * MS), Some(start + 100 * MS));
        // A hundred in one go is four windows.
        let later = start + 100 * MS;
        assert_eq!(share.spend(100 * MS, later), Some(start + 500 * MS));
        // A pause is no credit.
        let much_later = start + 10_000 * MS;
        assert_eq!(share.spend(25 * MS, much_later), Some(start + 10_100 * MS));
    }

    proptest! {
        #[test]
        fn in_the_long_run_nobody_gets_more(permille in 1u32..1_000, steps in prop::collection::vec(1u32..200, 1..100)) {
            let start = crate::clock::now();
            let mut share = Share::new(permille, 100 * MS, start);
            let (mut now, mut used) = (start, Duration::ZERO);
            for step in steps {
                let took = step * MS / 10;
                now += took;
                used += took;
                if let Some(at) = share.spend(took, now) {
                    now = now.max(at);
                }
            }
            let windows = (now - start).as_secs_f64() / 0.1 + 1.0;
            let may = windows * 0.1 * f64::from(permille) / 1_000.0 + 0.02 + 1e-5 * windows;
            prop_assert!(used.as_secs_f64() <= may, "{used:?} of {may}");
        }
    }
}
