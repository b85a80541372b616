"""The server with fake peers."""

import unittest

import app
from wisted.testing import Server


class EchoTest(unittest.TestCase):
    def test_it_sends_back_what_it_receives_wherever_it_is_cut(self) -> None:
        server = Server(app.Echo)
        one, two = server.connect(), server.connect()
        one.send_bytewise(b"hello")
        two.send(b"\0\xff")
        self.assertEqual(one.take_received(), b"hello")
        self.assertEqual(two.take_received(), b"\0\xff")

    def test_it_closes_when_the_peer_does(self) -> None:
        peer = Server(app.Echo).connect()
        peer.send(b"bye")
        peer.close()
        self.assertTrue(peer.is_disconnected)
        self.assertEqual(peer.take_received(), b"bye")
