# SPDX-License-Identifier: MIT
"""PIPESHIM_ACTION_AFTER: from when on the time counts, and the look before anything is done."""
import ctypes
import datetime
import os
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from action_case import DEADLOCK, TOOL, ActionCase  # noqa: E402
from pipeshim_case import DEADLINE_S, LIBRARY, read_text, sleeps_in_write, wait_until  # noqa: E402

# It reads line after line in one place, then waits there for a line that its child, whose stderr it
# does not read, never comes to write. The child says when it began the last one.
SERVED = """
import os
child = subprocess.Popen([sys.executable, "-c", '''
import os, sys, time
for i in range(80):
    time.sleep(0.05)
    began = time.time()
    os.write(1, b"line%4d\\\\n" % i)
open(sys.argv[1] + ".new", "w").write(repr(began))
os.rename(sys.argv[1] + ".new", sys.argv[1])
os.write(2, b"x" * 200000)
''', sys.argv[1]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
while os.read(child.stdout.fileno(), 9):
    pass
"""
# The same wait for whichever child, by the same line; each hangs as the one before did.
CHILD_AFTER_CHILD = """
import os
def child():
    return subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE,
                            env=environment())
children = [child()]
while True:
    pid, _ = os.wait()
    children.append(child())
"""
# A child that waits for its own child, whose output it does not read.
NEIGHBOUR = """
import os
neighbour = subprocess.Popen([sys.executable, "-c", '''
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE).wait()
'''], env=environment())
os.write(1, b"%d\\n" % neighbour.pid)
"""
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


def seconds(event):
    """When it was, as time.time() has it."""
    return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


def children(pid):
    return [int(word) for word in read_text("/proc/%d/task/%d/children" % (pid, pid)).split()]


