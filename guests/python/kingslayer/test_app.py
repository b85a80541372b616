"""The framework, and the program that uses it."""

import contextlib
import io
import unittest

import app
import wisted
from wisted.testing import run_program


class KingslayerTest(unittest.TestCase):
    def test_handlers_run_in_the_order_of_their_registration(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            run_program(app.Kingslayer)
        names = [line.partition(":")[0] for line in output.getvalue().splitlines()]
        self.assertEqual(names, ["oath", "doubt", "deed"])

    def test_a_handler_without_execute_is_named(self) -> None:
        error = "the handler `forgetful` does nothing: you must override execute"
        with contextlib.redirect_stdout(io.StringIO()), self.assertRaisesRegex(wisted.Error, error):
            run_program(app.Kingslayer, {"forget": "true"})
