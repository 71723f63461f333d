#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The watchdog never has a right that no thread of the program has."""
import glob
import json
import os
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from frozen_disk import frozen_disk
from held_thread import held_thread
from pipeshim_case import (DEADLINE_S, LIBRARY, PipeshimCase, read_text, sleeps_in_write, victim,
                           wait_until, watchdog_folder)

FIRST_WRITE = 64 * 4096
ROOT = os.geteuid() == 0


class Victim:
    """`rights HOW`; its stderr, with our lines in it, is read all the time."""

    def __init__(self, how, library=True, **settings):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        if library:
            environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_FORMAT="json", PIPESHIM_REPEAT="0",
                               PIPESHIM_THRESHOLD="50ms", PIPESHIM_RATE="1000/s", **settings)
        self.reader, writer = os.pipe()
        self.process = subprocess.Popen([victim("rights"), how], env=environment, stdout=writer,
                                        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        os.close(writer)
        self.lines = []
        self.thread = threading.Thread(target=self._read_lines, daemon=True)
        self.thread.start()
        self.pid = self.process.pid

    def _read_lines(self):
        for line in self.process.stderr:
            self.lines.append(line)

    def events(self, kind):
        events = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [event for event in events if event["event"] == kind]

    def said(self):
        """What the program itself said once its second write is stuck."""
        return wait_until(lambda: [line for line in list(self.lines) if line[0] != "{"], "line")[0]

    def wait_stuck(self):
        wait_until(lambda: sleeps_in_write(self.pid), "stuck write")

    def let_first_write_end(self):
        left = FIRST_WRITE
        while left:
            left -= len(os.read(self.reader, left))

    def go_on(self):
        self.process.stdin.write("x")
        self.process.stdin.flush()

    def read_rest(self):
        while os.read(self.reader, 65536):
            pass
        status = self.process.wait(DEADLINE_S)
        self.thread.join(DEADLINE_S)  # what was written last is read as well
        return status

    def close(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()
        for stream in (self.process.stdin, self.process.stderr):
            stream.close()
        os.close(self.reader)


def looks(pid):
    folder = watchdog_folder(pid)
    status = read_text(folder + "/status") if folder else ""
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0]) if status else 0


class RightsCase(PipeshimCase):
    def start_victim(self, how, **options):
        run = Victim(how, **options)
        self.addCleanup(run.close)
        return run


