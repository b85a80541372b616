"""Web pages: requests, responses, and how to ask for them. Knows nothing of how pages are fetched."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from . import _host
from .deferred import Deferred
from .errors import Error
from .pending import Outcome, Source
from .timers import milliseconds


class Response(NamedTuple):
    """A response of any status: a 404 is a page, not an error."""

    status: int
    """The HTTP status, such as 200."""
    headers: list[tuple[str, str]]
    """Names and values as they came."""
    body: bytes
    """At most as long as the service's `page-max`."""
    url: str
    """Where the page came from, after redirects."""

    @property
    def ok(self) -> bool:
        """Whether the status is in the 200s."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as UTF-8; what is none is replaced."""
        return self.body.decode("utf-8", "replace")

    def header(self, name: str) -> str | None:
        """The first header of this name, whatever its case."""
        name = name.lower()
        return next((value for key, value in self.headers if key.lower() == name), None)


class Request(NamedTuple):
    """What `request` sends: what a fake web shows to a test."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    timeout_ms: int
    """0 for the service's limit."""


def get_page(url: str) -> Deferred[Response]:
    """Fetches `url` with GET and returns at once: Twisted's `getPage`. The operator must have granted the host.

    ::

        get_page("https://example.org/").add_callback(lambda page: log.info(f"{len(page.body)} bytes"))
    """
    return _page(_host.get_page(url))


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    timeout: float | None = None,
) -> Deferred[Response]:
    """Sends any request and returns at once; like `get_page` in everything else.

    Args:
        timeout: Seconds that the whole request may take, redirects included. Without it, and at most, the service's
        limit.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    # 0 is the service's limit in the contract, and that is not what a tiny timeout means.
    timeout_ms = 0 if timeout is None else max(1, milliseconds(timeout))
    return _page(_host.send_request(Request(method, url, list(pairs), body, timeout_ms)))


def _page(id: int) -> Deferred[Response]:
    source = Source(id, _host.take_page)
    deferred: Deferred[Response] = Deferred(source)

    def arrived(outcome: Outcome) -> None:
        if isinstance(outcome, Error):
            deferred.errback(outcome)
        else:
            deferred.callback(outcome)

    source.expect(arrived)
    return deferred
