"""A connection as its protocol sees it; knows nothing of protocols."""

from collections.abc import Iterable
from typing import NamedTuple

from . import _host


Bytes = bytes | bytearray | memoryview


class Address(NamedTuple):
    """One end of a connection. `str()` gives `127.0.0.1:8000` or `[::1]:8000`."""

    host: str
    """An IP address without brackets or port."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Transport:
    """A handle on one connection: Twisted's `ITCPTransport`.

    Keep it wherever you like, for instance so that one connection can write to another. It may outlive its
    connection: on a connection that is lost every method does nothing. Nothing here blocks, fails or calls a protocol
    back; what happened is told later, through `connection_lost` at the latest.
    """

    __slots__ = ("_disconnecting", "_id")

    def __init__(self, id: int) -> None:
        self._id = id
        self._disconnecting = False

    @property
    def id(self) -> int:
        """The number of this connection within the instance: 1 for the first, and so on. With isolation `connection`
        each instance has only number 1."""
        return self._id

    @property
    def disconnecting(self) -> bool:
        """Whether `lose_connection` or `abort_connection` was called."""
        return self._disconnecting

    def write(self, data: Bytes) -> None:
        """Queues `data` for the peer, in order.

        What cannot be sent is dropped with the connection. More than the service's `write-buffer-max` in one handler
        ends the instance: produce in portions and go on in `drained`.

        Raises:
            TypeError: For anything but bytes. Text has to be encoded.
        """
        if type(data) is not bytes:
            data = _bytes(data)
        _host.write(self._id, data)

    def write_many(self, pieces: Iterable[Bytes]) -> None:
        """Queues several pieces as if each had been written in turn; one call of it costs less than many writes."""
        _host.write_many(self._id, [_bytes(piece) for piece in pieces])

    def write_sequence(self, pieces: Iterable[Bytes]) -> None:
        """The same as `write_many`, under Twisted's name."""
        self.write_many(pieces)

    def lose_connection(self) -> None:
        """Closes the connection once everything written so far is sent.

        No more data is received, later writes are ignored, and `connection_lost` follows.
        """
        self._disconnecting = True
        _host.lose_connection(self._id)

    def abort_connection(self) -> None:
        """Closes the connection now and drops what is unsent (TCP RST): for peers that misbehave.

        `connection_lost` with `ConnectionAborted` follows.
        """
        self._disconnecting = True
        _host.abort_connection(self._id)

    def shutdown_write(self) -> None:
        """Half close: once everything written so far is sent, tells the peer that no more will come (TCP FIN), and
        goes on receiving. Later writes are ignored. Twisted's `loseWriteConnection`."""
        _host.shutdown_write(self._id)

    def pause_reading(self) -> None:
        """Stops `data_received` until `resume_reading`. The peer is slowed down, nothing is lost.

        A receiver of lines or frames still delivers those that have arrived already. Twisted's `pauseProducing`.
        """
        _host.pause_reading(self._id)

    def resume_reading(self) -> None:
        """Undoes `pause_reading`."""
        _host.resume_reading(self._id)

    @property
    def peer(self) -> Address:
        """The address of the peer."""
        return Address(*_host.peer(self._id))

    @property
    def host(self) -> Address:
        """The address on this side that the peer connected to."""
        return Address(*_host.host(self._id))

    @property
    def buffered_bytes(self) -> int:
        """How many bytes were written and are not yet with the operating system.

        Ask before writing much: a slow peer's connection is ended when too much waits for it.
        """
        return _host.buffered_bytes(self._id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._id}>"


def _bytes(data: object) -> bytes:
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    raise TypeError(f"a transport writes bytes, not {type(data).__name__}; text has to be encoded")
