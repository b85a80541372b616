"""Randomness from the operating system; knows nothing of what it is for."""

from . import _host


def random_bytes(length: int) -> bytes:
    """`length` random bytes, fit for keys.

    `secrets` and `os.urandom` are as good. A generator of the standard `random` that your own module makes when it is
    imported is not: its state is part of the component, the same in every instance.

    Raises:
        ValueError: For a length that is not from 0 to 65,536.
    """
    if not 0 <= length <= 65_536:
        raise ValueError("random_bytes gives from 0 to 65,536 bytes at once")
    return _host.random_bytes(length)
