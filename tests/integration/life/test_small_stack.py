#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the library does in a call that a signal handler makes fits in 2 KiB of its stack."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from object_code import ObjectCode, exported
from pipeshim_case import LIBRARY, PipeshimCase, victim

BUDGET = 2048
# The drainer's helper, and what it does first, is another process: it has a copy of the stack.
OTHER_PROCESS = {"helper_main", "place_between"}


class SmallStack(PipeshimCase):
    def test_handlers_do_the_same(self):
        for what in ("exit", "write", "child"):
            for form in ("json", "text"):
                with self.subTest(what, format=form):
                    raw = self.start(victim("small_stack"), what, library=False).drain()
                    run = self.start(victim("small_stack"), what,
                                     settings={"PIPESHIM_FORMAT": form})
                    if what == "write" and form == "json":
                        run.wait_for("blocked")
                    self.assertEqual(run.drain(), raw)
                    self.assertIn(raw[2], (3, 5))

    def test_the_deepest_way_of_each_call(self):
        code = ObjectCode(LIBRARY)
        names = [name for name in exported(LIBRARY) if name in code.functions]
        self.assertIn("write", names)
        self.assertIn("_exit", names)
        # What the drainer puts in their place, and is called through a pointer.
        drained = [name for name in code.functions if name.startswith("drained_")]
        self.assertIn("drained_write", drained)
        for name in names + drained + ["drain_doors_stdio", "syscall_before_drained"]:
            depth, way = code.deepest(name, OTHER_PROCESS.__contains__)
            with self.subTest(name):
                self.assertLessEqual(depth, BUDGET, " > ".join(way))


if __name__ == "__main__":
    sys.exit(unittest.main())
