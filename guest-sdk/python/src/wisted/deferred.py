"""Deferred values: callbacks now, the value later, or a wait. Knows neither what is fetched nor who delivers it."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from . import log, pending
from .errors import CancelledError, UnknownId

T = TypeVar("T")


class Deferred(Generic[T]):
    """A value that is not there yet: Twisted's `Deferred`.

    Either add callbacks and return from the handler; the host calls back when the outcome is there. Or `wait` for it,
    which suspends this guest and nobody else.

    Callbacks form a chain: each gets what the one before returned, those of `add_callback` when it went well, those
    of `add_errback` when it raised, and those of `add_both` in either case. An errback gets the exception itself
    (there is no `Failure`); what it returns mends it. A callback may return another Deferred, whose outcome is then
    the next one's. A callback that is added when the outcome is there already is called at once. A Deferred need not
    be kept. An exception that comes to the end of the chain and is seen by nobody is logged as a warning.
    """

    __slots__ = ("__weakref__", "_called", "_chain", "_inner", "_source", "_value")

    def __init__(self, source: "pending.Source | None" = None) -> None:
        """Without a `source`, which is the host's, call `callback` or `errback` yourself."""
        self._called = False
        self._value: Any = None
        self._chain: list[tuple[_Step | None, _Step | None]] = []
        self._inner: Deferred[Any] | None = None
        self._source = source

    def add_callbacks(self, callback: "_Step | None", errback: "_Step | None") -> "Deferred[Any]":
        """Has one of the two called: `callback` with a value, `errback` with an exception. None passes it on."""
        self._chain.append((callback, errback))
        if self._called:
            self._run()
        return self

    def add_callback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> "Deferred[Any]":
        """Has `callback(value, *args, **kwargs)` called."""
        return self.add_callbacks(_step(callback, args, kwargs), None)

    def add_errback(self, errback: Callable[..., Any], *args: Any, **kwargs: Any) -> "Deferred[Any]":
        """Has `errback(exception, *args, **kwargs)` called if a step before has failed."""
        return self.add_callbacks(None, _step(errback, args, kwargs))

    def add_both(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> "Deferred[Any]":
        """Has `callback` called with the value or the exception."""
        step = _step(callback, args, kwargs)
        return self.add_callbacks(step, step)

    def callback(self, value: Any) -> None:
        """Gives it its value. Once, and only to a Deferred that you have made yourself.

        Raises:
            RuntimeError: When it has its outcome already.
        """
        if self._called:
            raise RuntimeError("this Deferred has its outcome already")
        self._called = True
        self._value = value
        self._run()

    def errback(self, error: BaseException) -> None:
        """Gives it an exception instead of a value; like `callback` in everything else."""
        self.callback(_Failed(error))

    def wait(self) -> T:
        """Suspends the running handler until the outcome is there, and returns what the callbacks made of it.

        The reactor serves everyone else meanwhile, and what was written so far goes out.

        Raises:
            Exception: The Deferred's own; for a page, a `FetchError`.
            WaitError: When the handler's connection is lost or the host is stopping, or when it is a Deferred that
            nothing but this guest itself can fire.
        """
        while not self.is_ready():
            waiting = self._innermost()
            if waiting._source is None or not waiting._source.is_expected():
                raise UnknownId()
            waiting._source.wait()
        value: T | _Failed = self._value
        if isinstance(value, _Failed):
            self._value = None
            raise value.error
        return value

    def cancel(self) -> bool:
        """Gives up: a request under way is aborted, and the callbacks are called at once with `CancelledError`.

        Returns:
            Whether there was something to give up: False when the outcome is there already.
        """
        if self.is_ready():
            return False
        waiting = self._innermost()
        if waiting._source is None:
            waiting.errback(CancelledError())
            return True
        return waiting._source.cancel()

    def is_ready(self) -> bool:
        """Whether the outcome is there, so that `wait` would not suspend."""
        return self._called and self._inner is None

    def _innermost(self) -> "Deferred[Any]":
        """The one that this one waits for, at the end of the chain of Deferreds that callbacks returned."""
        deferred: Deferred[Any] = self
        while deferred._inner is not None:
            deferred = deferred._inner
        return deferred

    def _run(self) -> None:
        while self._chain and self._inner is None:
            callback, errback = self._chain.pop(0)
            failed = isinstance(self._value, _Failed)
            step = errback if failed else callback
            if step is None:
                continue
            given = self._value.error if failed else self._value
            # Taken out first: what the step raises may refer to what it was given.
            self._value = None
            try:
                self._value = step(given)
            except MemoryError:
                raise
            except Exception as error:
                self._value = _Failed(error)
            if isinstance(self._value, Deferred):
                self._inner, self._value = self._value, None
                self._inner.add_callbacks(self._resume, self._resume_failed)

    def _resume(self, value: Any) -> None:
        self._inner = None
        self._value = value
        self._run()

    def _resume_failed(self, error: BaseException) -> None:
        self._resume(_Failed(error))

    def __del__(self) -> None:
        value = self._value
        if isinstance(value, _Failed) and not isinstance(value.error, CancelledError):
            log.warn(f"an error in a Deferred was handled by nobody: {_text(value.error)}")

    def __repr__(self) -> str:
        return f"<Deferred {'ready' if self.is_ready() else 'pending'}>"


_Step = Callable[[Any], Any]


class _Failed:
    """An exception in the place of a value, so that a value may be an exception."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def succeed(value: T) -> Deferred[T]:
    """A Deferred that has this value already."""
    deferred: Deferred[T] = Deferred()
    deferred.callback(value)
    return deferred


def fail(error: BaseException) -> Deferred[Any]:
    """A Deferred that has failed already."""
    deferred: Deferred[Any] = Deferred()
    deferred.errback(error)
    return deferred


def _step(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Step:
    if args or kwargs:
        return lambda value: call(value, *args, **kwargs)
    return call


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
