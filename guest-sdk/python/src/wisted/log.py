"""Log records; the host adds the names of the service and the guest and the connection whose handler is running.

What is printed becomes records too: lines of standard output at info, of standard error at warn. For the standard
`logging` see `wisted.log_handler`.
"""

from . import _host
from .levels import Level

__all__ = ["Level", "debug", "error", "info", "trace", "warn", "write"]


def write(level: Level, message: str) -> None:
    """Writes one record. A message longer than 8 KiB is cut."""
    _host.log(level, message)


def trace(message: str) -> None:
    """Logs every step."""
    _host.log(Level.TRACE, message)


def debug(message: str) -> None:
    """Logs what helps when looking for a fault."""
    _host.log(Level.DEBUG, message)


def info(message: str) -> None:
    """Logs what an operator wants to know."""
    _host.log(Level.INFO, message)


def warn(message: str) -> None:
    """Logs that something is wrong and work goes on."""
    _host.log(Level.WARN, message)


def error(message: str) -> None:
    """Logs that something has failed."""
    _host.log(Level.ERROR, message)
