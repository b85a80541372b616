"""Time on a fake clock."""

import unittest

import wisted
from wisted import testing
from wisted.timers import milliseconds


class Timers(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = testing.Clock()

    def test_calls_are_made_in_order_of_their_time(self) -> None:
        calls: list[tuple[str, float]] = []
        for delay, name in ((0.03, "c"), (0.01, "a"), (0.02, "b")):
            wisted.call_later(delay, lambda name: calls.append((name, wisted.now())), name)
        self.clock.advance(0.02)
        self.assertEqual(calls, [("a", 0.01), ("b", 0.02)])
        self.clock.advance(0.01)
        self.assertEqual(len(calls), 3)

    def test_a_cancelled_call_is_not_made(self) -> None:
        call = wisted.call_later(1, self.fail, "was cancelled")
        self.assertTrue(call.active())
        self.assertTrue(call.cancel())
        self.assertFalse(call.active())
        self.assertFalse(call.cancel())
        self.clock.advance(2)
        with self.assertRaises(wisted.UnknownId):
            call.wait()

    def test_a_call_can_be_waited_for(self) -> None:
        calls: list[int] = []
        wisted.call_later(3, calls.append, 1).wait()
        self.assertEqual((calls, self.clock.seconds()), ([1], 3))
        self.assertEqual(wisted.defer_later(1, lambda: "tea").wait(), "tea")

    def test_a_callback_may_call_later_again(self) -> None:
        counts: list[int] = []

        def tick(left: int) -> None:
            counts.append(left)
            if left:
                wisted.call_later(1, tick, left - 1)

        tick(3)
        self.clock.advance(10)
        self.assertEqual(counts, [3, 2, 1, 0])

    def test_milliseconds_are_rounded_up_and_bounded(self) -> None:
        self.assertEqual([milliseconds(it) for it in (0, 1e-5, 0.007, 1.1, 1e12)], [0, 1, 7, 1100, 0xFFFF_FFFF])
        with self.assertRaises(ValueError):
            milliseconds(-1)
