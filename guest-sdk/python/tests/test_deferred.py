"""Deferreds on a fake clock with fake pages."""

import unittest

import wisted
from wisted import Deferred, get_page, testing
from wisted.log import Level

URL = "http://one.test/"


class Case(unittest.TestCase):
    def setUp(self) -> None:
        self.clock = testing.Clock()
        self.pages = testing.Pages()
        testing.take_log()


class Callbacks(Case):
    def test_they_run_when_the_page_arrives_though_the_deferred_was_not_kept(self) -> None:
        self.pages.respond(URL, b"hello", after=1)
        seen: list[int] = []
        get_page(URL).add_callback(lambda page: len(page.body)).add_callback(seen.append)
        self.clock.advance(0.9)
        self.assertEqual(seen, [])
        self.clock.advance(0.1)
        self.assertEqual(seen, [5])

    def test_errors_skip_to_errbacks_and_may_be_mended(self) -> None:
        self.pages.fail(URL, wisted.FetchTimeout())
        steps: list[str] = []

        def mend(error: Exception) -> str:
            steps.append(type(error).__name__)
            return "late"

        deferred = get_page(URL).add_callback(steps.append).add_errback(mend).add_both(lambda text: text + "!")
        self.assertEqual(deferred.wait(), "late!")
        self.assertEqual(steps, ["FetchTimeout"])

    def test_what_a_callback_raises_is_the_next_ones_error(self) -> None:
        def fails(_: object) -> None:
            raise ValueError("no")

        deferred = wisted.succeed(1).add_callback(fails).add_errback(lambda error: str(error))
        self.assertEqual(deferred.wait(), "no")
        with self.assertRaises(KeyError):
            wisted.fail(KeyError("x")).wait()

    def test_a_callback_may_return_another_deferred(self) -> None:
        self.pages.respond(URL, b"http://two.test/", after=1)
        self.pages.respond("http://two.test/", b"end", after=1)
        both = get_page(URL).add_callback(lambda page: get_page(page.text)).add_callback(lambda page: page.text)
        self.clock.advance(1)
        self.assertFalse(both.is_ready())
        self.assertEqual(both.wait(), "end")
        self.assertEqual(wisted.now(), 2)

    def test_more_arguments_are_passed_on(self) -> None:
        deferred = wisted.succeed(1).add_callback(lambda value, more, by: value + more * by, 2, by=3)
        self.assertEqual(deferred.wait(), 7)


class Waits(Case):
    def test_a_wait_puts_the_clock_forward_and_returns_what_the_callbacks_made(self) -> None:
        self.pages.respond(URL, b"hello", after=1)
        self.assertEqual(get_page(URL).add_callback(lambda page: page.status).wait(), 200)
        self.assertEqual(wisted.now(), 1)

    def test_a_wait_for_what_has_arrived_does_not_suspend(self) -> None:
        self.pages.respond(URL, b"hello")
        page = get_page(URL)
        self.clock.advance(1)
        self.assertTrue(page.is_ready())
        self.assertEqual(page.wait().text, "hello")
        self.assertEqual(wisted.now(), 1)

    def test_a_lost_connection_ends_them(self) -> None:
        self.clock.break_waits(wisted.WaitConnectionLost(wisted.ConnectionDone()))
        for wait in (get_page(URL).wait, wisted.defer_later(1).wait, lambda: wisted.sleep(1)):
            with self.assertRaises(wisted.WaitConnectionLost) as raised:
                wait()
            self.assertEqual(raised.exception.kind, "connection-lost")
            self.assertEqual(raised.exception.reason.kind, "done")

    def test_what_only_the_guest_itself_can_fire_cannot_be_waited_for(self) -> None:
        deferred: Deferred[int] = Deferred()
        with self.assertRaises(wisted.UnknownId):
            deferred.wait()
        deferred.callback(1)
        self.assertEqual(deferred.wait(), 1)
        with self.assertRaises(RuntimeError):
            deferred.callback(2)


class Ends(Case):
    def test_cancelling_calls_back_at_once(self) -> None:
        seen: list[object] = []
        waiting = wisted.defer_later(1).add_both(seen.append)
        self.assertTrue(waiting.cancel())
        self.assertFalse(waiting.cancel())
        self.assertIsInstance(seen[0], wisted.CancelledError)
        self.clock.advance(2)
        self.assertEqual(len(seen), 1)

    def test_an_error_that_nobody_handles_is_logged_and_a_cancelled_one_is_not(self) -> None:
        self.pages.fail(URL, wisted.TooLarge(9))
        get_page(URL).add_callback(lambda _: None)
        self.clock.advance(1)
        [(level, text)] = testing.take_log()
        self.assertEqual(level, Level.WARN)
        self.assertIn("longer than 9 bytes", text)
        get_page(URL).cancel()
        self.assertEqual(testing.take_log(), [])

    def test_requests_are_seen(self) -> None:
        wisted.request("POST", URL, headers={"a": "b"}, body=b"x", timeout=0.0001)
        [request] = self.pages.requests
        self.assertEqual(request, ("POST", URL, [("a", "b")], b"x", 1))
        self.assertEqual(wisted.Response(404, [("Etag", "1")], b"", URL).header("ETAG"), "1")
