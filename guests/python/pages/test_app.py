"""The program on a fake clock with fake pages."""

import contextlib
import io
import unittest

import app
import wisted
from wisted.testing import Clock, Pages, Peer, Server

URLS = {"url1": "http://one/", "url2": "http://two/"}


class PagesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.enterContext(contextlib.redirect_stdout(io.StringIO()))
        self.clock, self.web = Clock(), Pages()

    def connect(self) -> Peer:
        """The first page takes longer than the second."""
        self.web.respond("http://one/", b"x" * 1000, after=0.3)
        self.web.respond("http://two/", b"two", after=0.1)
        return Server(app.PagesFactory, URLS).connect()

    def test_callbacks_run_after_the_handler_in_order_of_arrival(self) -> None:
        peer = self.connect()
        peer.send_bytewise(b"go\n")
        self.assertEqual(peer.take_received(), b"done\nhttp://two/ 3\nhttp://one/ 1000\n")
        self.assertEqual(self.clock.seconds(), 2)

    def test_waiting_has_the_pages_first_in_the_order_asked_for(self) -> None:
        peer = self.connect()
        peer.send_bytewise(b"wait\n")
        self.assertEqual(peer.take_received(), b"http://one/ 1000\nhttp://two/ 3\ndone\n")
        self.assertEqual(self.clock.seconds(), 2.3)

    def test_errors_are_told_and_a_peer_that_closes_gets_its_pages(self) -> None:
        self.web.fail("http://one/", wisted.FetchTimeout())
        self.web.respond("http://two/", b"2", after=9)
        peer = Server(app.PagesFactory, URLS).connect()
        peer.send(b"\n")
        self.assertEqual(peer.take_received(), b"done\nhttp://one/ error: the request timed out\n")
        peer.close()
        self.assertEqual(peer.take_received(), b"http://two/ 1\n")
        self.assertTrue(peer.is_disconnected)

    def test_a_lost_connection_ends_the_naps(self) -> None:
        peer = self.connect()
        self.clock.break_waits(wisted.WaitConnectionLost(wisted.ConnectionDone()))
        peer.send(b"\n")
        self.assertNotIn(b"done", peer.take_received())

    def test_a_line_to_be_echoed_is_echoed_at_once(self) -> None:
        peer = self.connect()
        peer.send_bytewise(b"echo hello\n")
        self.assertEqual(peer.take_received(), b"echo hello\n")
