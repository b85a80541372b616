"""Fakes for unit tests of guests: native, without wasm, sockets or sleeping. Knows the fake host and no real one.

- `Server` runs a whole factory: connect fake peers, send bytes (also one at a time), look at what comes back.
- `StringTransport` is a transport alone, to give to a protocol's `make_connection` by hand.
- `Clock` is the time: it stands still until it is put forward, and waiting and sleeping put it forward at once.
- `Pages` is the web.

::

    server = Server(Echo)
    peer = server.connect()
    peer.send_bytewise(b"hello")
    assert peer.take_received() == b"hello"

All of it belongs to the process. A new `Clock`, `Pages` or `Server` begins afresh, so make the clock and the pages
before the server starts.
"""

import math
from collections.abc import Mapping

from . import pending
from ._fake import Connection, world
from ._server import Exported, Runner
from ._server import Server as _Server
from .errors import (
    CloseReason,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    FetchError,
    HostStopping,
    WaitError,
)
from .levels import Level
from .program import Program
from .transport import Transport
from .web import Request, Response

__all__ = ["Clock", "Pages", "Peer", "Server", "StringTransport", "configure", "run_program", "take_log"]


def configure(values: Mapping[str, str]) -> None:
    """Sets what `wisted.config` answers. `Server` and `run_program` do it too."""
    world.config = dict(values)


def take_log() -> list[tuple[Level, str]]:
    """The records logged since the last call."""
    records, world.log = world.log, []
    return records


def run_program(program: type[Program], config: Mapping[str, str] = {}) -> None:
    """Starts a program, executes it, delivers all that is pending, and stops it. Raises what the program raises."""
    _forget_pending()
    configure(config)
    runner = Runner(program)
    runner.start()
    runner.execute()
    _deliver_due(None)
    runner.stop()


class StringTransport(Transport):
    """A connection that keeps what is written to it: Twisted's `StringTransport`."""

    __slots__ = ("_connection",)

    def __init__(self) -> None:
        id = world.new_id()
        self._connection = world.connections[id] = Connection()
        super().__init__(id)

    def value(self) -> bytes:
        """What was written since the last `clear`."""
        return bytes(self._connection.written)

    def clear(self) -> None:
        """Takes what was written, which is from now on no longer among `buffered_bytes`."""
        self._connection.written.clear()

    @property
    def aborted(self) -> bool:
        """Whether `abort_connection` was called."""
        return self._connection.aborted

    @property
    def write_shut_down(self) -> bool:
        """Whether `shutdown_write` was called."""
        return self._connection.write_shut_down

    @property
    def reading_paused(self) -> bool:
        """Whether reading is paused."""
        return self._connection.reading_paused


class Clock:
    """The time: Twisted's `task.Clock`. Times are seconds."""

    def __init__(self) -> None:
        """Time 0 with nothing pending."""
        _forget_pending()
        world.now_ms = 0
        world.broken_waits = None

    def advance(self, duration: float) -> None:
        """Puts the clock forward and delivers what becomes due, timers and pages, in order of time."""
        until_ms = world.now_ms + _milliseconds(duration)
        _deliver_due(until_ms)
        world.now_ms = max(world.now_ms, until_ms)

    def seconds(self) -> float:
        """The time."""
        return world.now_ms / 1000

    def break_waits(self, error: WaitError) -> None:
        """From now on every wait and sleep ends at once with `error`, as when the handler's connection is lost."""
        world.broken_waits = error


class Pages:
    """The web: says what each URL gives. Anything else cannot be connected to."""

    def __init__(self) -> None:
        """An empty web."""
        world.pages.clear()
        world.requests.clear()

    def respond(self, url: str, body: bytes, *, status: int = 200, after: float = 0) -> None:
        """`url` gives this page after so many seconds; after 0, when the running handler has returned."""
        self.respond_with(url, Response(status, [], body, url), after=after)

    def fail(self, url: str, error: FetchError, *, after: float = 0) -> None:
        """`url` gives this error."""
        world.pages[url] = (_milliseconds(after), error)

    def respond_with(self, url: str, response: Response, *, after: float = 0) -> None:
        """`url` gives this response."""
        world.pages[url] = (_milliseconds(after), response)

    @property
    def requests(self) -> list[Request]:
        """The requests that were made."""
        return list(world.requests)


