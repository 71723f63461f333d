# SPDX-License-Identifier: MIT
"""Signals and cancellation reach a thread that waits at the drainer's bound, or behind its queue, as
they reach one that waits in write(): each case also without the library."""
import os
import select
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, read_soon, read_text, victim, wait_until  # noqa: E402
from pipeshim_case import sleeps_in_write  # noqa: E402

KINDS = ({"library": False}, {"DRAIN_MODE": "full"}, {"DRAIN_MODE": "behind"})
KEYBOARD = """
import os, threading
print(threading.get_native_id(), flush=True)
try:
    for _ in range(5000):
        os.write(2, b"x" * 1000)
except KeyboardInterrupt:
    print("interrupted")
"""


class Interrupted(DrainCase):
    def begin(self, what, call, kinds=KINDS):
        """For each kind of run: the victim, in the wait."""
        for kind in kinds:
            options = kind if "library" in kind else dict(kind, DRAIN_MAX="1M")
            yield self.waiting(self.drained([victim("drain_interrupts"), what, call], **options))
            self.doCleanups()

    def waiting(self, run):
        task = "/proc/%d/task/%d/" % (run.process.pid, int(self.said(run)[0]))
        wait_until(lambda: sleeps_in_write(run.process.pid) or
                   "futex" in read_text(task + "wchan"), "the wait")
        return run

    def signal(self, run):
        """Before anything is read: the reader's room would end the wait as well."""
        run.process.send_signal(signal.SIGUSR1)
        self.assertEqual(self.said(run), ["handled"])

    def rest(self, run):
        """How many bytes come."""
        data = run.read()
        self.assertEqual(set(data), {ord("x")})
        self.assertEqual(run.wait(), 0)
        return len(data)

    def said(self, run):
        line = b""
        while not line.endswith(b"\n"):
            line += read_soon(run.process.stdout.fileno(), 1)
        return line.decode().split()

    def interrupted(self, run):
        """A signal that came when the thread was about to wait interrupts nothing, as without the
        library: then another one does."""
        for _ in range(60):
            self.signal(run)
            if select.select([run.process.stdout], [], [], 2)[0]:
                break
        return self.said(run)

    def test_handler_interrupts(self):
        for call, kinds in (("small", KINDS), ("large", KINDS), ("sendfile", KINDS[1:])):
            for run in self.begin("signal", call, kinds):
                said = self.interrupted(run)
                self.assertEqual(said, ["EINTR", str(self.rest(run))], call)

    def test_handler_with_restart_does_not(self):
        for call, size, kinds in (("small", 5000000, KINDS), ("sendfile", 301000, KINDS[1:])):
            for run in self.begin("restart", call, kinds):
                self.signal(run)
                self.assertEqual(self.rest(run), size)
                self.assertEqual(self.said(run), ["wrote", str(size)])

    def test_cancelled_while_it_waits(self):
        for call, kinds in (("small", KINDS), ("sendfile", KINDS[1:])):
            for run in self.begin("cancel", call, kinds):
                run.process.stdin.write(b"!\n")
                run.process.stdin.flush()
                self.assertEqual(self.said(run), ["cancelled"])
                run.read()
                self.assertEqual(run.wait(), 0)

    def test_cancelled_while_it_writes(self):
        """It never waits: the reader reads."""
        for kind in KINDS:
            with self.subTest(**kind):
                run = self.drained([victim("drain_interrupts"), "cancel", "endless"], **kind)
                reader = threading.Thread(target=run.read)
                reader.start()
                self.said(run)
                run.process.stdin.write(b"!\n")
                run.process.stdin.flush()
                self.assertEqual(self.said(run), ["cancelled"])
                reader.join()
                self.assertEqual(run.wait(), 0)
                self.doCleanups()

    def test_keyboard_interrupt_of_python(self):
        for kind in KINDS:
            with self.subTest(**kind):
                options = kind if "library" in kind else dict(kind, DRAIN_MAX="1M")
                run = self.waiting(self.python(KEYBOARD, **options))
                run.process.send_signal(signal.SIGINT)
                self.assertEqual(self.said(run), ["interrupted"])
                run.read()
                self.assertEqual(run.wait(), 0)
                self.doCleanups()


if __name__ == "__main__":
    unittest.main()
