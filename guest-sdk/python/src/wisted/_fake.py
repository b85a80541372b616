"""The fake host of native runs: what a guest asks for, recorded as plain values for `wisted.testing` to look at.

It is one for the process and calls nobody.
"""

import random
from dataclasses import dataclass, field
from typing import Any

from .errors import ConnectError, FetchError, UnknownId, WaitError
from .levels import Level


@dataclass
class Connection:
    """What was done to one connection."""

    written: bytearray = field(default_factory=bytearray)
    losing: bool = False
    aborted: bool = False
    write_shut_down: bool = False
    reading_paused: bool = False
    gone: bool = False
    """`connection_lost` was delivered."""
    inbox: bytearray = field(default_factory=bytearray)
    """Came from the peer and was not delivered yet."""

    def write(self, data: bytes) -> None:
        """Keeps what would be sent."""
        if not (self.losing or self.aborted or self.write_shut_down or self.gone):
            self.written += data


@dataclass
class Pending:
    """A timer; or a page, when it has a result."""

    due_ms: int
    page: Any = None


class World:
    """Everything that the fake host knows."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.pending: dict[int, Pending] = {}
        self.arrived: dict[int, Any] = {}
        """Pages that were waited for and are still to be taken."""
        self.pages: dict[str, tuple[int, Any]] = {}
        self.requests: list[Any] = []
        self.connections: dict[int, Connection] = {}
        self.broken_waits: WaitError | None = None
        self.config: dict[str, str] = {}
        self.log: list[tuple[Level, str]] = []
        self.random = random.Random(1)
        self._ids_given = 0

    def new_id(self) -> int:
        """Ids ascend, and are never given twice."""
        self._ids_given += 1
        return self._ids_given

    def next_due(self, until_ms: int) -> tuple[int, Pending] | None:
        """The next outcome that is due by then, taken out; and the clock put forward to it."""
        if not self.pending:
            return None
        id, pending = min(self.pending.items(), key=lambda item: (item[1].due_ms, item[0]))
        if pending.due_ms > until_ms:
            return None
        del self.pending[id]
        self.now_ms = max(self.now_ms, pending.due_ms)
        return id, pending

    def break_waits(self) -> None:
        """Raises what a test has said that every wait ends with."""
        if self.broken_waits is not None:
            raise self.broken_waits


world = World()


def write(id: int, data: bytes) -> None:
    world.connections[id].write(data)


def write_many(id: int, pieces: list[bytes]) -> None:
    for piece in pieces:
        world.connections[id].write(piece)


def lose_connection(id: int) -> None:
    world.connections[id].losing = True


def abort_connection(id: int) -> None:
    connection = world.connections[id]
    connection.aborted = True
    connection.written.clear()


def shutdown_write(id: int) -> None:
    world.connections[id].write_shut_down = True


def pause_reading(id: int) -> None:
    world.connections[id].reading_paused = True


def resume_reading(id: int) -> None:
    world.connections[id].reading_paused = False


def peer(id: int) -> tuple[str, int]:
    # Every connection has its own port, so that tests can tell them apart.
    return "127.0.0.1", 40_000 + id % 20_000


def host(id: int) -> tuple[str, int]:
    return "127.0.0.1", 8000


def buffered_bytes(id: int) -> int:
    connection = world.connections[id]
    return 0 if connection.gone else len(connection.written)


def call_later(delay_ms: int) -> int:
    id = world.new_id()
    world.pending[id] = Pending(world.now_ms + delay_ms)
    return id


def sleep(duration_ms: int) -> None:
    world.break_waits()
    world.now_ms += duration_ms


def now() -> int:
    return world.now_ms


def wait(id: int) -> None:
    world.break_waits()
    pending = world.pending.pop(id, None)
    if pending is None:
        raise UnknownId()
    world.now_ms = max(world.now_ms, pending.due_ms)
    if pending.page is not None:
        world.arrived[id] = pending.page


def cancel(id: int) -> bool:
    return world.pending.pop(id, None) is not None


def get_page(url: str) -> int:
    from .web import Request

    return send_request(Request("GET", url, [], b"", 0))


def send_request(request: Any) -> int:
    delay_ms, result = world.pages.get(request.url, (0, None))
    if result is None:
        result = ConnectError(f"no fake page for {request.url}")
    world.requests.append(request)
    id = world.new_id()
    world.pending[id] = Pending(world.now_ms + delay_ms, result)
    return id


def take_page(id: int) -> "Any | FetchError":
    return world.arrived.pop(id)


def log(level: Level, message: str) -> None:
    world.log.append((level, message))


def random_bytes(length: int) -> bytes:
    # The same in every run: what a test wants.
    return world.random.randbytes(length)


def config_get(key: str) -> str | None:
    return world.config.get(key)


def config_all() -> list[tuple[str, str]]:
    return sorted(world.config.items())
