"""The standard `logging`, sent to the host's log; knows nothing of who logs.

A module of its own, for a guest that does not use `logging` is the smaller without it.
"""

import logging

from . import log


class HostHandler(logging.Handler):
    """Sends records to the host, as in `logging.basicConfig(level=logging.INFO, handlers=[HostHandler()])`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record, with the traceback of its exception if it has one."""
        try:
            log.write(_level(record.levelno), self.format(record))
        except Exception:
            self.handleError(record)


def _level(number: int) -> log.Level:
    if number >= logging.ERROR:
        return log.Level.ERROR
    if number >= logging.WARNING:
        return log.Level.WARN
    if number >= logging.INFO:
        return log.Level.INFO
    return log.Level.DEBUG if number >= logging.DEBUG else log.Level.TRACE
