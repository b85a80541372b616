"""The classes that a server extends; they know nothing of who calls them."""

from typing import Self

from .errors import CloseReason
from .transport import Address, Transport


class Protocol:
    """What happens on one connection: Twisted's `Protocol`. Override `data_received`; everything else has a default.

    The host calls one handler at a time. A handler may take long only by waiting (`sleep`, `Deferred.wait`); one that
    computes for too long is ended together with its connection. An exception that a handler raises is logged, and its
    connection is aborted.
    """

    transport: Transport
    """The connection; there from `connection_made` on."""
    factory: "Factory"
    """Who has built this protocol."""

    def make_connection(self, transport: Transport) -> None:
        """Gives the protocol its connection, and calls `connection_made`. Not to be overridden."""
        self.transport = transport
        self.connection_made()

    def connection_made(self) -> None:
        """The peer has connected. Called once, before everything else: the place for a greeting."""

    def data_received(self, data: bytes) -> None:
        """Bytes arrived: in order, never empty, cut wherever the network cut them.

        A protocol that looks for lines or frames has to buffer, and to bound its buffer: see `LineReceiver` and its
        like.
        """

    def read_closed(self) -> None:
        """The peer will send no more (TCP FIN); writing still works. Twisted's `readConnectionLost`.

        The default closes the connection once everything written is sent.
        """
        self.transport.lose_connection()

    def drained(self) -> None:
        """The peer had been slow and has caught up: the time to write more. Twisted's `resumeProducing`.

        Called after the write buffer was above its high watermark and has fallen below its low one.
        """

    def connection_lost(self, reason: CloseReason) -> None:
        """The connection is gone. Called once, after everything else about it; the transport does nothing any
        more."""


class Factory:
    """Builds the protocols of a service and owns what they share: Twisted's `ServerFactory`.

    Each instance of the guest has one factory. With isolation `connection` (the default) every connection has an
    instance, and so a factory, of its own; protocols that are to meet each other need isolation `service`.
    """

    protocol: type[Protocol] | None = None
    """What `build_protocol` makes for each connection."""

    @classmethod
    def for_protocol(cls, protocol: type[Protocol]) -> Self:
        """A factory that makes `protocol` for each connection."""
        factory = cls()
        factory.protocol = protocol
        return factory

    def start_factory(self) -> None:
        """The instance begins. Called once, before everything else: the place to read `config`.

        What it raises refuses the connection, or with isolation `service` the service, and is logged.
        """

    def build_protocol(self, peer: Address) -> Protocol | None:
        """A peer has connected: makes its protocol, whose `connection_made` is called next. None refuses the peer."""
        if self.protocol is None:
            raise TypeError(f"{type(self).__name__} needs a `protocol`, or a `build_protocol` of its own")
        protocol = self.protocol()
        protocol.factory = self
        return protocol

    def stop_factory(self) -> None:
        """The instance ends in an orderly way. Called once, after everything else; not after a fault."""


class StatefulFactory(Factory):
    """A factory that hands its state to the one that takes its place, when there is a new build or its instance has
    served enough.

    It is for isolation `service`, and the guest's world is then `stateful-protocol`, which stands in `[tool.wisted]`.
    """

    def save_state(self) -> bytes:
        """What the next one is to know, at most 16 MiB. Called once that one has started; this one goes on serving its
        open connections, but what changes from then on is not handed over. Say in it which version it is: another build
        will read it.

        What it raises ends the instance, with all its connections.
        """
        raise NotImplementedError(f"{type(self).__name__} saves nothing: you must override save_state")

    def restore_state(self, state: bytes) -> None:
        """What the one before has saved, perhaps nothing. Called after `start_factory` and before the first connection;
        not where there is no old instance. What it raises is logged, and the old one stays in its place.
        """
        raise NotImplementedError(f"{type(self).__name__} restores nothing: you must override restore_state")
