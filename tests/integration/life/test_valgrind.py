#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A program under valgrind: the library adds no error and no line of its own to valgrind's log."""
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import PipeshimCase, read_text, victim, wait_until, watchdog_folder

VALGRIND = shutil.which("valgrind")


@unittest.skipUnless(VALGRIND, "valgrind is not installed")
class Valgrind(PipeshimCase):
    def lines_of(self, *command, library=True, status=7, go_on=False):
        """What valgrind writes, without what differs from run to run."""
        log = os.path.join(self.temporary_folder(), "valgrind")
        run = self.start(VALGRIND, "--error-exitcode=99", "--log-file=" + log, *command,
                         library=library)
        if go_on:
            run.process.stdin.write(b"x")
            run.process.stdin.flush()
        if library:  # it has been looked at, and judged, for a while
            wait_until(lambda: watchdog_folder(run.process.pid), "watchdog")
            wait_until(lambda: run.events("finding") or run.events("blocked"), "report")
        else:
            run.wait_stuck()
        self.assertEqual(run.drain()[2], status)
        return [line.split("==", 2)[2] for line in read_text(log).splitlines()
                if line.startswith("==") and "pid" not in line and "usage" not in line and
                "in use" not in line], read_text(log)

    def test_a_stuck_write(self):
        with_library, log = self.lines_of(victim("life"), "plain")
        self.assertEqual(with_library, self.lines_of(victim("life"), "plain", library=False)[0])
        self.assertNotIn("WARNING", log)

    def test_a_readiness_wait(self):
        """Its arguments are looked at before there is a watchdog."""
        with_library, log = self.lines_of(victim("idle"), "libc", "write", status=0, go_on=True)
        self.assertEqual(with_library, self.lines_of(victim("idle"), "libc", "write", library=False,
                                                     status=0, go_on=True)[0])
        self.assertEqual([line for line in log.splitlines() if line.startswith("--")], [])


if __name__ == "__main__":
    sys.exit(unittest.main())