class Rights(RightsCase):
    def stuck_twice(self, how, quiet=False, **settings):
        """The victim is stuck and reported, gives up rights, is stuck again; what it said."""
        run = self.start_victim(how, PIPESHIM_LOG="stderr", **settings)
        wait_until(lambda: run.events("blocked"), "report")
        run.let_first_write_end()
        wait_until(lambda: run.events("unblocked"), "end of the report")
        if quiet:
            self.wait_quiet(run)
        run.go_on()
        said = run.said()
        wait_until(lambda: len(run.events("blocked")) == 2, "second report")
        self.assertEqual(run.read_rest(), 7)
        raw = self.start_victim(how, library=False)
        raw.wait_stuck()
        raw.let_first_write_end()
        raw.go_on()
        self.assertEqual(said.split(" at once")[0], raw.said().split(" at once")[0])
        return said

    def wait_quiet(self, run):
        """The watchdog has gone to its long sleep: its switches move by one or two a second."""
        def sleeps_long():
            before = looks(run.pid)
            time.sleep(0.3)
            return looks(run.pid) - before <= 1
        wait_until(sleeps_long, "watchdog that sleeps")

    def check_at_once(self, *ways):
        for how in ways:
            for quiet in (False, True):
                with self.subTest(how, quiet=quiet):
                    said = self.stuck_twice(how, quiet)
                    self.assertIn(how + " 0 ", said)
                    self.assertIn("at once 0 later 0", said)

    @unittest.skipUnless(ROOT, "needs root")
    def test_given_up_through_libc(self):
        self.check_at_once("setuid", "capset", "nnp", "unshare")

    @unittest.skipUnless(ROOT, "needs root")
    def test_given_up_through_syscall(self):
        self.check_at_once("raw-setuid", "raw-capset", "raw-nnp", "raw-unshare")

    @unittest.skipUnless(ROOT, "needs root")
    def test_given_up_behind_our_back(self):
        for how in ("asm-setuid", "asm-capset", "asm-nnp", "asm-unshare"):
            for quiet in (False, True):
                with self.subTest(how, quiet=quiet):
                    said = self.stuck_twice(how, quiet)
                    self.assertIn(how + " 0 ", said)
                    self.assertIn(" later 0", said)

    def test_nothing_given_up(self):
        self.check_at_once("none")

    def test_changed_in_a_signal_handler_too(self):
        """A handler stops the watchdog that the thread it interrupts is stopping or starting."""
        run = self.start_victim("storm", PIPESHIM_LOG="stderr")
        self.assertEqual(run.read_rest(), 7)
        self.assertEqual(run.events("warning"), [])

    def test_landlock_is_the_watchdogs_too(self):
        for how in ("raw-landlock", "asm-landlock"):
            with self.subTest(how):
                folder = self.temporary_folder()
                log = os.path.join(folder, "log")
                run = self.start_victim(how, PIPESHIM_LOG=log)
                wait_until(lambda: '"unblocked"' not in read_text(log) and
                           '"blocked"' in read_text(log), "report")
                run.let_first_write_end()
                wait_until(lambda: '"unblocked"' in read_text(log), "end of the report")
                run.go_on()
                if "landlock 0" not in run.said():
                    self.skipTest("no Landlock here: " + run.said().strip())
                run.wait_stuck()
                wait_until(lambda: watchdog_folder(run.pid), "watchdog")
                before = looks(run.pid)
                wait_until(lambda: looks(run.pid) > before + 30, "looks")
                self.assertEqual(read_text(log).count('"blocked"'), 1)
                self.assertEqual(run.read_rest(), 7)


    def test_without_proc_it_says_so_and_stays_away(self):
        run = self.start_victim("raw-blind", PIPESHIM_LOG="stderr")
        wait_until(lambda: run.events("blocked"), "report")
        run.let_first_write_end()
        wait_until(lambda: run.events("unblocked"), "end of the report")
        run.go_on()
        if "blind 0" not in run.said():
            self.skipTest("no Landlock here: " + run.said().strip())
        run.wait_stuck()
        wait_until(lambda: not watchdog_folder(run.pid), "end of the watchdog")
        for _ in range(2):  # it leaves the line to the next call
            os.read(run.reader, 16 * 4096)
        self.assertEqual(run.read_rest(), 7)
        warnings = [event["message"] for event in run.events("warning")]
        self.assertEqual(len(warnings), 1, warnings)
        self.assertIn("/proc/self/task", warnings[0])
        self.assertEqual(len(run.events("blocked")), 1)


class HeldWatchdog(RightsCase):
    """A watchdog that does not end when it is told to, as one that the kernel holds in a call."""

    def kinds(self, log):
        """Without "still", which a slow machine makes of what is short."""
        events = [json.loads(line)["event"] for line in read_text(log).splitlines(True)
                  if line.endswith("\n")]
        return [event for event in events if event != "still"]

    def start_and_find(self, how):
        """The victim, reported and about to go on, its log and its watchdog."""
        log = self.temporary_folder() + "/log"
        run = self.start_victim(how, PIPESHIM_LOG=log)
        wait_until(lambda: '"blocked"' in read_text(log), "report")
        return run, log, wait_until(lambda: watchdog_folder(run.pid), "watchdog")

    @unittest.skipUnless(ROOT, "needs root")
    def test_it_only_ends(self):
        run, log, watchdog = self.start_and_find("setuid")
        os.chmod(log, 0o666)
        with held_thread(int(os.path.basename(watchdog))):
            run.let_first_write_end()
            run.go_on()
            wait_until(lambda: "Uid:\t65534" in read_text("/proc/%d/status" % run.pid), "setuid")
            self.assertIn("Uid:\t0\t0", read_text(watchdog + "/status"))
        wait_until(lambda: not os.path.exists(watchdog), "end of the held watchdog")
        self.assertIn("later 0", run.said())
        # The watchdog says nothing more; the program itself tells of it.
        wait_until(lambda: "warning" in self.kinds(log), "warning")
        self.assertEqual(self.kinds(log)[:3], ["start", "blocked", "warning"])
        self.assertIn("the kernel held the watchdog", read_text(log))
        self.assertEqual(run.read_rest(), 7)

    def test_no_twin_beside_it(self):
        run, _, watchdog = self.start_and_find("nnp")
        with held_thread(int(os.path.basename(watchdog))):
            run.let_first_write_end()
            run.go_on()
            wait_until(lambda: "NoNewPrivs:\t1" in read_text("/proc/%d/status" % run.pid), "prctl")
            wait_until(lambda: "pipe_w" in read_text("/proc/%d/wchan" % run.pid), "second write")
            names = [read_text(path) for path in glob.glob("/proc/%d/task/*/comm" % run.pid)]
            self.assertEqual(names.count("pipeshim\n"), 1)
        wait_until(lambda: not os.path.exists(watchdog), "end of the held watchdog")
        self.assertEqual(run.read_rest(), 7)


