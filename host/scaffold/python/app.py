"""{{name}}: sends back what it receives."""

import wisted


class Echo(wisted.Protocol):
    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


wisted.export(Echo)
