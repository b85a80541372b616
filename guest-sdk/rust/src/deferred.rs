//! Deferred values: callbacks now, the value later, or a wait. Knows neither what is fetched nor who delivers it.

use crate::pending::{self, Outcome, PendingId};
use crate::{Error, WaitError, host};
use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::Cell;
use core::fmt;

/// A value that is not there yet: Twisted's `Deferred`.
///
/// Either attach callbacks and return from the handler; the host calls back when the outcome is there. Or
/// [`wait`](Deferred::wait) for it, which suspends this guest and nobody else.
///
/// Callbacks form a chain: each gets what the one before returned, [`and_then`](Deferred::and_then) and
/// [`map`](Deferred::map) when it went well, [`or_else`](Deferred::or_else) when it did not, and
/// [`then`](Deferred::then) both. Dropping a Deferred cancels nothing and its callbacks are still called, so it need
/// not be kept. A callback that is attached when the outcome is there already is called at once. An error that comes
/// to the end of the chain and is seen by nobody is logged as a warning.
pub struct Deferred<T> {
    source: Source,
    promise: Rc<Promise<T>>,
}

/// Where an outcome comes from, and how to take it when it was waited for.
#[derive(Clone, Copy)]
pub(crate) struct Source {
    pub(crate) id: PendingId,
    // A function pointer, so that a guest imports only what it can wait for.
    pub(crate) take: fn(PendingId) -> Outcome,
}

impl<T: 'static> Deferred<T> {
    /// The Deferred of something that the host has just been asked for.
    pub(crate) fn pending(
        source: Source,
        value: impl FnOnce(Outcome) -> Result<T, Error> + 'static,
    ) -> Deferred<T> {
        let promise = Rc::new(Promise::new());
        let resolved = promise.clone();
        pending::expect(source.id, move |outcome| {
            resolved.resolve(match outcome {
                Outcome::Cancelled => Err(Error::Cancelled),
                outcome => value(outcome),
            });
        });
        Deferred { source, promise }
    }

    /// Has `callback` called with the value. What it returns is the value, or the error, of the Deferred returned
    /// here. Twisted's `addCallback`.
    #[doc(alias = "add_callback")]
    pub fn and_then<U: 'static>(
        self,
        callback: impl FnOnce(T) -> Result<U, Error> + 'static,
    ) -> Deferred<U> {
        self.then(move |result| result.and_then(callback))
    }

    /// Has `callback` called with the value, for callbacks that cannot fail.
    pub fn map<U: 'static>(self, callback: impl FnOnce(T) -> U + 'static) -> Deferred<U> {
        self.then(move |result| result.map(callback))
    }

    /// Has `callback` called with the error of any step before. It may turn it into a value. Twisted's `addErrback`.
    #[doc(alias = "add_errback")]
    pub fn or_else(
        self,
        callback: impl FnOnce(Error) -> Result<T, Error> + 'static,
    ) -> Deferred<T> {
        self.then(move |result| result.or_else(callback))
    }

    /// Has `callback` called with the value or the error. Twisted's `addBoth`.
    #[doc(alias = "add_both")]
    pub fn then<U: 'static>(
        self,
        callback: impl FnOnce(Result<T, Error>) -> Result<U, Error> + 'static,
    ) -> Deferred<U> {
        let next = Rc::new(Promise::new());
        let resolved = next.clone();
        self.promise
            .when_resolved(move |result| resolved.resolve(callback(result)));
        Deferred {
            source: self.source,
            promise: next,
        }
    }

    /// Suspends the running handler until the outcome is there, runs the callbacks attached so far, and returns what
    /// they made of it. The reactor serves everyone else meanwhile, and what was written so far goes out.
    ///
    /// # Errors
    ///
    /// The Deferred's own error; or [`Error::Wait`] when the handler's connection is lost or the host is stopping.
    pub fn wait(self) -> Result<T, Error> {
        let Source { id, take } = self.source;
        if pending::is_expected(id) {
            host::wait(id)?;
            pending::deliver(id, take(id));
        }
        // Without a result it was waited for in one of its own callbacks.
        self.promise
            .take()
            .unwrap_or(Err(Error::Wait(WaitError::UnknownId)))
    }

    /// Gives up: a request under way is aborted, and the callbacks are called at once with [`Error::Cancelled`].
    /// Returns whether there was something to give up: false when the outcome is there already.
    pub fn cancel(&self) -> bool {
        pending::cancel(self.source.id)
    }

    /// Whether the outcome is there, so that [`wait`](Deferred::wait) would not suspend.
    pub fn is_ready(&self) -> bool {
        !pending::is_expected(self.source.id)
    }
}

impl<T> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deferred")
            .field("id", &self.source.id)
            .finish_non_exhaustive()
    }
}

/// One step of a chain: has a result, or knows who is to be called with it. A `Cell`, so that nothing is borrowed
/// while a callback runs.
struct Promise<T> {
    state: Cell<State<T>>,
}

type Callback<T> = Box<dyn FnOnce(Result<T, Error>)>;

enum State<T> {
    Open,
    Chained(Callback<T>),
    Resolved(Result<T, Error>),
    Spent,
}

impl<T> Promise<T> {
    fn new() -> Promise<T> {
        Promise {
            state: Cell::new(State::Open),
        }
    }

    fn resolve(&self, result: Result<T, Error>) {
        match self.state.replace(State::Spent) {
            State::Open => self.state.set(State::Resolved(result)),
            State::Chained(callback) => callback(result),
            State::Resolved(_) | State::Spent => {}
        }
    }

