//! The time of day in milliseconds, read once for each batch of commands and only when somebody asks.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Counts on from the time of day at the start: steps of the machine's clock are not followed.
pub(crate) struct Clock {
    /// The time of day when the reactor's clock was at 0.
    zero_ms: u64,
    read: Cell<Option<u64>>,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let unix_ms = u64::try_from(since_epoch.as_millis()).unwrap_or_default();
        Clock {
            zero_ms: unix_ms.saturating_sub(reactor_ms()),
            read: Cell::new(None),
        }
    }

    /// To be called before each batch: time stands still within one.
    #[inline]
    pub(crate) fn forget(&self) {
        self.read.set(None);
    }

    #[inline]
    pub(crate) fn unix_ms(&self) -> u64 {
        self.read.get().unwrap_or_else(|| {
            let now = self.zero_ms + reactor_ms();
            self.read.set(Some(now));
            now
        })
    }
}

fn reactor_ms() -> u64 {
    u64::try_from(wisted_guest::now().as_millis()).unwrap_or_default()
}
