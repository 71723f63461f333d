#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A pipe that was empty is written untested; where that goes wrong, the writer is rescued."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, read_soon, victim  # noqa: E402


class Headroom(DrainCase):
    def test_rescue(self):
        run = self.drained([victim("drain_headroom"), "unseen"], DRAIN="all")
        self.assertEqual(read_soon(run.process.stdout.fileno()), b"rescued\n")
        self.assertEqual(run.wait(), 0)

    def test_what_the_program_wrote_itself_is_known(self):
        run = self.drained([victim("drain_headroom"), "seen"], DRAIN="all")
        self.assertEqual(read_soon(run.process.stdout.fileno()), b"never\n")
        self.assertEqual(run.wait(), 0)


if __name__ == "__main__":
    sys.exit(unittest.main())
