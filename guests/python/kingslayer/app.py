"""Kingslayer (弑君者), a small event framework: handlers are registered as events and run in that order."""

import wisted
from wisted import config


class Handler:
    """What happens at one event."""

    def __init__(self, name: str) -> None:
        self.name = name

    def execute(self) -> None:
        """Every handler has its own; one that forgets it is told so."""
        raise wisted.Error(f"the handler `{self.name}` does nothing: you must override execute")


class Events:
    """The handlers, in the order in which they were registered."""

    def __init__(self) -> None:
        self.handlers: list[Handler] = []

    def register(self, handler: Handler) -> None:
        self.handlers.append(handler)

    def run(self) -> None:
        """Executes each handler in turn. The first error ends the run."""
        for handler in self.handlers:
            handler.execute()


class Say(Handler):
    """A handler that says its line."""

    def __init__(self, name: str, line: str) -> None:
        super().__init__(name)
        self.line = line

    def execute(self) -> None:
        print(f"{self.name}: {self.line}")


class Forgetful(Handler):
    """A handler that does not override `execute`."""


class Kingslayer(wisted.Program):
    def start(self) -> None:
        self.events = Events()
        self.events.register(Say("oath", "the guard swears to keep the king"))
        self.events.register(Say("doubt", "the king calls for fire"))
        self.events.register(Say("deed", "the guard draws his sword"))
        if config.get("forget") == "true":
            self.events.register(Forgetful("forgetful"))

    def execute(self) -> None:
        self.events.run()


wisted.export(Kingslayer)
