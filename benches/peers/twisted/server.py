"""The peer `twisted`: echo or lines on Twisted's epoll reactor."""

import sys

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.basic import LineOnlyReceiver


class NoDelay:
    def connectionMade(self):
        self.transport.setTcpNoDelay(True)


class Echo(NoDelay, Protocol):
    def dataReceived(self, data):
        self.transport.write(data)


class UpperCase(NoDelay, LineOnlyReceiver):
    delimiter = b"\n"
    MAX_LENGTH = 64 * 1024

    def lineReceived(self, line):
        self.sendLine(line.upper())


protocol = UpperCase if sys.argv[1:] == ["line"] else Echo
port = reactor.listenTCP(
    0, Factory.forProtocol(protocol), backlog=4096, interface="127.0.0.1"
)
print(f"listening on tcp:127.0.0.1:{port.getHost().port}", flush=True)
reactor.run()
