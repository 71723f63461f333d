#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A call that goes on is told again: at ten times its threshold, then at each doubling."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import PipeshimCase  # noqa: E402

PYTHON = "/usr/bin/python3"
# A write below the doors: only the sampler sees it.
RAW = """
import ctypes
syscall = ctypes.CDLL(None).syscall
buffer = bytes(100000)
syscall(1, 1, buffer, len(buffer))
"""
LOOP = """
import asyncio, os
async def main():
    for _ in range(5):
        await asyncio.sleep(0.01)
    ends = os.pipe()
    os.read(ends[0], 1)
asyncio.run(main())
"""


class Still(PipeshimCase):
    def check(self, *command):
        run = self.start(*command, settings={"PIPESHIM_THRESHOLD": "20ms"})
        blocked = run.wait_for("blocked")[0]
        still = run.wait_for("still", 3)
        self.assertEqual({e["ref"] for e in still}, {blocked["seq"]})
        self.assertEqual({e["tid"] for e in still}, {blocked["tid"]})
        times = [e["blocked_ms"] for e in still]
        self.assertGreaterEqual(times[0], 200)
        for before, after in zip(times, times[1:]):
            self.assertGreaterEqual(after, 2 * before - 1)
        return run, blocked

    def test_a_write(self):
        run, blocked = self.check(PYTHON, "-c", "import os; os.write(1, bytes(1000000))")
        self.assertEqual(run.drain()[2], 0)
        end = run.wait_for("unblocked")
        self.assertEqual([e["ref"] for e in end], [blocked["seq"]], "the end is told once")

    def test_a_write_that_no_door_sees(self):
        if os.uname().machine != "x86_64":
            self.skipTest("the number of write is x86_64's")
        run, _ = self.check(PYTHON, "-c", RAW)
        run.process.kill()

    def test_a_call_of_a_loop(self):
        run, _ = self.check(PYTHON, "-c", LOOP)
        run.process.kill()

    def test_what_ends_before_is_not(self):
        run = self.start(PYTHON, "-c", "import os; os.write(1, bytes(1000000))",
                         settings={"PIPESHIM_THRESHOLD": "2s"})
        run.wait_for("blocked")
        self.assertEqual(run.drain()[2], 0)
        run.wait_for("unblocked")
        self.assertEqual(run.events("still"), [])


if __name__ == "__main__":
    sys.exit(unittest.main())
