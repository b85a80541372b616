"""Some commands with fake peers; the conformance suite has them all."""

import unittest

import app
import wisted
from wisted.testing import Clock, Pages, Server


class ConformanceTest(unittest.TestCase):
    def test_commands(self) -> None:
        clock, pages = Clock(), Pages()
        pages.respond("http://one/", b"1", after=1)
        for sent, received in (
            (b"line a b\necho 3\nx\nyline c\n", b"a b\nx\nyc\n"),
            (b"many 3\nrandom 0\nsing\necho x\n", b"0\n1\n2\n\nerror unknown command: sing\nerror "),
            (b"sleep 10\nwait 10\ncancel 10\n", b"slept\nwaited\ncancelled true\ncancelled false\n"),
            (b"fetch-wait http://one/ http://two/\n", b"page 200 1\npage error connect\n"),
            (b"netstring\n3:abc,", b"3:abc,"),
            (b"int32\n\0\0\0\1x", b"\0\0\0\1x"),
        ):
            peer = Server(app.ConformanceFactory).connect()
            peer.send_bytewise(sent)
            self.assertTrue(peer.take_received().startswith(received), sent)
        server = Server(app.ConformanceFactory)
        peer = server.connect()
        peer.send(b"later 20 tea\nlater 10 milk\n")
        server.advance(clock, 0.02)
        self.assertEqual(peer.take_received(), b"later milk\nlater tea\n")

    def test_state_is_handed_over(self) -> None:
        old, new = Server(app.ConformanceFactory), Server(app.ConformanceFactory)
        peer = old.connect()
        peer.send(b"recall\nkeep a b\n")
        self.assertEqual(peer.take_received(), b"recalled\nkept\n")
        with self.assertRaisesRegex(wisted.Error, "the state is spoilt"):
            new.restore_state(b"spoilt")
        new.restore_state(old.save_state())
        peer = new.connect()
        peer.send(b"recall\n")
        self.assertEqual(peer.take_received(), b"recalled a b\n")
