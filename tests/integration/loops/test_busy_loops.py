# SPDX-License-Identifier: MIT
"""An event loop that never comes to sleep: because it is late from its first turn on, or has work all the time."""
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from loop_case import LoopCase  # noqa: E402
from pipeshim_case import LIBRARY, read_text, victim, wait_until  # noqa: E402

FOR_EVER, SOME = "1000000", "25"
TURNS = """
import os, select
epoll, (reading, writing) = select.epoll(), os.pipe()
epoll.register(reading, select.EPOLLIN)
while os.write(writing, b"x"):
    epoll.poll(1)
    os.read(reading, 1)
    sum(range(3000))
"""


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

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_that_it_turns_is_seen_without_opening_a_file(self):
        """It is away from its wait at most scans, and elsewhere at the next one."""
        trace = os.path.join(self.temporary_folder(), "trace")
        self.start("strace", "-f", "-qq", "-e", "trace=openat,futex", "-o", trace, "-E", "LD_PRELOAD=" + LIBRARY,
                   "-E", "PIPESHIM_THRESHOLD=100ms", "/usr/bin/python3", "-c", TURNS, library=False)

        def calls():
            lines = [line.split(None, 1) for line in read_text(trace).splitlines()]
            watchdog = [tid for tid, call in lines if "/schedstat" in call or "ETIMEDOUT" in call]
            return [call for tid, call in lines if watchdog and tid == watchdog[-1]]

        def scans(of):
            return sum("futex(" in call for call in of)
        seen = wait_until(lambda: (of := calls()) and scans(of) >= 200 and of, "scans")
        self.assertLess(sum("/schedstat" in call for call in seen), scans(seen) / 4)


if __name__ == "__main__":
    unittest.main()
