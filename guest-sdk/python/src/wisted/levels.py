"""How much a log record matters; knows nothing of who writes it."""

from enum import IntEnum


class Level(IntEnum):
    """From every step to failures. The numbers are the contract's."""

    TRACE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4
