"""The instance's pending things and who is to be told of their outcomes; knows nothing of pages or of Deferreds."""

from collections.abc import Callable
from typing import Any

from . import _host
from .errors import CancelledError

Outcome = Any
"""None for a timer; for a page a `Response`, or an `Error` instead of one. `CancelledError` for either."""

# Bounded by the host, which ends an instance above its `pending-max`.
_expected: dict[int, Callable[[Outcome], None]] = {}


class Source:
    """Something that the host was asked for, and how its outcome is taken when it was waited for."""

    __slots__ = ("_id", "_take")

    def __init__(self, id: int, take: Callable[[int], Outcome]) -> None:
        self._id = id
        self._take = take

    def expect(self, callback: Callable[[Outcome], None]) -> None:
        """Has `callback` called with the outcome."""
        _expected[self._id] = callback

    def wait(self) -> None:
        """Suspends the handler until the outcome is there, and delivers it."""
        _host.wait(self._id)
        deliver(self._id, self._take(self._id))

    def cancel(self) -> bool:
        """Gives it up; its callback is called with `CancelledError`. Returns whether there was something to give
        up."""
        callback = _expected.pop(self._id, None)
        if callback is None:
            return False
        _host.cancel(self._id)
        callback(CancelledError())
        return True

    def is_expected(self) -> bool:
        """Whether the outcome is still to come."""
        return self._id in _expected


def deliver(id: int, outcome: Outcome) -> None:
    """Calls who expects the outcome of `id`, if anybody still does."""
    callback = _expected.pop(id, None)
    if callback is not None:
        callback(outcome)


def clear() -> None:
    """Forgets everything, as at the beginning of an instance."""
    _expected.clear()


def fired(_id: int) -> None:
    """The outcome of a timer that was waited for."""
