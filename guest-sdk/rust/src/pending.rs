//! The instance's pending things and who is to be told of their outcomes; knows nothing of pages or of Deferreds.

#[cfg(target_arch = "wasm32")]
use crate::single::Single;
use crate::table::Table;
use crate::web::Response;
use crate::{FetchError, host};
use alloc::boxed::Box;
use core::cell::RefCell;
#[cfg(not(target_arch = "wasm32"))]
use core::mem::ManuallyDrop;

pub(crate) type PendingId = u32;

/// What something pending ends with.
pub(crate) enum Outcome {
    Fired,
    Page(Result<Response, FetchError>),
    Cancelled,
}

type Callback = Box<dyn FnOnce(Outcome)>;

// Callbacks are always taken out before they are called or dropped: they are user code and come back to this table.
// It is bounded by the host, which traps above `pending-max`. It is never dropped, so no destructor has to be
// registered.
#[cfg(target_arch = "wasm32")]
static EXPECTED: Single<RefCell<Table<Callback>>> = Single::new(RefCell::new(Table::new()));
#[cfg(not(target_arch = "wasm32"))]
thread_local! {
    static EXPECTED: ManuallyDrop<RefCell<Table<Callback>>> =
        const { ManuallyDrop::new(RefCell::new(Table::new())) };
}

/// Has `callback` called with the outcome of `id`, which the host has just given.
pub(crate) fn expect(id: PendingId, callback: impl FnOnce(Outcome) + 'static) {
    EXPECTED.with(|table| table.borrow_mut().insert(id, Box::new(callback)));
}

/// To be called when the outcome of `id` is there. Calls its callback, if anybody still expects it.
pub(crate) fn deliver(id: PendingId, outcome: Outcome) {
    if let Some(callback) = take(id) {
        callback(outcome);
    }
}

/// Gives `id` up, and tells the host. Its callback is called with [`Outcome::Cancelled`]. Returns whether there was
/// something to give up.
pub(crate) fn cancel(id: PendingId) -> bool {
    let Some(callback) = take(id) else {
        return false;
    };
    host::cancel(id);
    callback(Outcome::Cancelled);
    true
}

/// Whether the outcome of `id` is still to come.
pub(crate) fn is_expected(id: PendingId) -> bool {
    EXPECTED.with(|table| table.borrow().get(id).is_some())
}

/// Forgets everything, as at the beginning of an instance.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn clear() {
    let callbacks = EXPECTED.with(|table| table.replace(Table::new()));
    drop(callbacks);
}

fn take(id: PendingId) -> Option<Callback> {
    EXPECTED.with(|table| table.borrow_mut().remove(id))
}
