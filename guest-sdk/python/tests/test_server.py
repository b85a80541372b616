"""Protocols and factories with fake peers."""

import unittest

import wisted
from wisted import CloseReason, config, testing
from wisted._server import Server as InstanceServer


class Noting(wisted.Protocol):
    """Notes every handler. `q` closes, `a` aborts, `p` pauses for a second, `h` shuts writing down, `!` raises."""

    def connection_made(self) -> None:
        self.events = ["made"]
        self.transport.write(b"hi ")

    def data_received(self, data: bytes) -> None:
        self.events.append(data.decode())
        if data == b"q":
            self.transport.lose_connection()
        elif data == b"a":
            self.transport.abort_connection()
        elif data == b"p":
            self.transport.pause_reading()
            wisted.call_later(1, self.transport.resume_reading)
        elif data == b"h":
            self.transport.shutdown_write()
        elif data == b"!":
            raise ValueError("no")
        self.transport.write_sequence([data, b";"])

    def drained(self) -> None:
        self.events.append("drained")

    def connection_lost(self, reason: CloseReason) -> None:
        self.events.append(reason.kind)


class NotingFactory(wisted.Factory):
    def start_factory(self) -> None:
        self.built: list[Noting] = []
        self.is_stopped = False
        if config.get("refuse", "") == "true":
            raise wisted.Error("refused")

    def build_protocol(self, peer: wisted.Address) -> Noting | None:
        if len(self.built) == 2:
            return None
        self.built.append(Noting())
        return self.built[-1]

    def stop_factory(self) -> None:
        self.is_stopped = True


