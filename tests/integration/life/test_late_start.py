#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The library begins at the first call that may block: nothing of what a program does before that
makes it begin in the wrong process, write to the wrong file or miss a thread."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import (LIBRARY, PipeshimCase, Run, read_text, sleeps_in_write, victim,
                           wait_until, watchdog_folder)

VICTIM = victim("late_start")
# No reason to begin with the process: a log of its own by an absolute name.
LATE = {"PIPESHIM_SUMMARY": "on"}


class LateStart(PipeshimCase):
    def begun(self, *arguments, **settings):
        return self.start(VICTIM, *arguments, settings={**LATE, **settings})

    def check_parent_is_watched(self, mode):
        run = self.begun(mode)
        blocked = run.wait_for("blocked")[0]
        self.assertEqual(blocked["pid"], run.process.pid)
        run.begin_drain()
        run.process.kill()

    def test_by_its_name_bun_alone_is_watched_from_the_start(self):
        """It makes no call that would begin; what only begins like it does, and needs no thread."""
        for name, threads in (("bun", 2), ("bun-profile", 2), ("bunzip2", 1), ("bundle", 1)):
            with self.subTest(name):
                run = self.start(name, "1000", executable="/bin/sleep", settings=LATE)
                pid = run.process.pid
                wait_until(lambda: "nanosleep" in read_text("/proc/%d/wchan" % pid), "its sleep")
                if threads > 1:
                    wait_until(lambda: watchdog_folder(pid), "watchdog")
                self.assertEqual(len(os.listdir("/proc/%d/task" % pid)), threads)

    def test_a_vfork_child_comes_first(self):
        self.check_parent_is_watched("vfork")

    def test_a_child_of_clone_with_the_same_memory_comes_first(self):
        self.check_parent_is_watched("clone")

    def test_threads_come_first_together(self):
        run = self.begun("threads")
        blocked = run.wait_for("blocked", 8)
        self.assertEqual(len({event["tid"] for event in blocked}), 8)
        run.begin_drain()
        self.assertEqual(run.finish()[2], 0)

    def stuck_with_log_on_stderr(self, *arguments, **options):
        """The folder, when a report has been written or thrown away."""
        folder = self.temporary_folder()
        done = os.path.join(folder, "done")
        run = Run(folder, [VICTIM, *arguments], cwd=folder, settings={
            **LATE, "PIPESHIM_LOG": "stderr", "PIPESHIM_FORMAT": "text",
            "PIPESHIM_ACTION": "exec:touch " + done, "PIPESHIM_ACTION_ON": "blocked",
            "PIPESHIM_ACTION_AFTER": "50ms"}, **options)
        self.addCleanup(run.close)
        wait_until(lambda: os.path.exists(done), "action")
        return folder, run

    def test_a_file_of_the_programs_that_has_stderrs_number(self):
        folder, run = self.stuck_with_log_on_stderr("replaced")
        run.begin_drain()
        run.process.kill()
        self.assertEqual(read_text(os.path.join(folder, "data")), "")

    def test_stderr_as_the_program_was_started_with(self):
        _, run = self.stuck_with_log_on_stderr("vfork")
        run.process.kill()
        said = run.drain()[1].decode()
        self.assertIn("BLOCKED late_start[%d]" % run.process.pid, said)

    def test_not_before(self):
        """All that a start makes are calls of the loader's own kind."""
        run = self.start("/bin/sh", "-c", "/bin/true; kill -STOP $$; exit 3", settings=LATE)
        wait_until(lambda: "\nState:\tT" in read_text("/proc/%d/status" % run.process.pid), "stop")
        self.assertIn(LIBRARY, read_text("/proc/%d/maps" % run.process.pid))
        self.assertIsNone(watchdog_folder(run.process.pid))
        run.process.send_signal(18)
        self.assertEqual(run.drain()[2], 3)
        self.assertEqual(run.events(), [])
        self.assertFalse(sleeps_in_write(run.process.pid))


if __name__ == "__main__":
    sys.exit(unittest.main())
