//! Time: calls to be made later, sleeping, and the clock. Knows nothing of connections.

use crate::deferred::{Deferred, Source};
use crate::pending::{self, Outcome, PendingId};
use crate::{WaitError, host};
use core::time::Duration;

/// Calls `callback` once `delay` is over, after the running handler has returned. Twisted's `reactor.callLater`.
///
/// Dropping the returned handle cancels nothing. What the callback is to work on it captures: a clone of the
/// [`Transport`](crate::Transport), an `Rc` of shared state.
pub fn call_later(delay: Duration, callback: impl FnOnce() + 'static) -> DelayedCall {
    let id = host::call_later(milliseconds(delay));
    pending::expect(id, move |outcome| {
        if let Outcome::Fired = outcome {
            callback();
        }
    });
    DelayedCall { id }
}

/// A [`Deferred`] that has its value once `delay` is over. Twisted's `task.deferLater`.
pub fn after(delay: Duration) -> Deferred<()> {
    let id = host::call_later(milliseconds(delay));
    Deferred::pending(
        Source {
            id,
            take: |_| Outcome::Fired,
        },
        |_| Ok(()),
    )
}

/// Suspends the running handler for `duration`. The reactor serves everyone else meanwhile, and what was written so
/// far goes out. Other events of this instance wait until the handler has returned.
///
/// # Errors
///
/// Ends early when the handler's connection is lost or the host is stopping: return soon then.
pub fn sleep(duration: Duration) -> Result<(), WaitError> {
    host::sleep(milliseconds(duration))
}

/// The time since an unspecified moment; it never goes back. For measuring, not for dates.
pub fn now() -> Duration {
    Duration::from_millis(host::now())
}

/// A call that [`call_later`] has promised. Twisted's `IDelayedCall`.
#[derive(Debug, PartialEq, Eq)]
pub struct DelayedCall {
    id: PendingId,
}

impl DelayedCall {
    /// Takes the promise back. Returns whether there was still one: false when the call has been made or cancelled.
    pub fn cancel(&self) -> bool {
        pending::cancel(self.id)
    }

    /// Whether the call is still to be made.
    pub fn is_active(&self) -> bool {
        pending::is_expected(self.id)
    }
}

// Rounded up, so that nothing happens too early. The longest is 49 days. `Duration::as_millis` would do it with 128
// bits, and a guest would carry the code of their division.
pub(crate) fn milliseconds(duration: Duration) -> u32 {
    let whole = duration.as_secs().saturating_mul(1000);
    let rest = u64::from(duration.subsec_nanos().div_ceil(1_000_000));
    u32::try_from(whole.saturating_add(rest)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Clock;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn calls_are_made_in_order_of_their_time() {
        let clock = Clock::new();
        let calls = Rc::new(RefCell::new(Vec::new()));
        for delay_ms in [30, 10, 20] {
            let calls = calls.clone();
            call_later(Duration::from_millis(delay_ms), move || {
                calls.borrow_mut().push((delay_ms, now()))
            });
        }
        clock.advance(Duration::from_millis(20));
        let ms = Duration::from_millis;
        assert_eq!(*calls.borrow(), [(10, ms(10)), (20, ms(20))]);
        clock.advance(Duration::from_millis(10));
        assert_eq!(calls.borrow().len(), 3);
    }

    #[test]
    fn a_cancelled_call_is_not_made() {
        let clock = Clock::new();
        let call = call_later(Duration::from_secs(1), || panic!("was cancelled"));
        assert!(call.is_active());
        assert!(call.cancel());
        assert!(!call.is_active());
        assert!(!call.cancel());
        clock.advance(Duration::from_secs(2));
    }

    #[test]
    fn a_callback_may_call_later_again() {
        fn tick(left: u32, count: Rc<RefCell<u32>>) {
            *count.borrow_mut() += 1;
            if left > 0 {
                call_later(Duration::from_secs(1), move || tick(left - 1, count));
            }
        }
        let clock = Clock::new();
        let count = Rc::new(RefCell::new(0));
        tick(3, count.clone());
        clock.advance(Duration::from_secs(10));
        assert_eq!(*count.borrow(), 4);
        assert_eq!(now(), Duration::from_secs(10));
    }

    #[test]
    fn milliseconds_are_rounded_up_and_bounded() {
        assert_eq!(milliseconds(Duration::ZERO), 0);
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_millis(7)), 7);
        assert_eq!(milliseconds(Duration::MAX), u32::MAX);
    }
}
