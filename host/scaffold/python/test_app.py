"""The protocol against a fake transport and clock."""

import unittest

import app
from wisted.testing import Server


class EchoTest(unittest.TestCase):
    def test_it_sends_back_what_it_receives(self) -> None:
        peer = Server(app.Echo).connect()
        peer.send_bytewise(b"hello")
        self.assertEqual(peer.take_received(), b"hello")
        peer.close()
        self.assertTrue(peer.is_disconnected)
