"""The operator's configuration values (`--config KEY=VALUE`); knows nothing of what they mean.

They don't change while an instance lives, but they are not there yet when the module is imported: a component is
built with its modules imported already. Read them in `start_factory`, `start` or later.
"""

from typing import overload

from . import _host


@overload
def get(key: str) -> str | None: ...
@overload
def get(key: str, default: str) -> str: ...
def get(key: str, default: str | None = None) -> str | None:
    """The value of `key`, or `default` when the operator gave none."""
    value = _host.config_get(key)
    return default if value is None else value


def all() -> dict[str, str]:
    """All values, sorted by key."""
    return dict(_host.config_all())