class Server:
    """One instance of a guest that serves connections, as with isolation `service`.

    As with the real host, one handler runs at a time; what becomes due meanwhile is delivered when it has returned.
    Other than in a component, an exception that a handler raises is raised here.
    """

    def __init__(self, guest: Exported, config: Mapping[str, str] = {}) -> None:
        """Starts an instance of what would be exported. Timers and pages of an instance before it are forgotten.

        Raises:
            Exception: What `start_factory` raises.
        """
        _forget_pending()
        configure(config)
        self._server = _Server(guest, catches=False)
        self._open: dict[int, Peer] = {}
        self._server.start()

    def save_state(self) -> bytes:
        """What the instance leaves to the one that takes its place. The guest has to be a `StatefulFactory`."""
        return self._server.save_state()

    def restore_state(self, state: bytes) -> None:
        """Hands over what another instance has saved, as the host does before the first connection.

        Raises:
            Exception: What the factory's `restore_state` raises: the other instance would stay in its place.
        """
        self._server.restore_state(state)

    def connect(self) -> "Peer":
        """Connects a peer, and runs `connection_made`."""
        peer = Peer(self)
        self._open[peer.transport.id] = peer
        self._server.connection_made(peer.transport)
        self._settle()
        return peer

    def advance(self, clock: Clock, duration: float) -> None:
        """Puts the clock forward as `Clock.advance` does, and then ends the connections that callbacks closed."""
        clock.advance(duration)
        self._settle()

    def stop(self) -> None:
        """Ends the instance in an orderly way: connections are lost as when the host is stopping, then
        `stop_factory`."""
        for id in list(self._open):
            self._lose(id, HostStopping())
        self._server.stop()

    def _lose(self, id: int, reason: CloseReason) -> None:
        if self._open.pop(id, None) is not None:
            world.connections[id].gone = True
            self._server.connection_lost(id, reason)

    def _settle(self) -> None:
        """After a handler: delivers what waits, until nothing does."""
        _deliver_due(world.now_ms)
        while any(self._step(id) for id in list(self._open)):
            _deliver_due(world.now_ms)

    def _step(self, id: int) -> bool:
        connection = world.connections[id]
        if connection.aborted:
            self._lose(id, ConnectionAborted())
        elif connection.losing:
            self._lose(id, ConnectionDone())
        elif connection.inbox and not connection.reading_paused:
            data = bytes(connection.inbox)
            connection.inbox.clear()
            self._server.data_received(id, data)
        else:
            return False
        return True


class Peer:
    """A fake peer, connected to a `Server`: the other end of a transport."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.transport = StringTransport()
        """The guest's side of this connection, to see what was done to it."""

    def send(self, data: bytes) -> None:
        """Sends bytes that arrive in one piece. While the guest has paused reading they are kept for it."""
        self.transport._connection.inbox += data
        self._server._settle()

    def send_bytewise(self, data: bytes) -> None:
        """Sends bytes that arrive one at a time: a protocol must not depend on where the network cuts."""
        for byte in data:
            self.send(bytes((byte,)))

    def close(self) -> None:
        """Half close: this peer will send no more, and runs `read_closed`."""
        if not self.is_disconnected:
            self._server._server.read_closed(self.transport.id)
            self._server._settle()

    def reset(self) -> None:
        """Resets the connection: runs `connection_lost` with `ConnectionLost`."""
        self._server._lose(self.transport.id, ConnectionLost("reset by the fake peer"))
        self._server._settle()

    def take_received(self) -> bytes:
        """What has been received and not taken yet. Until it is taken it counts as `buffered_bytes`."""
        received = self.transport.value()
        self.transport.clear()
        return received

    def drain(self) -> bytes:
        """As `take_received`, and then runs `drained`: a slow peer has caught up."""
        received = self.take_received()
        if not self.is_disconnected:
            self._server._server.drained(self.transport.id)
            self._server._settle()
        return received

    @property
    def is_disconnected(self) -> bool:
        """Whether `connection_lost` was called."""
        return self.transport._connection.gone


def _deliver_due(until_ms: int | None) -> None:
    """Delivers what is due by then, in order of time, what that gives rise to included; without a time,
    everything."""
    for _ in range(_OUTCOMES_MAX):
        due = world.next_due(1 << 62 if until_ms is None else until_ms)
        if due is None:
            return
        pending.deliver(due[0], due[1].page)
    raise AssertionError(f"{_OUTCOMES_MAX} outcomes in one go: does a callback ask for itself again without a delay?")


def _forget_pending() -> None:
    world.pending.clear()
    pending.clear()


def _milliseconds(seconds: float) -> int:
    return math.ceil(round(seconds * 1000, 6))


_OUTCOMES_MAX = 100_000
"""More outcomes than this in one step of a test are taken for an endless loop."""
