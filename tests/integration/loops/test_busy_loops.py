# SPDX-License-Identifier: MIT
"""An event loop that never comes to sleep: because it is late from its first turn on, or has work all the time."""
import os
import shutil
import statistics
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from loop_case import LoopCase  # noqa: E402
from pipeshim_case import LIBRARY, read_text, victim, wait_until  # noqa: E402

FOR_EVER, SOME = "1000000", "25"
TURNS = """ # as often as sys.argv says, or until strace ends; then away for a second
import os, select, sys, time
strace, epoll, (reading, writing) = os.getppid(), select.epoll(), os.pipe()
epoll.register(reading, select.EPOLLIN)
for _ in range(int(sys.argv[1])):
    os.write(writing, b"x")
    epoll.poll(1)
    os.read(reading, 1)
    sum(range(3000))
    if os.getppid() != strace:
        sys.exit()
os.access("/away", 0)
end = time.monotonic() + 1
while time.monotonic() < end:
    pass
os.access("/back", 0)
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

    def traced(self, turns):
        """What a loop's watchdog calls, and where the loop was away: (thread, call)s."""
        trace = os.path.join(self.temporary_folder(), "trace")
        run = self.start("strace", "-f", "-qq", "-e", "trace=openat,futex,access", "-o", trace,
                         "-E", "LD_PRELOAD=" + LIBRARY, "-E", "PIPESHIM_THRESHOLD=100ms",
                         "/usr/bin/python3", "-c", TURNS, turns, library=False)

        def calls():
            lines = [line.split(None, 1) for line in read_text(trace).splitlines() if line.count(" ") > 1]
            watchdog = [tid for tid, call in lines if "ETIMEDOUT" in call]
            return [call for tid, call in lines if "access(" in call or tid in watchdog[-1:]]
        return run, calls

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_that_it_turns_is_seen_without_opening_a_file(self):
        """It is away from its wait at most scans, and elsewhere at the next one."""
        _, calls = self.traced(FOR_EVER)
        seen = wait_until(lambda: len(sleeps(of := calls())) >= 200 and of, "scans")
        self.assertLess(sum("/schedstat" in call for call in seen), len(sleeps(seen)) / 4)

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_one_that_is_away_is_looked_at_closely(self):
        """Each tenth of a threshold; each fifth while it turns."""
        run, calls = self.traced("2000")
        self.assertEqual(run.drain()[2], 0)
        calls = calls()
        away, back = (next(n for n, call in enumerate(calls) if name in call) for name in ("/away", "/back"))
        turning = statistics.median(sleeps(calls[:away]))
        self.assertGreater(turning, 11e6)
        self.assertLessEqual(turning, 20e6)
        self.assertLessEqual(max(sleeps(calls[away:back])[3:]), 10e6)


def sleeps(calls):
    """For how long the watchdog was to sleep, in ns."""
    return [int(call.split("tv_nsec=")[1].split("}")[0]) for call in calls
            if "futex(" in call and "tv_sec=0," in call]


if __name__ == "__main__":
    unittest.main()
