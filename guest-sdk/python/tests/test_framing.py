"""Lines and frames, cut everywhere."""

import unittest
from typing import Any

import wisted
from wisted import testing


class Lines(wisted.LineReceiver):
    """Keeps lines. `raw N` switches to raw mode for N bytes, `quit` closes."""

    max_length = 20
    left = 0

    def connection_made(self) -> None:
        self.seen: list[bytes] = []

    def line_received(self, line: bytes) -> None:
        self.seen.append(line)
        if line.startswith(b"raw "):
            self.left = int(line[4:])
            self.set_raw_mode()
        elif line == b"quit":
            self.transport.lose_connection()

    def raw_data_received(self, data: bytes) -> None:
        mine, rest = data[: self.left], data[self.left :]
        self.seen.append(b"<" + mine + b">")
        self.left -= len(mine)
        if not self.left:
            self.set_line_mode(rest)


class Strings(wisted.NetstringReceiver):
    seen: list[bytes]

    def string_received(self, string: bytes) -> None:
        self.seen.append(string)


class Ints(wisted.Int32StringReceiver):
    seen: list[bytes]

    def string_received(self, string: bytes) -> None:
        self.seen.append(string)


def received(protocol: Any, *pieces: bytes) -> "tuple[list[bytes], testing.StringTransport]":
    transport = testing.StringTransport()
    protocol.seen = []
    protocol.make_connection(transport)
    for piece in pieces:
        protocol.data_received(piece)
    return protocol.seen, transport


def bytewise(data: bytes) -> list[bytes]:
    return [bytes((byte,)) for byte in data]


class LineTests(unittest.TestCase):
    def test_lines_wherever_they_are_cut(self) -> None:
        data = b"one\r\n\r\ntwo\rthree\nfour\r\nrest"
        for pieces in ([data], bytewise(data)):
            seen, transport = received(Lines(), *pieces)
            self.assertEqual(seen, [b"one", b"", b"two\rthree\nfour"])
            self.assertFalse(transport.disconnecting)

    def test_raw_data_between_lines(self) -> None:
        data = b"raw 3\r\na\r\nb\r\nraw 1\r\nxend\r\n"
        seen, _ = received(Lines(), data)
        self.assertEqual(seen, [b"raw 3", b"<a\r\n>", b"b", b"raw 1", b"<x>", b"end"])
        seen, _ = received(Lines(), *bytewise(data))
        self.assertEqual(b"".join(seen), b"raw 3<a><\r><\n>braw 1<x>end")

    def test_nothing_is_delivered_after_closing(self) -> None:
        seen, transport = received(Lines(), b"a\r\nquit\r\nb\r\n", b"c\r\n")
        self.assertEqual(seen, [b"a", b"quit"])
        self.assertTrue(transport.disconnecting)

    def test_a_line_is_bounded(self) -> None:
        longest = b"x" * 20
        for pieces in ([longest + b"\r\n"], bytewise(longest + b"\r\n"), [longest + b"\r", b"\n"]):
            self.assertEqual(received(Lines(), *pieces)[0], [longest])
        for pieces in ([longest + b"x\r\n"], bytewise(longest + b"xx"), [longest + b"xy"]):
            seen, transport = received(Lines(), *pieces)
            self.assertEqual(seen, [])
            self.assertTrue(transport.disconnecting)

    def test_sending(self) -> None:
        protocol = Lines()
        _, transport = received(protocol)
        protocol.send_line(b"hello")
        self.assertEqual(transport.value(), b"hello\r\n")


class NetstringTests(unittest.TestCase):
    def test_strings_wherever_they_are_cut(self) -> None:
        data = b"5:hello,0:,3:a,b,12:twelve bytes,4:par"
        for pieces in ([data], bytewise(data)):
            seen, transport = received(Strings(), *pieces)
            self.assertEqual(seen, [b"hello", b"", b"a,b", b"twelve bytes"])
            self.assertFalse(transport.disconnecting)

    def test_what_is_none(self) -> None:
        for data in (b"x", b":", b"5hello", b"-1:", b"05:hello,", b"3:abcd", b"100000:", b"9999999", b"1 :a,"):
            for pieces in ([data], bytewise(data)):
                seen, transport = received(Strings(), *pieces)
                self.assertEqual(seen, [])
                self.assertTrue(transport.disconnecting, data)

    def test_the_longest(self) -> None:
        seen, transport = received(Strings(), b"99999:" + b"x" * 99_999, b",")
        self.assertEqual(len(seen[0]), 99_999)
        protocol = Strings()
        _, transport = received(protocol)
        protocol.send_string(b"hello")
        self.assertEqual(transport.value(), b"5:hello,")


class IntTests(unittest.TestCase):
    def test_strings_wherever_they_are_cut(self) -> None:
        data = b"\0\0\0\5hello\0\0\0\0\0\0\0\1x\0\0\0\2y"
        for pieces in ([data], bytewise(data)):
            seen, transport = received(Ints(), *pieces)
            self.assertEqual(seen, [b"hello", b"", b"x"])
            self.assertFalse(transport.disconnecting)

    def test_a_string_is_bounded(self) -> None:
        seen, transport = received(Ints(), b"\0\1\x86\x9f" + b"x" * 99_999)
        self.assertEqual(len(seen[0]), 99_999)
        self.assertFalse(transport.disconnecting)
        self.assertTrue(received(Ints(), b"\0\1\x86\xa0")[1].disconnecting)

    def test_sending(self) -> None:
        protocol = Ints()
        _, transport = received(protocol)
        protocol.send_string(b"hi")
        self.assertEqual(transport.value(), b"\0\0\0\2hi")
        short = wisted.Int8StringReceiver()
        _, transport = received(short)
        short.send_string(b"x" * 255)
        self.assertEqual(transport.value()[:2], b"\xffx")
        with self.assertRaises(ValueError):
            short.send_string(b"x" * 256)
