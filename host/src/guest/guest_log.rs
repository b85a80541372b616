//! A guest's log records. Knows how they are addressed, not where they go.

use super::exchange::Shared;
use super::state::Origin;
use crate::limits::LOG_MESSAGE_MAX_BYTES;

#[derive(Clone, Copy, Debug)]
pub(super) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// Writes one record, cut to its limit, with the connection whose handler is running.
pub(super) fn write(shared: &Shared, origin: &Origin, level: Level, message: &str) {
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
