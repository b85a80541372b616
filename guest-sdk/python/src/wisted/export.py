"""Makes a guest of a class; knows nothing of what it does."""

import gc
import sys

from ._server import Exported, Runner, Server
from .program import Program
from .protocol import Factory, Protocol


def export(guest: "Exported | type[Program]") -> None:
    """Exports a `Protocol`, a `Factory` or a `Program` as the guest. To be called once, at the end of the app's
    module.

    A `Protocol` is given as its class, and a new one is made for each connection. A `Factory` is given as its class,
    or as an instance, which every instance of the guest begins with a copy of.

    In a component it puts the classes that componentize-py looks for into the module that calls it. Natively it only
    checks that the guest fits.

    Raises:
        TypeError: When it is none of these.
    """
    instance: Server | Runner
    if isinstance(guest, type) and issubclass(guest, Program):
        instance = Runner(guest)
    elif isinstance(guest, Factory) or (isinstance(guest, type) and issubclass(guest, (Protocol, Factory))):
        instance = Server(guest)
    else:
        raise TypeError(f"a Protocol, a Factory or a Program can be exported, and {guest!r} is none")
    if sys.platform == "wasi":
        from ._bindings import exports_of

        exports = exports_of(instance)
        sys._getframe(1).f_globals.update(exports)
        sys.stdout.reconfigure(line_buffering=True)
        # What is there by now lives as long as the component: collections need not look at it, nor touch its memory.
        gc.collect()
        gc.freeze()
