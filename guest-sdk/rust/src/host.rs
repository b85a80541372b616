//! The door to the host: the real one in a guest, a fake one natively. Nothing else in this crate knows which it is.

#[cfg(target_arch = "wasm32")]
mod bindings;
#[cfg(target_arch = "wasm32")]
mod real;
#[cfg(target_arch = "wasm32")]
pub use bindings::{connections, outcomes, programs, states};
#[cfg(target_arch = "wasm32")]
pub(crate) use real::*;
#[cfg(target_arch = "wasm32")]
pub use real::{Begin, ConfigPairs, Run, Serve, Started};

#[cfg(not(target_arch = "wasm32"))]
pub(crate) mod fake;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use fake::imports::*;
