"""The room with fake peers."""

import unittest

import app
import wisted
from wisted.testing import Server


class ChatTest(unittest.TestCase):
    def test_everyone_hears_everyone_line_by_line(self) -> None:
        server = Server(app.Room)
        one, two, three = server.connect(), server.connect(), server.connect()
        self.assertEqual(one.take_received(), b"* you are 1, with 0 others here\n* 2 joined\n* 3 joined\n")
        self.assertEqual(two.take_received(), b"* you are 2, with 1 others here\n* 3 joined\n")
        three.take_received()
        one.send_bytewise(b"hello\r\nhal")
        two.send(b"a\nb\x1b[2J\n")
        one.send(b"f\n")
        self.assertEqual(one.take_received(), b"2: a\n2: b[2J\n")
        self.assertEqual(two.take_received(), b"1: hello\n1: half\n")
        self.assertEqual(three.take_received(), b"1: hello\n2: a\n2: b[2J\n1: half\n")

    def test_leaving_is_told_and_nothing_is_sent_to_those_who_left(self) -> None:
        server = Server(app.Room)
        one, two = server.connect(), server.connect()
        one.take_received(), two.take_received()
        one.close()
        two.send(b"anybody?\n")
        self.assertEqual(two.take_received(), b"* 1 left\n")
        self.assertEqual(one.take_received(), b"")

    def test_a_line_is_bounded(self) -> None:
        peer = Server(app.Room).connect()
        peer.send(b"x" * 1023)
        self.assertFalse(peer.is_disconnected)
        peer.send(b"x")
        self.assertTrue(peer.is_disconnected)
        self.assertTrue(peer.take_received().endswith(b"* a line may have 1024 bytes\n"))

    def test_a_new_build_goes_on_counting(self) -> None:
        old = Server(app.Room)
        old.connect(), old.connect()
        state = old.save_state()
        new = Server(app.Room)
        with self.assertRaisesRegex(wisted.Error, "the state is not"):
            new.restore_state(b"odd")
        new.restore_state(state)
        self.assertEqual(new.connect().take_received(), b"* you are 3, with 0 others here\n")
