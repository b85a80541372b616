//! The only place that reads a clock. Everything else is given `now`.

use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

/// The time, on a clock that never goes back.
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day, for people to read: it may be set, and go back.
pub fn time_of_day() -> SystemTime {
    SystemTime::now()
}

/// The CPU time that the calling thread has used. Unlike [`now`] it stands still while the thread does not run, so a
/// machine that is busy elsewhere costs a guest nothing. It is a system call: don't ask once per message.
pub fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
