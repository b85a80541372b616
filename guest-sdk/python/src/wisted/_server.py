"""One instance's factory and its protocols by connection: calls the user's handlers, knows nothing of where calls
come from."""

import sys
import traceback
from collections.abc import Callable
from typing import Any

from . import _host, log, pending
from .errors import CloseReason, Error, WaitConnectionLost, WaitStopping
from .program import Program
from .protocol import Factory, Protocol, StatefulFactory
from .transport import Transport

Exported = type[Protocol] | type[Factory] | Factory


class Server:
    """What an exported factory runs as."""

    def __init__(self, exported: Exported, catches: bool = True) -> None:
        """With `catches` an exception that a handler raises is logged and ends its connection; without, it is
        raised."""
        self._exported = exported
        self._catches = catches
        self._factory: Factory | None = None
        self._protocols: dict[int, Protocol] = {}

    def start(self) -> None:
        """Makes the factory, and starts it. Not earlier: what is made at import time is part of the component."""
        _begin_instance()
        self._factory = _factory_of(self._exported)
        self._factory.start_factory()

    def stop(self) -> None:
        """Everything is over."""
        if self._factory is not None:
            self._factory.stop_factory()

    @property
    def is_stateful(self) -> bool:
        """Whether it hands state over."""
        exported = self._exported if isinstance(self._exported, type) else type(self._exported)
        return issubclass(exported, StatefulFactory)

    def save_state(self) -> bytes:
        """What the factory leaves to the next one."""
        return self._stateful.save_state()

    def restore_state(self, state: bytes) -> None:
        """What the one before has left."""
        self._stateful.restore_state(state)

    def connection_made(self, transport: Transport) -> None:
        """Builds a protocol and gives it its connection."""
        self._guarded("connection-made", transport, self._build, transport)

    def data_received(self, id: int, data: bytes) -> None:
        """Bytes for one protocol."""
        protocol = self._protocols.get(id)
        if protocol is not None:
            self._guarded("data-received", protocol.transport, protocol.data_received, data)

    def read_closed(self, id: int) -> None:
        """The peer of one protocol sends no more."""
        protocol = self._protocols.get(id)
        if protocol is not None:
            self._guarded("read-closed", protocol.transport, protocol.read_closed)

    def drained(self, id: int) -> None:
        """The peer of one protocol has caught up."""
        protocol = self._protocols.get(id)
        if protocol is not None:
            self._guarded("drained", protocol.transport, protocol.drained)

    def connection_lost(self, id: int, reason: CloseReason) -> None:
        """The end of one protocol."""
        protocol = self._protocols.pop(id, None)
        if protocol is not None:
            self._guarded("connection-lost", protocol.transport, protocol.connection_lost, reason)

    def outcome_arrived(self, id: int, outcome: pending.Outcome) -> None:
        """A timer has run out, or a page is there or never will be."""
        self._guarded("an outcome's callback", None, pending.deliver, id, outcome)

    @property
    def _stateful(self) -> StatefulFactory:
        if not isinstance(self._factory, StatefulFactory):
            raise TypeError(f"{type(self._factory).__name__} is no StatefulFactory, and has no state to hand over")
        return self._factory

    def _build(self, transport: Transport) -> None:
        assert self._factory is not None, "the host starts an instance first"
        protocol = self._factory.build_protocol(transport.peer)
        if protocol is None:
            return transport.abort_connection()
        protocol.transport = transport
        self._protocols[transport.id] = protocol
        protocol.make_connection(transport)

    def _guarded(self, handler: str, transport: Transport | None, call: Callable[..., None], *args: Any) -> None:
        try:
            call(*args)
        except MemoryError:
            # There is no going on without memory: the host ends the instance and says why.
            raise
        except (WaitConnectionLost, WaitStopping) as error:
            # What a handler is told so that it returns soon, and now it has returned.
            log.debug(str(error))
        except Exception:
            if not self._catches:
                raise
            log.error(f"{handler} failed: {traceback.format_exc()}")
            if transport is not None:
                transport.abort_connection()


class Runner:
    """What an exported program runs as."""

    def __init__(self, program: type[Program]) -> None:
        self._exported = program
        self._program: Program | None = None

    def start(self) -> None:
        """Makes the program, and starts it."""
        _begin_instance()
        self._program = self._exported()
        self._program.start()

    def execute(self) -> None:
        """Runs it."""
        assert self._program is not None, "the host starts an instance first"
        self._program.execute()

    def stop(self) -> None:
        """Everything is over."""
        if self._program is not None:
            self._program.stop()

    def outcome_arrived(self, id: int, outcome: pending.Outcome) -> None:
        """A timer has run out, or a page is there or never will be. A program has nobody to go on for after an
        exception."""
        pending.deliver(id, outcome)


def refusal(error: Exception) -> str:
    """What the host is told of an exception. It shows one text; the traceback of an unexpected one goes to the
    log."""
    if isinstance(error, Error):
        return str(error)
    log.error("".join(traceback.format_exception(error)))
    return f"{type(error).__name__}: {error}"


def _factory_of(exported: Exported) -> Factory:
    if isinstance(exported, Factory):
        return exported
    if issubclass(exported, Factory):
        return exported()
    return Factory.for_protocol(exported)


def _begin_instance() -> None:
    # The interpreter was snapshotted with its generator seeded: every instance would draw the same numbers. Those who
    # don't import it don't pay for it.
    random = sys.modules.get("random")
    if random is not None and sys.platform == "wasi":
        random.seed(int.from_bytes(_host.random_bytes(32)))
