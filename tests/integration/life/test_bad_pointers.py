#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Calls with addresses at which nothing is fail as they do without the library, in every mode."""
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import DEADLINE_S, LIBRARY, victim

MODES = ({}, {"PIPESHIM_THRESHOLD": "1ms"}, {"PIPESHIM_DRAIN": "all"},
         {"PIPESHIM_DRAIN": "all", "PIPESHIM_DRAIN_MODE": "behind"})


class BadPointers(unittest.TestCase):
    def outcomes(self, address, **settings):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                [victim("bad_pointers"), address, str(said.fileno())], check=False,
                env={**environment, **settings}, pass_fds=[said.fileno()],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=DEADLINE_S)
            said.seek(0)
            return done.returncode, said.read().decode().splitlines()

    def test_every_call_in_every_mode(self):
        for address in ("16", "-1", "0"):
            without = self.outcomes(address)
            self.assertEqual(without[0], 0)
            self.assertIn("writev -1 14", without[1])
            self.assertGreater(len(without[1]), 40)
            for mode in MODES:
                with self.subTest(address=address, **mode):
                    self.assertEqual(self.outcomes(address, LD_PRELOAD=LIBRARY,
                                                   PIPESHIM_LOG="/dev/null", **mode), without)


if __name__ == "__main__":
    sys.exit(unittest.main())
