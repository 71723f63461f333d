#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""More than one thing is wrong with a process at once: each is told, and each once."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from waits_case import WaitsCase  # noqa: E402

# Each of two threads waits for a child of its own, whose stdout nobody reads.
TWO_THREADS = """
import threading
def one():
    command = [sys.executable, "-c", "import os; os.write(1, bytes(200000))"]
    subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()).wait()
for _ in range(2):
    threading.Thread(target=one).start()
"""
# Three children are stuck, and one is waited for.
ONE_AFTER_THE_OTHER = """
command = [sys.executable, "-c", "import os; os.write(1, bytes(200000))"]
children = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) for _ in "123"]
for child in children:
    child.wait()
"""
# The same, but all but the first are read, or do not write.
ONE_OF_THREE = """
import threading
command = [sys.executable, "-c", "import os; os.write(1, bytes(200000))"]
stuck = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment())
read = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment())
idle = subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE, env=environment())
threading.Thread(target=read.communicate, daemon=True).start()
stuck.wait()
"""
# A child that sends no signal when it ends, as the log's writer is one, and one that is stuck; then
# a wait for any child.
WITH_A_CLONE = """
import ctypes, signal
libc = ctypes.CDLL(None)
if libc.syscall(%d, 0, 0, 0, 0, 0) == 0:
    signal.pause()
child = subprocess.Popen([sys.executable, "-c", "import os; os.write(1, bytes(200000))"],
                         stdout=subprocess.PIPE, env=environment())
%s
"""
CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
WAIT = "os.wait()"
WAIT_ALL = "libc.wait4(-1, None, 0x40000000, None)  # __WALL"


def findings(run):
    return [e for e in run.events() if e["event"] in ("deadlock", "finding")]


class SeveralFindings(WaitsCase):
    def test_two_threads_in_a_deadlock_each(self):
        run = self.begin("parent", TWO_THREADS)
        first, second = run.wait_for("deadlock", 2)
        self.assertNotEqual(first["id"], second["id"])
        for event in (first, second):
            child, parent = event["chain"]
            self.assertEqual(parent["pid"], run.process.pid)
            self.assertEqual(parent["waits_in"], "wait4 %d" % child["pid"])
        self.assertNotEqual(first["chain"][0]["pid"], second["chain"][0]["pid"])
        self.assertNotEqual(first["chain"][1]["tid"], second["chain"][1]["tid"])

    def test_children_that_are_not_waited_for_yet(self):
        run = self.begin("parent", ONE_AFTER_THE_OTHER)
        deadlock = run.wait_for("deadlock")[0]
        away = run.wait_for("finding", 2)
        self.assertEqual([e["kind"] for e in away], ["reader_away"] * 2)
        stuck = {e["chain"][0]["pid"] for e in [deadlock] + away}
        self.assertEqual(len(stuck), 3)

    def test_children_that_are_read(self):
        run = self.begin("parent", ONE_OF_THREE)
        run.wait_for("deadlock")
        self.wait_for_scans(run)
        self.assertEqual([e["event"] for e in findings(run)], ["deadlock"])

    def wait_for_scans(self, run):
        """The parent is scanned at 0.5 s, 1, 2, 4 and so on. One that begins now, and whose child
        tells how far that is, is behind it."""
        clock = self.begin("child", WITH_A_CLONE % (CLONE, WAIT))
        clock.wait_for("still", 3)

    def test_a_child_that_no_wait_sees(self):
        run = self.begin("both", WITH_A_CLONE % (CLONE, WAIT))
        self.assert_told_by_each(run, "both")
        run.wait_for("still", 3)  # the child has scanned it four times by then
        self.assertEqual([e["event"] for e in findings(run)], ["deadlock"] * 2)

    def test_a_wait_that_sees_it(self):
        run = self.begin("parent", WITH_A_CLONE % (CLONE, WAIT_ALL))
        self.wait_for_scans(run)
        self.assertEqual([e for e in findings(run) if e["event"] == "deadlock"], [])


if __name__ == "__main__":
    sys.exit(unittest.main())
