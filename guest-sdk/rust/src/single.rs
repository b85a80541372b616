//! What an instance has one of. Knows nothing of what it is.

#![allow(unsafe_code)]

/// A static in a guest, where `thread_local!` would need the standard library.
#[doc(hidden)]
#[derive(Debug)]
pub struct Single<T>(T);

// SAFETY: the guest has one thread.
unsafe impl<T> Sync for Single<T> {}

impl<T> Single<T> {
    pub const fn new(value: T) -> Single<T> {
        Single(value)
    }

    pub fn with<R>(&self, call: impl FnOnce(&T) -> R) -> R {
        call(&self.0)
    }
}