class ActionTimes(ActionCase):
    def test_a_third_look_that_finds_it_no_more(self):
        """The call still hangs; but somebody else has the pipe open now, and may read."""
        run = self.begin_deadlock("term", PIPESHIM_ACTION_AFTER="3600s")
        deadlock = run.wait_for("deadlock")[0]
        child = [m["pid"] for m in deadlock["chain"] if m["pid"] != run.process.pid][0]
        with open("/proc/%d/fd/1" % child, "rb", buffering=0) as pipe:
            self.set(run, "action_after=1s")
            self.wait_until_due()
            self.assertIsNone(run.process.poll())
            self.assertEqual(run.events("action"), [])
            while pipe.read(65536):
                pass
        self.assertEqual(run.process.wait(DEADLINE_S), 0)

    def test_a_third_look_that_finds_another_deadlock(self):
        """What was told may be read by somebody now; that a neighbour hangs is no reason to act for it."""
        run = self.begin_deadlock("term", NEIGHBOUR + DEADLOCK, PIPESHIM_ACTION_AFTER="3600s")
        deadlock = run.wait_for("deadlock")[0]
        child = [m["pid"] for m in deadlock["chain"] if m["pid"] != run.process.pid][0]
        neighbour = int(os.read(run.readers[0], 20))
        wait_until(lambda: any(sleeps_in_write(pid) for pid in children(neighbour)), "neighbour that hangs")
        with open("/proc/%d/fd/1" % child, "rb", buffering=0):
            self.set(run, "action-after=1s")
            self.wait_until_due()
            self.assertIsNone(run.process.poll())
            self.assertEqual(run.events("action"), [])

    def test_another_wait_in_the_same_place(self):
        """The same call of the same thread, for another child: it is told, and its time begins anew."""
        run = self.begin_deadlock("term", CHILD_AFTER_CHILD, PIPESHIM_ACTION_AFTER="3600s")
        deadlock = run.wait_for("deadlock")[0]
        child = [m["pid"] for m in deadlock["chain"] if m["pid"] != run.process.pid][0]
        killed_at = time.time()
        os.kill(child, signal.SIGKILL)
        other = run.wait_for("deadlock", 2)[1]
        self.set(run, "action-after=2s")
        event = run.wait_for("action")[0]
        self.assertEqual(event["ref"], other["seq"])
        self.assertGreater(seconds(event) - killed_at, 1.99)

    def test_a_place_where_it_was_served_before(self):
        """The time counts from when it got stuck, not from when it first waited there."""
        began = os.path.join(self.temporary_folder(), "began")
        run = self.begin("parent", SERVED, began, PIPESHIM_ACTION="term", PIPESHIM_ACTION_AFTER="3s")
        event = self.assert_action(run, "term")
        stuck_at = float(read_text(began))
        self.assertGreater(seconds(event) - stuck_at, 2.99)
        told = run.events("deadlock")[0]
        self.assertLess(told["blocked_ms"], (seconds(told) - stuck_at) * 1000 + 10)

    def test_a_debugger_is_attached(self):
        """Nothing while it is, and what was due when it has left."""
        libc = ctypes.CDLL(None, use_errno=True)
        run = self.begin_deadlock("term")
        self.assertEqual(libc.ptrace(PTRACE_SEIZE, run.process.pid, None, None), 0,
                         os.strerror(ctypes.get_errno()))
        run.wait_for("deadlock")
        self.wait_until_due()
        self.assertIsNone(run.process.poll())
        self.assertEqual(run.events("action"), [])
        # A tracee can be left only while it stands.
        self.assertEqual(libc.ptrace(PTRACE_INTERRUPT, run.process.pid, None, None), 0)
        os.waitpid(run.process.pid, 0)
        self.assertEqual(libc.ptrace(PTRACE_DETACH, run.process.pid, None, None), 0)
        self.assert_action(run, "term")
        self.assertEqual(run.process.wait(DEADLINE_S), -signal.SIGTERM)

    def test_a_process_that_was_stopped(self):
        """SIGSTOP for longer than the time is no reason: it begins anew, and is not forgotten."""
        stopped_s = after_s = 7
        run = self.begin_deadlock("term", PIPESHIM_ACTION_AFTER="3600s")
        run.wait_for("deadlock")
        os.kill(run.process.pid, signal.SIGSTOP)
        wait_until(lambda: "State:\tT" in read_text("/proc/%d/status" % run.process.pid), "a stop")
        time.sleep(stopped_s)  # for how long it is stopped at least, nothing that is waited for
        continued = datetime.datetime.now(datetime.timezone.utc)
        os.kill(run.process.pid, signal.SIGCONT)
        self.set(run, "action-after=%ds" % after_s)
        event = self.assert_action(run, "term")
        acted = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
        self.assertGreater((acted - continued).total_seconds(), after_s - 0.1)

    def address_of(self, pid, symbol):
        """Of a variable that the library does not export: its symbol table has it."""
        out = subprocess.run(["nm", LIBRARY], check=True, capture_output=True, text=True).stdout
        found = [line.split()[0] for line in out.splitlines() if line.endswith(" " + symbol)]
        if not found:
            self.skipTest("the library has no symbol table")
        with open("/proc/%d/maps" % pid) as file:
            base = next(int(line.split("-")[0], 16) for line in file if "libpipeshim" in line)
        return base + int(found[0], 16)

    def test_a_machine_that_slept(self):
        """The clock that goes on while a machine sleeps is an hour ahead in a time namespace: it has
        slept for that hour as soon as the watchdog has not seen it."""
        apart = ["unshare", "-T", "-f", "--boottime", "3600"]
        if subprocess.run([*apart, "true"], capture_output=True).returncode != 0:
            self.skipTest("no time namespace")
        waited_s = after_s = 7
        for sleeps in (False, True):
            with self.subTest(sleeps=sleeps):
                run = self.begin("parent", DEADLOCK, before=apart, PIPESHIM_ACTION="term",
                                 PIPESHIM_ACTION_AFTER="3600s")
                pid = run.wait_for("deadlock")[0]["pid"]
                time.sleep(waited_s)  # how old it is at least, nothing that is waited for
                slept_at = datetime.datetime.now(datetime.timezone.utc)
                if sleeps:
                    with open("/proc/%d/mem" % pid, "r+b", buffering=0) as memory:
                        memory.seek(self.address_of(pid, "disturbance") + 16)  # .slept
                        self.assertEqual(int.from_bytes(memory.read(8), "little") // 10**9, 3600)
                        memory.seek(self.address_of(pid, "disturbance") + 16)
                        memory.write(bytes(8))
                done = subprocess.run([TOOL, "set", str(pid), "action-after=%ds" % after_s],
                                      capture_output=True, text=True, timeout=DEADLINE_S)
                self.assertEqual(done.returncode, 0, done.stderr)
                event = run.wait_for("action")[0]
                acted = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
                if sleeps:
                    self.assertGreater((acted - slept_at).total_seconds(), after_s - 0.1)


if __name__ == "__main__":
    unittest.main()