class Companions(RightsCase):
    """The library's short-lived processes, which share the program's memory: none of them lives on
    with rights that the program has given up, however it did that."""

    HOWS = ("setuid", "raw-setuid", "asm-setuid")

    def companions(self, run, name):
        """The processes of that name that were made in the program."""
        found = []
        for path in glob.glob("/proc/[0-9]*/stat"):
            fields = read_text(path).rpartition(")")
            if fields[0].endswith("(" + name) and fields[2].split()[1] == str(run.pid) \
                    and fields[2].split()[0] != "Z":
                found.append(os.path.dirname(path))
        return found

    def held_in_the_kernel(self, run, name):
        writer = wait_until(lambda: self.companions(run, name), name)[0]
        wait_until(lambda: "\nState:\tD" in read_text(writer + "/status"), "held writer")
        self.assertIn("\nUid:\t0\t0", read_text(writer + "/status"))
        return writer

    @staticmethod
    def is_killed(writer):
        """SIGKILL waits for it: it comes back to no instruction of its own."""
        pending = [int(line.split()[1], 16) for line in read_text(writer + "/status").splitlines()
                   if line.startswith(("SigPnd", "ShdPnd"))]
        return any(mask >> (signal.SIGKILL - 1) & 1 for mask in pending)

    def give_up(self, run, how):
        run.go_on()
        self.assertIn("later 0", run.said())
        self.assertIn("\nUid:\t65534", read_text("/proc/%d/status" % run.pid), how)

    def test_the_logs_writer(self):
        for how in self.HOWS:
            with self.subTest(how), frozen_disk(self) as disk:
                log = disk.mount + "/log"
                run = self.start_victim(how, PIPESHIM_LOG=log)
                wait_until(lambda: '"blocked"' in read_text(log), "report")
                os.chmod(log, 0o666)
                disk.freeze()
                run.let_first_write_end()
                writer = self.held_in_the_kernel(run, "pipeshim-log")
                self.give_up(run, how)
                wait_until(lambda: self.is_killed(writer), "end of the writer")
                disk.unfreeze()
                wait_until(lambda: '"unblocked"' in read_text(log), "what it was held in")
                self.assertEqual(run.read_rest(), 7)

    def test_the_metrics_writer(self):
        for how in self.HOWS:
            with self.subTest(how), frozen_disk(self) as disk:
                disk.freeze()
                run = self.start_victim(how, PIPESHIM_LOG="stderr",
                                        PIPESHIM_METRICS=disk.mount + "/metrics.prom")
                run.let_first_write_end()
                writer = self.held_in_the_kernel(run, "pipeshim-metric")
                self.give_up(run, how)
                wait_until(lambda: self.is_killed(writer), "end of the writer")
                disk.unfreeze()
                self.assertEqual(run.read_rest(), 7)

    @staticmethod
    def end(pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # its time was up
            pass

    @unittest.skipUnless(ROOT, "needs root")
    def test_the_one_that_waits_for_an_actions_command(self):
        for how in self.HOWS:
            with self.subTest(how):
                run = self.start_victim(how, PIPESHIM_LOG="stderr", PIPESHIM_ACTION_ON="blocked",
                                        PIPESHIM_ACTION="exec:exec sleep 600",
                                        PIPESHIM_ACTION_AFTER="100ms")
                waits = wait_until(lambda: self.companions(run, "pipeshim-action"), "process")[0]
                child = waits + "/task/" + os.path.basename(waits) + "/children"
                command = wait_until(lambda: read_text(child).split(), "command")[0]
                begun = time.monotonic()
                self.addCleanup(self.end, int(command))
                wait_until(lambda: read_text("/proc/%s/comm" % command) == "sleep\n", "its exec")
                run.let_first_write_end()
                self.give_up(run, how)
                wait_until(lambda: not self.companions(run, "pipeshim-action"), "its end")
                goes_on = read_text("/proc/%s/comm" % command) == "sleep\n"
                self.assertTrue(goes_on or time.monotonic() - begun > 30, "its time was up")
                self.assertEqual(run.read_rest(), 7)


if __name__ == "__main__":
    sys.exit(unittest.main())
