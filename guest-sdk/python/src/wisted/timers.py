"""Time: calls to be made later, sleeping, and the clock. Knows nothing of connections."""

import math
from collections.abc import Callable
from typing import Any

from . import _host
from .deferred import Deferred
from .errors import CancelledError, UnknownId
from .pending import Outcome, Source, fired


class DelayedCall:
    """A call that `call_later` has promised: Twisted's `IDelayedCall`."""

    __slots__ = ("_call", "_source")

    def __init__(self, source: Source, call: Callable[[], Any]) -> None:
        self._source = source
        self._call: Callable[[], Any] | None = call
        source.expect(self._fire)

    def cancel(self) -> bool:
        """Takes the promise back.

        Returns:
            Whether there was still one: False when the call has been made or cancelled. (Twisted raises then.)
        """
        return self._source.cancel()

    def active(self) -> bool:
        """Whether the call is still to be made."""
        return self._source.is_expected()

    def wait(self) -> None:
        """Suspends the running handler until the call has been made; the reactor serves everyone else meanwhile.

        Raises:
            Exception: What the call raises.
            WaitError: When the handler's connection is lost, the host is stopping, or the call is not active any
            more.
        """
        if not self._source.is_expected():
            raise UnknownId()
        self._source.wait()

    def _fire(self, outcome: Outcome) -> None:
        call, self._call = self._call, None
        if call is not None and not isinstance(outcome, CancelledError):
            call()


def call_later(delay: float, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> DelayedCall:
    """Calls `callback(*args, **kwargs)` after `delay` seconds, when the running handler has returned.

    Twisted's `reactor.callLater`. The returned handle need not be kept.
    """
    source = Source(_host.call_later(milliseconds(delay)), fired)
    call = callback if not args and not kwargs else lambda: callback(*args, **kwargs)
    return DelayedCall(source, call)


def defer_later(delay: float, callback: Callable[..., Any] | None = None, *args: Any, **kwargs: Any) -> Deferred[Any]:
    """A Deferred that has what `callback(*args, **kwargs)` returns after `delay` seconds; None without a callback.

    Twisted's `task.deferLater`.
    """
    source = Source(_host.call_later(milliseconds(delay)), fired)
    deferred: Deferred[Any] = Deferred(source)
    if callback is not None:
        deferred.add_callback(lambda _: callback(*args, **kwargs))
    source.expect(lambda outcome: deferred.errback(outcome) if outcome else deferred.callback(None))
    return deferred


def sleep(duration: float) -> None:
    """Suspends the running handler for `duration` seconds.

    The reactor serves everyone else meanwhile, and what was written so far goes out. Other events of this instance
    wait until the handler has returned. (`time.sleep` suspends it as well, but does not end when the connection is
    lost.)

    Raises:
        WaitError: When the handler's connection is lost or the host is stopping: return soon then.
    """
    _host.sleep(milliseconds(duration))


def now() -> float:
    """Seconds since an unspecified moment; it never goes back. For measuring, not for dates: those are
    `time.time`'s."""
    return _host.now() / 1000


def milliseconds(seconds: float) -> int:
    """Rounded up, so that nothing happens too early. The longest is 49 days."""
    if seconds < 0:
        raise ValueError(f"a delay cannot be negative: {seconds}")
    # What a product like 1.1 * 1000 is too much is no reason for one more millisecond.
    return min(math.ceil(round(seconds * 1000, 6)), 0xFFFF_FFFF) if seconds < 4_294_968 else 0xFFFF_FFFF
