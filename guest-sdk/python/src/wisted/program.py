"""The class of guests that run by themselves; it knows nothing of connections."""


class Program:
    """What runs without sockets. Override `execute`."""

    def start(self) -> None:
        """The instance begins; called before `execute`. What it raises ends the program, as with `execute`."""

    def execute(self) -> None:
        """Called once. The host goes on until this has returned and nothing is pending, and then exits with 0.

        What it raises makes the host exit with 1: an `Error` is shown as its text, anything else with its traceback.
        """
        raise NotImplementedError(f"{type(self).__name__} must override execute")

    def stop(self) -> None:
        """The program ends in an orderly way; called after everything else."""
