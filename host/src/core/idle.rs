//! Whether something is idle, a connection or an instance: looked at from time to time, so that what it does costs nothing more.

use std::time::{Duration, Instant};

/// Since when it has done nothing: what it does is counted elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    count: u64,
    since: Instant,
}

/// What came of looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// It has been idle for too long.
    TooLong,
    /// Look again then.
    Again(Instant),
}

/// So often is it looked at within its limit: it may last longer by as much.
const LOOKS: u32 = 8;

impl Idle {
    /// Something that has just been made.
    pub fn new(now: Instant) -> Self {
        Self {
            count: 0,
            since: now,
        }
    }

    /// Looks at it: `count` is all that it has done, such as bytes received and sent.
    pub fn look(&mut self, count: u64, idle_max: Duration, now: Instant) -> Looked {
        if count != self.count {
            self.count = count;
            self.since = now;
        }
        let over = self.since + idle_max;
        if over <= now {
            return Looked::TooLong;
        }
        Looked::Again(over.min(now + (idle_max / LOOKS).max(Duration::from_millis(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasts_as_long_as_bytes_flow_and_then_little_longer_than_it_may() {
        let start = crate::clock::now();
        let max = Duration::from_secs(8);
        let second = Duration::from_secs(1);
        let mut idle = Idle::new(start);
        let mut now = start;
        for bytes in 0..100 {
            assert_eq!(idle.look(bytes, max, now), Looked::Again(now + second));
            now += second;
        }
        let last = now;
        let looks = std::iter::from_fn(|| match idle.look(100, max, now) {
            Looked::TooLong => None,
            Looked::Again(at) => {
                now = at;
                Some(at)
            }
        });
        assert_eq!(looks.last(), Some(last + max));
    }
}
