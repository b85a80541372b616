//! A guest that does what it is told, however bad: the adversary of the integration tests, and their puppet.
//!
//! It stands directly on the WIT, so that a test of the host is not a test of the SDK. What peers send is echoed, but for
//! lines at the beginning of a chunk that are commands:
//!
//! - `do ACTION [ARGUMENT]`: does it in `data-received`;
//! - `arm HANDLER ACTION [ARGUMENT]`: answers `armed`, and does it when the host calls that handler of this instance.
//!
//! What runs before data can arrive is chosen by the service's config: `at=start` or `at=connection-made`, `do=ACTION`,
//! `with=ARGUMENT`. `peer=ADDRESS` spares everyone else, and `chance=half` spares every other instance at random.

#[cfg(target_arch = "wasm32")]
mod bindings;
#[cfg(target_arch = "wasm32")]
mod guest;
#[cfg(target_arch = "wasm32")]
mod hostile;
#[cfg(target_arch = "wasm32")]
mod polite;
