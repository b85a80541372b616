"""What componentize-py generates of the contract, in this package's types. Nobody else names the generated modules.

Exists in a component only. It knows neither protocols nor Deferreds.
"""
# The generated modules are not there when types are checked.
# mypy: ignore-errors

from __future__ import annotations

from typing import TYPE_CHECKING

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import config, logging, pending, random, timers, transport, types, web

from . import errors
from .levels import Level

if TYPE_CHECKING:
    from ._server import Runner, Server

# What needs no translation is the generated function itself: a call through a wrapper takes half as long again.
write = transport.write
write_many = transport.write_many
lose_connection = transport.lose_connection
abort_connection = transport.abort_connection
shutdown_write = transport.shutdown_write
pause_reading = transport.pause_reading
resume_reading = transport.resume_reading
buffered_bytes = transport.buffered_bytes
call_later = timers.call_later
now = timers.now
cancel = pending.cancel
get_page = web.get_page
random_bytes = random.get_random_bytes
config_get = config.get
config_all = config.get_all


def peer(id: int) -> tuple[str, int]:
    """An address as a pair."""
    address = transport.peer(id)
    return address.host, address.port


def host(id: int) -> tuple[str, int]:
    """An address as a pair."""
    address = transport.host(id)
    return address.host, address.port


def log(level: Level, message: str) -> None:
    """Writes one record."""
    logging.log(_LEVELS[level], message)


def sleep(duration_ms: int) -> None:
    """Raises a `WaitError`."""
    try:
        timers.sleep(duration_ms)
    except Err as error:
        raise _wait_error(error.value) from None


def wait(id: int) -> None:
    """Raises a `WaitError`."""
    try:
        pending.wait(id)
    except Err as error:
        raise _wait_error(error.value) from None


def send_request(request) -> int:
    """Takes a `wisted.web.Request`."""
    headers = [web.Header(name, value) for name, value in request.headers]
    return web.send_request(web.Request(request.method, request.url, headers, request.body, request.timeout_ms))


def take_page(id: int):
    """A `Response`, or a `FetchError` instead of one."""
    try:
        return _response(web.take_page(id))
    except Err as error:
        return _fetch_error(error.value)


def exports_of(instance: Server | Runner) -> dict[str, type]:
    """The classes that componentize-py looks for in the app's module, by their names."""
    from ._server import Server

    if isinstance(instance, Server):
        own = _protocol_exports(instance) | _state_exports(instance)
    else:
        own = _program_exports(instance)
    return own | _common_exports(instance)


def _protocol_exports(server: Server) -> dict[str, type]:
    from .transport import Transport

    if not hasattr(exports, "ConnectionHandler"):
        raise TypeError("this guest serves connections: its world is `protocol`, which stands in [tool.wisted]")

    class ConnectionHandler:
        def connection_made(self, connection):
            server.connection_made(Transport(connection))

        def data_received(self, connection, data):
            server.data_received(connection, data)

        def connection_lost(self, connection, reason):
            server.connection_lost(connection, _close_reason(reason))

    class HalfCloseHandler:
        def read_closed(self, connection):
            server.read_closed(connection)

    class FlowHandler:
        def drained(self, connection):
            server.drained(connection)

    handlers = (ConnectionHandler, HalfCloseHandler, FlowHandler)
    return {handler.__name__: handler for handler in handlers}


def _state_exports(server: Server) -> dict[str, type]:
    from ._server import refusal

    if hasattr(exports, "StateHandler") != server.is_stateful:
        raise TypeError(
            'this guest hands state over: set world = "stateful-protocol" in [tool.wisted]'
            if server.is_stateful
            else "this guest has no StatefulFactory: its world is `protocol`, which stands in [tool.wisted]"
        )

    class StateHandler:
        def save_state(self):
            return server.save_state()

        def restore_state(self, state):
            try:
                server.restore_state(state)
            except MemoryError:
                raise
            except Exception as error:
                raise Err(refusal(error)) from None

    return {"StateHandler": StateHandler} if server.is_stateful else {}


def _program_exports(runner: Runner) -> dict[str, type]:
    from ._server import refusal

    if not hasattr(exports, "Program"):
        raise TypeError('this guest is a program: set world = "standalone" in [tool.wisted]')

    class Program:
        def execute(self):
            try:
                runner.execute()
            except MemoryError:
                raise
            except Exception as error:
                raise Err(refusal(error)) from None

    return {"Program": Program}


def _common_exports(instance: Server | Runner) -> dict[str, type]:
    from ._server import refusal

    class LifecycleHandler:
        def start(self, config):
            try:
                instance.start()
            except MemoryError:
                raise
            except Exception as error:
                raise Err(refusal(error)) from None

        def stop(self):
            instance.stop()

    class TimerHandler:
        def timer_fired(self, id):
            instance.outcome_arrived(id, None)

    class PageHandler:
        def page_received(self, id, page):
            outcome = _fetch_error(page.value) if isinstance(page, Err) else _response(page.value)
            instance.outcome_arrived(id, outcome)

    return {handler.__name__: handler for handler in (LifecycleHandler, TimerHandler, PageHandler)}


def _response(response):
    from .web import Response

    headers = [(header.name, header.value) for header in response.headers]
    return Response(response.status, headers, response.body, response.url)


def _close_reason(reason) -> errors.CloseReason:
    return _translated(_CLOSE_REASONS, reason)


def _fetch_error(error) -> errors.FetchError:
    return _translated(_FETCH_ERRORS, error)


def _wait_error(error) -> errors.WaitError:
    if isinstance(error, types.WaitError_ConnectionLost):
        return errors.WaitConnectionLost(_close_reason(error.value))
    return errors.UnknownId() if isinstance(error, types.WaitError_UnknownId) else errors.WaitStopping()


def _translated(classes, case):
    ours = classes[type(case)]
    return ours(case.value) if hasattr(case, "value") else ours()


_LEVELS = {level: logging.Level(level.value) for level in Level}

_CLOSE_REASONS = {
    types.CloseReason_Done: errors.ConnectionDone,
    types.CloseReason_Lost: errors.ConnectionLost,
    types.CloseReason_Aborted: errors.ConnectionAborted,
    types.CloseReason_PeerNotReading: errors.PeerNotReading,
    types.CloseReason_Stopping: errors.HostStopping,
}

_FETCH_ERRORS = {
    web.FetchError_Denied: errors.Denied,
    web.FetchError_InvalidRequest: errors.InvalidRequest,
    web.FetchError_Dns: errors.DnsError,
    web.FetchError_Connect: errors.ConnectError,
    web.FetchError_Tls: errors.TlsError,
    web.FetchError_Protocol: errors.ProtocolError,
    web.FetchError_Timeout: errors.FetchTimeout,
    web.FetchError_TooLarge: errors.TooLarge,
    web.FetchError_TooManyRedirects: errors.TooManyRedirects,
    web.FetchError_TooManyRequests: errors.TooManyRequests,
}
