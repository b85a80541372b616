//! A guest's log records. Knows how they are addressed and how many there may be, not where they go.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::exchange::Shared;
use super::state::Origin;
use crate::clock;
use crate::limits::{GUEST_RECORDS_PER_SECOND_MAX, LOG_MESSAGE_MAX_BYTES};

#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// How many records the guests of one service may still write in this second: a guest that floods the log must not make
/// others' records be dropped.
#[derive(Debug, Default)]
pub struct LogBudget(Mutex<Second>);

#[derive(Debug, Default)]
struct Second {
    since: Option<Instant>,
    records: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Write,
    /// The first that is dropped in this second: to be said once.
    Last,
    Drop,
}

impl LogBudget {
    fn take(&self, now: Instant) -> Admission {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *second.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= Duration::from_secs(1) {
            *second = Second {
                since: Some(now),
                records: 0,
            };
        }
        second.records = second.records.saturating_add(1);
        match second.records.cmp(&(GUEST_RECORDS_PER_SECOND_MAX + 1)) {
            std::cmp::Ordering::Less => Admission::Write,
            std::cmp::Ordering::Equal => Admission::Last,
            std::cmp::Ordering::Greater => Admission::Drop,
        }
    }
}

/// Writes one record, cut to its limit, with the connection whose handler is running.
pub(super) fn write(shared: &Shared, origin: &Origin, level: Level, message: &str) {
    match origin.log_budget.take(clock::now()) {
        Admission::Write => {}
        Admission::Last => {
            tracing::warn!(
                service = origin.service,
                guest = origin.guest,
                "more than {GUEST_RECORDS_PER_SECOND_MAX} records of this service's guests in a second: dropping the rest of them"
            );
            return;
        }
        Admission::Drop => return,
    }
    let message = &message[..message.floor_char_boundary(LOG_MESSAGE_MAX_BYTES)];
    let (connection, peer) = {
        let exchange = shared.lock();
        let view = exchange
            .running_for
            .and_then(|number| exchange.connections.get(&number));
        (
            view.map(|view| view.log_id),
            view.map(|view| view.peer.to_string()),
        )
    };
    let (service, guest) = (origin.service.as_str(), origin.guest.as_str());
    macro_rules! record {
        ($level:ident) => {
            tracing::$level!(target: "guest", service, guest, connection, peer, "{message}")
        };
    }
    match level {
        Level::Trace => record!(trace),
        Level::Debug => record!(debug),
        Level::Info => record!(info),
        Level::Warn => record!(warn),
        Level::Error => record!(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_each_second_and_said_once() {
        let budget = LogBudget::default();
        let start = clock::now();
        for second in 0..2 {
            let now = start + Duration::from_secs(second);
            for _ in 0..GUEST_RECORDS_PER_SECOND_MAX {
                assert_eq!(budget.take(now), Admission::Write);
            }
            assert_eq!(budget.take(now), Admission::Last);
            assert_eq!(budget.take(now), Admission::Drop);
        }
    }
}
