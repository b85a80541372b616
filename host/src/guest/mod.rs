//! Guests: the only room that names wasmtime. It loads components, runs their instances, and says how they ended. It knows
//! neither sockets nor which event comes next.

mod bindings;
mod by_connection;
mod cache;
mod code;
mod contract;
mod exchange;
mod fault;
mod guest_log;
mod handlers;
mod host;
mod images;
mod imports;
mod instance;
mod own_imports;
mod packed;
mod parts;
mod pending;
mod reaper;
mod rewire;
mod shim;
mod shortcut;
mod shortcut_code;
mod state;
mod static_table;
mod ticker;
mod waiting;
mod wasi;
mod window;
mod wit_type;

pub use by_connection::ByConnection;
pub use cache::CodeCache;
pub use code::{GuestCode, LoadError, inspect};
pub use contract::{ContractError, Exports, Surface};
pub use exchange::{Call, Command, ConnectionNumber, Outbox, PendingNumber, Returned};
pub use fault::{Fault, FaultKind};
pub use guest_log::LogBudget;
pub use host::{GuestHost, PoolSize};
pub use images::suit as memory_images_suit;
pub use instance::{Arrival, Instance, Resting, Step};
pub use pending::Outcome;
pub use reaper::REAPED_MAX;
pub use state::Origin;