class Servers(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = testing.Clock()
        self.factory = NotingFactory()
        self.server = testing.Server(self.factory)
        self.peer = self.server.connect()
        self.events = self.factory.built[0].events

    def test_the_handlers_are_called_in_order(self) -> None:
        self.peer.send_bytewise(b"xy")
        self.assertEqual(self.peer.drain(), b"hi x;y;")
        self.peer.close()
        self.assertEqual(self.events, ["made", "x", "y", "drained", "done"])
        self.peer.send(b"late")
        self.assertEqual(self.events[-1], "done")

    def test_closing_is_polite_and_aborting_is_not(self) -> None:
        self.peer.send(b"q")
        self.assertTrue(self.peer.is_disconnected and self.peer.transport.disconnecting)
        self.assertEqual(self.peer.take_received(), b"hi ")
        other = self.server.connect()
        other.send(b"a")
        self.assertTrue(other.transport.aborted)
        self.assertEqual(other.take_received(), b"")
        self.assertEqual(self.factory.built[1].events[-1], "aborted")

    def test_what_comes_while_reading_is_paused_is_kept(self) -> None:
        self.peer.send(b"p")
        self.peer.send(b"x")
        self.peer.send(b"y")
        self.assertTrue(self.peer.transport.reading_paused)
        self.assertEqual(self.events[-1], "p")
        self.server.advance(self.clock, 1)
        self.assertEqual(self.events[-1], "xy")

    def test_after_a_half_close_nothing_is_written(self) -> None:
        self.peer.send(b"h")
        self.assertTrue(self.peer.transport.write_shut_down)
        self.assertEqual(self.peer.take_received(), b"hi ")
        self.peer.reset()
        self.assertEqual(self.events[-1], "lost")

    def test_a_factory_may_refuse_a_peer_and_stops_at_last(self) -> None:
        self.server.connect()
        self.assertTrue(self.server.connect().transport.aborted)
        self.server.stop()
        self.assertEqual([it.events[-1] for it in self.factory.built], ["stopping", "stopping"])
        self.assertTrue(self.factory.is_stopped)

    def test_a_factory_may_refuse_to_start(self) -> None:
        with self.assertRaisesRegex(wisted.Error, "refused"):
            testing.Server(NotingFactory, {"refuse": "true"})

    def test_an_exception_ends_its_own_connection(self) -> None:
        with self.assertRaises(ValueError):
            self.peer.send(b"!")
        testing.take_log()
        server = InstanceServer(Noting)
        server.start()
        one, two = testing.StringTransport(), testing.StringTransport()
        server.connection_made(one)
        server.connection_made(two)
        server.data_received(one.id, b"!")
        self.assertTrue(one.aborted)
        self.assertFalse(two.aborted)
        [(level, text)] = testing.take_log()
        self.assertEqual(level, wisted.log.Level.ERROR)
        self.assertIn("data-received failed", text)
        self.assertIn("ValueError: no", text)


class Counting(wisted.StatefulFactory):
    protocol = Noting
    count = 0

    def save_state(self) -> bytes:
        return b"%d" % self.count

    def restore_state(self, state: bytes) -> None:
        self.count = int(state)


class States(unittest.TestCase):
    def test_state_is_handed_over_as_it_is_when_it_is_asked_for(self) -> None:
        factory = Counting()
        old = testing.Server(factory)
        factory.count = 5
        state = old.save_state()
        factory.count = 6
        new = testing.Server(Counting)
        with self.assertRaises(ValueError):
            new.restore_state(b"odd")
        self.assertEqual(new.save_state(), b"0")
        new.restore_state(state)
        self.assertEqual(new.save_state(), b"5")

    def test_who_hands_state_over(self) -> None:
        self.assertTrue(InstanceServer(Counting).is_stateful and InstanceServer(Counting()).is_stateful)
        for guest in (Noting, NotingFactory, NotingFactory()):
            self.assertFalse(InstanceServer(guest).is_stateful)
        with self.assertRaisesRegex(TypeError, "NotingFactory is no StatefulFactory"):
            testing.Server(NotingFactory).save_state()
        with self.assertRaisesRegex(NotImplementedError, "override save_state"):
            testing.Server(wisted.StatefulFactory.for_protocol(Noting)).save_state()


class Transports(unittest.TestCase):
    def test_only_bytes_are_written(self) -> None:
        transport = testing.StringTransport()
        transport.write(bytearray(b"a"))
        transport.write_many([b"b", memoryview(b"c")])
        self.assertEqual((transport.value(), transport.buffered_bytes), (b"abc", 3))
        with self.assertRaisesRegex(TypeError, "not str"):
            transport.write("d")  # type: ignore[arg-type]
        transport.clear()
        self.assertEqual(transport.value(), b"")

    def test_addresses(self) -> None:
        self.assertEqual(str(wisted.Address("::1", 1)), "[::1]:1")
        self.assertEqual(str(testing.StringTransport().host), "127.0.0.1:8000")


class Others(unittest.TestCase):
    def test_only_guests_are_exported(self) -> None:
        wisted.export(Noting)
        wisted.export(NotingFactory)
        wisted.export(NotingFactory())
        wisted.export(wisted.Program)
        for other in (object, 1, Noting()):
            with self.assertRaises(TypeError):
                wisted.export(other)  # type: ignore[arg-type]

    def test_random_bytes_are_bounded(self) -> None:
        self.assertEqual(len(wisted.random_bytes(65_536)), 65_536)
        with self.assertRaises(ValueError):
            wisted.random_bytes(65_537)

    def test_the_standard_logging_goes_to_the_host(self) -> None:
        import logging

        from wisted.log_handler import HostHandler

        logger = logging.getLogger("test")
        logger.propagate = False
        logger.addHandler(HostHandler())
        logger.setLevel(1)
        testing.take_log()
        logger.warning("%d apples", 2)
        logger.log(5, "detail")
        levels = wisted.log.Level
        self.assertEqual(testing.take_log(), [(levels.WARN, "2 apples"), (levels.TRACE, "detail")])

    def test_a_program_runs_until_nothing_is_pending(self) -> None:
        notes: list[str] = []

        class Late(wisted.Program):
            def execute(self) -> None:
                wisted.call_later(1, notes.append, config.get("say", "?"))

            def stop(self) -> None:
                notes.append("stopped")

        testing.Clock()
        testing.run_program(Late, {"say": "hello"})
        self.assertEqual(notes, ["hello", "stopped"])
        with self.assertRaises(NotImplementedError):
            testing.run_program(wisted.Program)
