"""Everything that can end otherwise than hoped, as exceptions; knows nothing of who raises them.

Each has a `kind`, the contract's name of the case, such as `"too-large"`.
"""


class Error(Exception):
    """What this package raises. Its text alone says what is wrong: as the error of a program or of `start_factory` it
    is shown without a traceback."""

    kind = "error"


class CancelledError(Error):
    """`Deferred.cancel` was called. Not logged when nobody handles it."""

    kind = "cancelled"

    def __init__(self) -> None:
        super().__init__("cancelled")


class CloseReason(Error):
    """Why a connection ended. `connection_lost` is given one of its subclasses; nobody raises it."""


class ConnectionDone(CloseReason):
    """It was closed in an orderly way, by either side, and all that was written was handed to the operating
    system."""

    kind = "done"

    def __init__(self) -> None:
        super().__init__("the connection was closed")


class ConnectionLost(CloseReason):
    """The operating system reported an error, such as a reset by the peer."""

    kind = "lost"

    def __init__(self, detail: str) -> None:
        super().__init__(f"the connection was lost: {detail}")


class ConnectionAborted(CloseReason):
    """This guest called `Transport.abort_connection`, or a handler of this connection raised an exception."""

    kind = "aborted"

    def __init__(self) -> None:
        super().__init__("the connection was aborted")


class PeerNotReading(CloseReason):
    """Too much waited for the peer, or it waited for too long. The text names the limit."""

    kind = "peer-not-reading"

    def __init__(self, detail: str) -> None:
        super().__init__(f"the peer did not read: {detail}")


class HostStopping(CloseReason):
    """The host is stopping, and the time that connections were given to finish is over."""

    kind = "stopping"

    def __init__(self) -> None:
        super().__init__("the host is stopping")


class WaitError(Error):
    """A wait or a sleep ended early."""


class WaitConnectionLost(WaitError):
    """The connection whose handler is running was lost. Return soon: `connection_lost` comes next, and every further
    wait in this handler ends at once with this error."""

    kind = "connection-lost"

    def __init__(self, reason: CloseReason) -> None:
        super().__init__(f"gave up waiting: {reason}")
        self.reason = reason


class UnknownId(WaitError):
    """There is nothing to wait for: it was cancelled or has been delivered."""

    kind = "unknown-id"

    def __init__(self) -> None:
        super().__init__("there is nothing to wait for")


class WaitStopping(WaitError):
    """The host is stopping."""

    kind = "stopping"

    def __init__(self) -> None:
        super().__init__("gave up waiting: the host is stopping")


class FetchError(Error):
    """There is no page. A response of any status is a page and no error."""


class Denied(FetchError):
    """The operator has not granted this host; the text says what to grant."""

    kind = "denied"

    def __init__(self, detail: str) -> None:
        super().__init__(f"denied: {detail}")


class InvalidRequest(FetchError):
    """The URL, the method or a header is malformed, or the scheme is not `http` or `https`."""

    kind = "invalid-request"

    def __init__(self, detail: str) -> None:
        super().__init__(f"invalid request: {detail}")


class DnsError(FetchError):
    """The name could not be resolved."""

    kind = "dns"

    def __init__(self, detail: str) -> None:
        super().__init__(f"the name could not be resolved: {detail}")


class ConnectError(FetchError):
    """No connection could be made, or it broke."""

    kind = "connect"

    def __init__(self, detail: str) -> None:
        super().__init__(f"no connection: {detail}")


class TlsError(FetchError):
    """The certificate could not be verified, or the TLS handshake failed."""

    kind = "tls"

    def __init__(self, detail: str) -> None:
        super().__init__(f"TLS: {detail}")


class ProtocolError(FetchError):
    """The peer does not speak HTTP properly."""

    kind = "protocol"

    def __init__(self, detail: str) -> None:
        super().__init__(f"not proper HTTP: {detail}")


class FetchTimeout(FetchError):
    """It took longer than it may."""

    kind = "timeout"

    def __init__(self) -> None:
        super().__init__("the request timed out")


class TooLarge(FetchError):
    """The body is longer than `limit_bytes`."""

    kind = "too-large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the page is longer than {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class TooManyRedirects(FetchError):
    """More redirects than `limit`."""

    kind = "too-many-redirects"

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} redirects")
        self.limit = limit


class TooManyRequests(FetchError):
    """More requests wait than this service may have; try later."""

    kind = "too-many-requests"

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} requests are waiting")
        self.limit = limit
