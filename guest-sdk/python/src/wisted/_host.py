"""The door to the host: its functions, real in a component and fake elsewhere. Knows nothing of who calls them.

Only this file knows that there are two; both have the same names, and give and raise this package's own types.
"""

import sys

if sys.platform == "wasi":
    from ._bindings import (
        abort_connection,
        buffered_bytes,
        call_later,
        cancel,
        config_all,
        config_get,
        get_page,
        host,
        log,
        lose_connection,
        now,
        pause_reading,
        peer,
        random_bytes,
        resume_reading,
        send_request,
        shutdown_write,
        sleep,
        take_page,
        wait,
        write,
        write_many,
    )
else:
    from ._fake import (
        abort_connection,
        buffered_bytes,
        call_later,
        cancel,
        config_all,
        config_get,
        get_page,
        host,
        log,
        lose_connection,
        now,
        pause_reading,
        peer,
        random_bytes,
        resume_reading,
        send_request,
        shutdown_write,
        sleep,
        take_page,
        wait,
        write,
        write_many,
    )

__all__ = [
    "abort_connection",
    "buffered_bytes",
    "call_later",
    "cancel",
    "config_all",
    "config_get",
    "get_page",
    "host",
    "log",
    "lose_connection",
    "now",
    "pause_reading",
    "peer",
    "random_bytes",
    "resume_reading",
    "send_request",
    "shutdown_write",
    "sleep",
    "take_page",
    "wait",
    "write",
    "write_many",
]
