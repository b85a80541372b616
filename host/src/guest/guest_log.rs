//! A guest's log records. Knows how they are addressed and how many there may be, not where they go.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::exchange::Shared;
use super::state::Origin;
use crate::clock;
use crate::core::{Admission, RecordBudget};
use crate::limits::{GUEST_RECORDS_PER_SECOND_MAX, LOG_MESSAGE_MAX_BYTES};

#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// How many records the guests of one service may still write in this second.
#[derive(Debug)]
pub struct LogBudget(Mutex<RecordBudget>);

impl Default for LogBudget {
    fn default() -> Self {
        Self(Mutex::new(RecordBudget::new(GUEST_RECORDS_PER_SECOND_MAX)))
    }
}

impl LogBudget {
    fn take(&self, now: Instant) -> Admission {
        let mut budget = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        budget.take(now)
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
            .and_then(|number| exchange.connections.get(number));
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
