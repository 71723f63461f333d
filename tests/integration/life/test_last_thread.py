#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A process ends when its last thread has left, however that was: the watchdog does not keep it."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import (DEADLINE_S, PipeshimCase, read_text, victim, wait_until,
                           watchdog_folder)


class LastThread(PipeshimCase):
    def check(self, *arguments):
        """The victim ends, with the status that it has without the library."""
        raw = self.start(victim("last_thread"), *arguments, library=False)
        run = self.start(victim("last_thread"), *arguments)
        wait_until(lambda: watchdog_folder(run.process.pid) or run.process.poll() is not None,
                   "watchdog")
        self.assertEqual(run.process.wait(DEADLINE_S), raw.process.wait(DEADLINE_S))

    def test_the_only_thread_leaves_by_exit_2(self):
        self.check("main")
        self.check("main", "quiet")

    def test_the_only_thread_leaves_by_an_instruction_of_its_own(self):
        self.check("asm")
        self.check("asm", "quiet")

    def test_a_thread_leaves_by_exit_2_after_main(self):
        self.check("thread")
        self.check("thread", "quiet")

    def test_main_has_left_and_another_thread_lives(self):
        run = self.start(victim("last_thread"), "peaceful")
        run.wait_stuck()
        folder = wait_until(lambda: watchdog_folder(run.process.pid), "watchdog")
        before = self.switches(folder)
        wait_until(lambda: self.switches(folder) > before + 2, "looks")
        self.assertEqual(watchdog_folder(run.process.pid), folder)
        self.assertEqual(run.drain()[2], 0)

    def switches(self, folder):
        return int(read_text(folder + "/status").split("\nvoluntary_ctxt_switches:")[1].split()[0])


if __name__ == "__main__":
    sys.exit(unittest.main())
