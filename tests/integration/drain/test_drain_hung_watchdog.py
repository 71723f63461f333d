# SPDX-License-Identifier: MIT
"""An exit whose watchdog hangs in the middle of a look at the drainer: what is queued is handed over,
or spooled, and told, without it."""
import os
import select
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import (DEADLINE_S, PipeshimCase, read_text, wait_until,  # noqa: E402
                           watchdog_folder)

PROGRAM = """
import os, sys
sys.stdin.readline()
os.write(2, b"x" * 300000)
os.write(1, b"queued")
sys.stdin.readline()
"""
HANGS_S = 300


def may_trace():
    return bool(shutil.which("strace")) and os.geteuid() == 0


@unittest.skipUnless(may_trace(), "needs strace, and the right to trace")
class HungWatchdog(PipeshimCase):
    def stop_watchdog(self, run):
        """It stands in its look at the pipe that the drainer took over, until strace(1) ends."""
        folder = wait_until(lambda: watchdog_folder(run.process.pid), "watchdog")
        trace = os.path.join(self.temporary_folder(), "trace")
        tracer = subprocess.Popen(
            ["strace", "-qq", "-o", trace, "-e", "trace=ppoll", "-e",
             "inject=ppoll:delay_enter=%ds" % HANGS_S, "-p", os.path.basename(folder)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(tracer.wait)
        self.addCleanup(tracer.send_signal, signal.SIGKILL)
        wait_until(lambda: "TracerPid:\t0\n" not in read_text(folder + "/status"), "tracer")
        return tracer, lambda: "ppoll(" in read_text(trace)

    def exits(self, **settings):
        run = self.start("/usr/bin/python3", "-S", "-c", PROGRAM, settings={
            "PIPESHIM_DRAIN": "stderr", **settings})
        tracer, stands = self.stop_watchdog(run)
        run.process.stdin.write(b"write\n")
        run.process.stdin.flush()
        self.assertTrue(select.select([run.readers[0]], [], [], DEADLINE_S)[0], "the write waits")
        wait_until(stands, "watchdog that hangs")
        run.process.stdin.close()
        run.wait_for("summary")
        tracer.kill()  # a process ends when its tracer has heard of it
        self.assertEqual(run.process.wait(DEADLINE_S), 0)
        return run

    def test_hand_over(self):
        run = self.exits(PIPESHIM_DRAIN_EXIT="0")
        handed_over, = run.events("drain_handoff")
        self.assertEqual(handed_over["bytes"], 300000 - 65536)
        summary, = run.events("summary")
        self.assertEqual(summary["drain"]["handed_over_bytes"], 300000 - 65536)


if __name__ == "__main__":
    unittest.main()
