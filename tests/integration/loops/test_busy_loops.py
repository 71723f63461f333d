# SPDX-License-Identifier: MIT
"""An event loop that never comes to sleep, because it is late from its first turn on."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from loop_case import LoopCase  # noqa: E402
from pipeshim_case import victim  # noqa: E402

FOR_EVER, SOME = "1000000", "25"


class BusyLoops(LoopCase):
    def start_it(self, mode, turns):
        return self.start(victim("asking_loop"), mode, turns, settings={
            "PIPESHIM_THRESHOLD": "50ms", "PIPESHIM_SUMMARY": "always"})

    def test_one_that_is_late_from_the_start(self):
        run = self.start_it("work", FOR_EVER)
        lag = run.wait_for("lag")[0]
        self.assertEqual(lag["tid"], run.process.pid)
        self.assertGreaterEqual(lag["lag_ms"], 50)
        self.assertEqual(run.wait_for("lag_end")[0]["ref"], lag["seq"])

    def test_who_asks_now_and_then(self):
        self.check_silent("sleep")

    def test_who_asks_for_another_thread(self):
        self.check_silent("guest")

    def check_silent(self, mode):
        run = self.start_it(mode, SOME)
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual([e["event"] for e in run.events()], ["start", "summary"])
        self.assertEqual(run.events("summary")[0]["loops"], [])


if __name__ == "__main__":
    unittest.main()
