//! The pure core: a connection's state, its write buffer, deadlines and back-off. It takes bytes and `now`; it knows
//! neither sockets nor clocks nor guests, so every rule in it is tested without waiting and without a network.

mod backoff;
mod command;
mod connection;
mod deadlines;
mod idle;
mod ledger;
mod pace;
mod record_budget;
mod share;
mod transport;

pub use backoff::Backoff;
pub use command::{CloseReason, TransportCommand};
pub use connection::{Connection, ConnectionLimits, DirectWire, Ending, Sent, Wire};
pub use deadlines::{DeadlineKey, Deadlines};
pub use idle::{Idle, Looked};
pub use ledger::Ledger;
pub use pace::Pace;
pub use record_budget::{Admission, RecordBudget};
pub use share::Share;
pub use transport::Transport;
