"""The peer `uvloop`: echo or lines as asyncio protocols on uvloop, which sets TCP_NODELAY itself."""

import asyncio
import sys

import uvloop

# A longer line ends its connection.
LINE_MAX_BYTES = 64 * 1024


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class UpperCase(Echo):
    partial = b""

    def data_received(self, data):
        # Upper-casing touches no newline, so that complete lines can be answered together.
        complete, newline, self.partial = (self.partial + data).rpartition(b"\n")
        if newline:
            self.transport.write(complete.upper() + newline)
        if len(self.partial) > LINE_MAX_BYTES:
            self.transport.abort()


async def main():
    protocol = UpperCase if sys.argv[1:] == ["line"] else Echo
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, backlog=4096)
    print(f"listening on tcp:127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


uvloop.run(main())
