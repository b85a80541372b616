//! The events of an instance, before they are calls.

use crate::core::CloseReason;
use crate::guest::{ConnectionNumber, PendingNumber};

/// Something that an instance is to be told, in order.
#[derive(Debug)]
pub(super) enum Event {
    Start,
    Execute,
    SaveState,
    RestoreState(Vec<u8>),
    Made(ConnectionNumber),
    ReadClosed(ConnectionNumber),
    Drained(ConnectionNumber),
    Lost(ConnectionNumber, CloseReason),
    /// The outcome itself is with the instance, where the guest may wait for it until then.
    Outcome(PendingNumber),
}