    fn when_resolved(&self, callback: impl FnOnce(Result<T, Error>) + 'static) {
        match self.state.replace(State::Spent) {
            State::Open => self.state.set(State::Chained(Box::new(callback))),
            State::Resolved(result) => callback(result),
            // A Deferred is moved when a callback is attached or it is waited for, so it is never asked twice.
            State::Chained(_) | State::Spent => {}
        }
    }

    fn take(&self) -> Option<Result<T, Error>> {
        match self.state.replace(State::Spent) {
            State::Resolved(result) => Some(result),
            _ => None,
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if let State::Resolved(Err(error)) = self.state.get_mut()
            && *error != Error::Cancelled
        {
            crate::warn!("an error in a Deferred was handled by nobody: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::log::Level;
    use crate::testing::{self, Clock, Pages};
    use crate::{CloseReason, Error, FetchError, WaitError, after, get_page, now, request};
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    const URL: &str = "http://one.test/";
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn callbacks_run_when_the_page_arrives_though_the_deferred_was_dropped() {
        let (clock, pages) = (Clock::new(), Pages::new());
        pages.respond_after(SECOND, URL, "hello");
        let seen = Rc::new(RefCell::new(None));
        let slot = seen.clone();
        get_page(URL)
            .map(|page| page.body.len())
            .and_then(move |length| {
                *slot.borrow_mut() = Some(length);
                Ok(())
            });
        assert_eq!(*seen.borrow(), None);
        clock.advance(SECOND);
        assert_eq!(*seen.borrow(), Some(5));
    }

    #[test]
    fn a_wait_returns_what_the_callbacks_made() {
        let (_clock, pages) = (Clock::new(), Pages::new());
        pages.respond_after(SECOND, URL, "hello");
        assert_eq!(get_page(URL).map(|page| page.body.len()).wait(), Ok(5));
        assert_eq!(now(), SECOND);
    }

    #[test]
    fn a_wait_for_what_has_arrived_does_not_suspend() {
        let (clock, pages) = (Clock::new(), Pages::new());
        pages.respond(URL, "hello");
        let page = get_page(URL);
        clock.advance(SECOND);
        assert!(page.is_ready());
        assert!(page.wait().is_ok());
        assert_eq!(now(), SECOND);
    }

    #[test]
    fn errors_skip_to_or_else_and_may_be_mended() {
        let (_clock, pages) = (Clock::new(), Pages::new());
        pages.fail(URL, FetchError::Timeout);
        let mended = get_page(URL)
            .map(|_| panic!("there is no page"))
            .or_else(|error| {
                if error == Error::Fetch(FetchError::Timeout) {
                    Ok("late")
                } else {
                    Err(error)
                }
            })
            .wait();
        assert_eq!(mended, Ok("late"));
        assert!(matches!(
            get_page("http://unknown.test/").wait(),
            Err(Error::Fetch(FetchError::Connect(_)))
        ));
    }

    #[test]
    fn an_error_that_nobody_handles_is_logged_and_a_cancelled_one_is_not() {
        let (clock, pages) = (Clock::new(), Pages::new());
        pages.fail(URL, FetchError::Timeout);
        testing::take_log();
        get_page(URL).map(|_| ());
        clock.advance(SECOND);
        let log = testing::take_log();
        assert!(
            matches!(&log[..], [(Level::Warn, text)] if text.contains("timed out")),
            "{log:?}"
        );
        assert!(get_page(URL).cancel());
        assert!(testing::take_log().is_empty());
    }

    #[test]
    fn cancelling_calls_back_at_once() {
        let clock = Clock::new();
        let seen = Rc::new(RefCell::new(None));
        let slot = seen.clone();
        let waiting = after(SECOND).then(move |result| {
            *slot.borrow_mut() = Some(result);
            Ok(())
        });
        assert!(waiting.cancel());
        assert!(!waiting.cancel());
        assert_eq!(*seen.borrow(), Some(Err(Error::Cancelled)));
        clock.advance(SECOND);
    }

    #[test]
    fn a_callback_may_ask_for_the_next_page() {
        let (clock, pages) = (Clock::new(), Pages::new());
        pages.respond(URL, "http://two.test/");
        pages.respond("http://two.test/", "end");
        let seen = Rc::new(RefCell::new(String::new()));
        let slot = seen.clone();
        get_page(URL).map(move |page| {
            get_page(&page.text()).map(move |page| slot.borrow_mut().push_str(&page.text()));
        });
        clock.advance(SECOND);
        assert_eq!(*seen.borrow(), "end");
    }

    #[test]
    fn a_lost_connection_ends_the_wait_and_the_request_can_be_inspected() {
        let (clock, pages) = (Clock::new(), Pages::new());
        pages.respond_after(SECOND, URL, "hello");
        clock.break_waits(WaitError::ConnectionLost(CloseReason::Done));
        let page = request(
            crate::Request::post(URL, "x")
                .header("a", "b")
                .timeout(SECOND),
        );
        assert_eq!(
            page.wait(),
            Err(Error::Wait(WaitError::ConnectionLost(CloseReason::Done)))
        );
        assert_eq!(
            crate::sleep(SECOND),
            Err(WaitError::ConnectionLost(CloseReason::Done))
        );
        assert_eq!(pages.requests()[0].method(), "POST");
    }
}
