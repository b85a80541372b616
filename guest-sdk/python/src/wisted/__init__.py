"""Protocols and programs for the Wisted reactor: the map of the package, which knows no more than the names.

This is all of an echo server::

    import wisted

    class Echo(wisted.Protocol):
        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    wisted.export(Echo)

From the outside to the inside:

- `export` makes a guest of a `Protocol`, a `Factory` or a `Program`. Natively it only checks that it fits.
- A `Factory` builds a `Protocol` for each connection and keeps what they share, and what a `StatefulFactory` keeps
  outlives a build. `LineReceiver`, `NetstringReceiver`
  and `Int32StringReceiver` are protocols that cut what arrives into messages.
- A `Transport` is a protocol's handle on its connection; others (a chat room) may keep it too.
- What takes time is a `Deferred` (`get_page`, `request`, `defer_later`): add callbacks and return, or call its
  `wait`, which suspends this guest and nobody else. `call_later` and `sleep` are the same two choices for time alone.
- `log` writes log records, `wisted.log_handler` sends those of the standard `logging`; `config` reads what the
  operator configured; `random_bytes`.
- `wisted.testing` has the fakes: natively the same code runs against a fake transport, clock and web.

Names are Twisted's concepts in snake_case: `connection_made` is Twisted's `connectionMade`. Times are seconds, as
`float`, sizes are bytes.

The host runs one handler of an instance at a time, also when a handler waits or sleeps: what arrives meanwhile is
delivered after it has returned. So protocols may share plain lists and dicts.
"""

from . import config, log
from .deferred import Deferred, fail, succeed
from .errors import (
    CancelledError,
    CloseReason,
    ConnectError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    Denied,
    DnsError,
    Error,
    FetchError,
    FetchTimeout,
    HostStopping,
    InvalidRequest,
    PeerNotReading,
    ProtocolError,
    TlsError,
    TooLarge,
    TooManyRedirects,
    TooManyRequests,
    UnknownId,
    WaitConnectionLost,
    WaitError,
    WaitStopping,
)
from .export import export
from .framing import (
    Int8StringReceiver,
    Int16StringReceiver,
    Int32StringReceiver,
    LineReceiver,
    NetstringReceiver,
)
from .program import Program
from .protocol import Factory, Protocol, StatefulFactory
from .rand import random_bytes
from .timers import DelayedCall, call_later, defer_later, now, sleep
from .transport import Address, Transport
from .web import Response, get_page, request

__all__ = [
    "Address",
    "CancelledError",
    "CloseReason",
    "ConnectError",
    "ConnectionAborted",
    "ConnectionDone",
    "ConnectionLost",
    "Deferred",
    "DelayedCall",
    "Denied",
    "DnsError",
    "Error",
    "Factory",
    "FetchError",
    "FetchTimeout",
    "HostStopping",
    "Int16StringReceiver",
    "Int32StringReceiver",
    "Int8StringReceiver",
    "InvalidRequest",
    "LineReceiver",
    "NetstringReceiver",
    "PeerNotReading",
    "Program",
    "Protocol",
    "ProtocolError",
    "Response",
    "StatefulFactory",
    "TlsError",
    "TooLarge",
    "TooManyRedirects",
    "TooManyRequests",
    "Transport",
    "UnknownId",
    "WaitConnectionLost",
    "WaitError",
    "WaitStopping",
    "call_later",
    "config",
    "defer_later",
    "export",
    "fail",
    "get_page",
    "log",
    "now",
    "random_bytes",
    "request",
    "sleep",
    "succeed",
]
