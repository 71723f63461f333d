# SPDX-License-Identifier: MIT
"""PIPESHIM_ACTION=drain: the drainer for the one descriptor whose write is proven stuck, until its
reader is back; every byte arrives, in order."""
import fcntl
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import DEADLINE_S, Run, sleeps_in_write, wait_until  # noqa: E402
from waits_case import PYTHON, WaitsCase  # noqa: E402

F_GETPIPE_SZ = 1032
# Its child writes far more than a pipe holds while it waits for it, and is then read.
DEADLOCK = """
import hashlib
child = subprocess.Popen([sys.executable, "-c", '''
import os
data = b"".join(b"%09d\\\\n" % i for i in range(50000))
assert os.write(1, data) == len(data)
for i in range(50000, 60000):
    os.write(1, b"%09d\\\\n" % i)
'''], stdout=subprocess.PIPE, env=environment())
status = child.wait()
got = child.stdout.read()
expected = b"".join(b"%09d\\n" % i for i in range(60000))
print("status", status, "same", got == expected, len(got), flush=True)
"""
# Numbered lines: one large write, then small ones; what stdin says how many.
WRITER = """
import os, sys
at = 0
def lines(count):
    global at
    at += count
    return b"".join(b"%09d\\n" % i for i in range(at - count, at))
for line in sys.stdin:
    large, small = map(int, line.split())
    data = lines(large)
    assert os.write(2, data) == len(data)
    for i in range(small):
        os.write(2, lines(1))
    os.write(1, b"written\\n")
"""


class ActionDrain(WaitsCase):
    def begin_writer(self, **settings):
        return self.begin("parent", WRITER, **{
            "PIPESHIM_ACTION": "drain", "PIPESHIM_ACTION_ON": "blocked",
            "PIPESHIM_ACTION_AFTER": "300ms", **settings})

    def write(self, run, large, small):
        run.process.stdin.write(b"%d %d\n" % (large, small))
        run.process.stdin.flush()

    def expect_written(self, run):
        got = b""
        while not got.endswith(b"written\n"):
            got += os.read(run.readers[0], 100)

    def read_lines(self, run, first, end):
        """Exactly these lines are what comes next."""
        left = 10 * (end - first)
        got = b""
        while left > len(got):
            got += os.read(run.readers[1], left - len(got))
        self.assertEqual(got, b"".join(b"%09d\n" % i for i in range(first, end)))

    def result(self, run, count):
        return run.wait_for("action", count)[count - 1]["result"]

    def test_a_deadlock_is_solved(self):
        run = self.begin("both", DEADLOCK, PIPESHIM_ACTION="drain", PIPESHIM_ACTION_AFTER="1s")
        run.wait_for("deadlock")
        got = b""
        while not got.endswith(b"\n"):
            got += os.read(run.readers[0], 1000)
        self.assertEqual(got, b"status 0 same True 600000\n")
        self.assertEqual(run.process.wait(DEADLINE_S), 0)
        actions = {event["pid"]: event for event in reversed(run.events("action"))}
        self.assertEqual({event["action"] for event in actions.values()}, {"drain"})
        child = next(pid for pid in actions if pid != run.process.pid)
        self.assertIn("its write went on, for the pipe was made larger", actions[child]["result"])

    def test_a_reader_that_comes_back(self):
        """On by proof, off when its reader is back; then as ever, with the pipe as it was."""
        run = self.begin_writer()
        size = fcntl.fcntl(run.readers[1], F_GETPIPE_SZ)
        self.write(run, 20000, 3000)
        blocked = run.wait_for("blocked")[0]
        self.expect_written(run)
        on = run.wait_for("action")[0]
        self.assertEqual((on["action"], on["ref"], on["tid"]),
                         ("drain", blocked["seq"], run.process.pid))
        self.assertRegex(on["result"], r"^fd 2: its write went on, for the pipe was made larger, from "
                                       r"%d to \d+ bytes; it is drained until" % size)
        self.write(run, 100000, 5000)  # more than the pipe holds
        self.expect_written(run)
        run.wait_for("drain_start")
        self.read_lines(run, 0, 128000)
        run.wait_for("drain_end")
        self.assertEqual(self.result(run, 2), "fd 2: its reader is back; it is drained no more")
        self.assertEqual(fcntl.fcntl(run.readers[1], F_GETPIPE_SZ), size)
        self.write(run, 20000, 0)
        wait_until(lambda: sleeps_in_write(run.process.pid), "a write that blocks again")
        self.read_lines(run, 128000, 148000)
        self.expect_written(run)
        self.assertEqual(len(run.events("action")), 2, "at most one action, and its end")

    def test_a_reader_that_never_comes(self):
        """It goes on; at the exit what is left is handed over, and nothing is lost."""
        run = self.begin_writer(PIPESHIM_DRAIN_EXIT="0")
        self.write(run, 20000, 3000)
        self.expect_written(run)
        self.write(run, 50000, 1000)
        self.expect_written(run)
        run.process.stdin.close()
        self.assertEqual(run.process.wait(DEADLINE_S), 0)
        self.read_lines(run, 0, 74000)
        self.assertEqual(os.read(run.readers[1], 1), b"")

    def test_only_that_descriptor(self):
        """The twin: another pipe of the same process is not drained."""
        run = self.begin("parent", """
import os, threading
r, w = os.pipe()
def fill():
    os.write(w, b"y" * 70000)
os.write(2, b"x" * 70000)
threading.Thread(target=fill, daemon=True).start()
sys.stdin.readline()
""", PIPESHIM_ACTION="drain", PIPESHIM_ACTION_ON="blocked", PIPESHIM_ACTION_AFTER="300ms")
        run.wait_for("action")
        run.wait_for("blocked", 2)
        wait_until(lambda: sleeps_in_write(run.process.pid), "second write, which stays stuck")
        self.assertEqual(len(run.events("drain_start")), 0)

    def test_a_descriptor_that_becomes_another_pipe(self):
        """What is proven of a pipe holds for no other one."""
        run = self.begin("parent", """
import os
os.write(2, b"x" * 70000)
r, w = os.pipe()
os.dup2(w, 2)
os.write(1, b"other\\n")
os.write(2, b"y" * 70000)
""", PIPESHIM_ACTION="drain", PIPESHIM_ACTION_ON="blocked", PIPESHIM_ACTION_AFTER="300ms")
        run.wait_for("blocked", 2)
        wait_until(lambda: any("the descriptor is another one now" in event["result"]
                               for event in run.events("action")), "end of the proof")
        wait_until(lambda: sleeps_in_write(run.process.pid), "stuck write to the other pipe")
        self.assertEqual(run.events("drain_start"), [])

    def socket_writer(self, **options):
        """Its lines go to stdout, which is the socket."""
        script = WRITER.replace("os.write(1,", "os.write(3 - 1,").replace("os.write(2,", "os.write(1,")
        run = Run(self.temporary_folder(), [PYTHON, "-c", script], sockets=True, settings={
            "PIPESHIM_ACTION": "drain", "PIPESHIM_ACTION_ON": "blocked",
            "PIPESHIM_ACTION_AFTER": "300ms"}, **options)
        run.readers = run.readers[::-1]
        self.addCleanup(run.close)
        return run

    @unittest.skipUnless(os.geteuid() == 0, "needs CAP_NET_ADMIN")
    def test_a_socketpair(self):
        run = self.socket_writer()
        self.write(run, 50000, 3000)
        self.expect_written(run)
        self.assertRegex(self.result(run, 1), r"^fd 1: its write went on, for the socket was given more "
                                              r"memory, \d+ to \d+ bytes; it is drained until")
        self.write(run, 200000, 5000)
        self.expect_written(run)
        run.wait_for("drain_start")
        self.read_lines(run, 0, 258000)
        run.wait_for("drain_end")
        self.assertEqual(self.result(run, 2), "fd 1: its reader is back; it is drained no more")
        self.write(run, 50000, 0)
        wait_until(lambda: sleeps_in_write(run.process.pid), "a write that blocks again")
        self.read_lines(run, 258000, 308000)
        self.expect_written(run)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to give up its rights")
    def test_a_socketpair_that_may_not_have_more_memory(self):
        run = self.socket_writer(user=65534)
        self.write(run, 100000, 0)
        self.assertIn("which the kernel refuses", self.result(run, 1))
        self.assertTrue(sleeps_in_write(run.process.pid))
        self.read_lines(run, 0, 100000)
        self.expect_written(run)
        self.assertEqual(run.events("drain_start"), [])

    @unittest.skipUnless(os.geteuid() == 0, "needs root to give up its rights")
    def test_a_write_that_no_pipe_can_hold(self):
        """Without the right to larger pipes: it says so and stays as it was, byte for byte."""
        script = """
import os
data = b"".join(b"%09d\\n" % i for i in range(300000))
assert os.write(2, data) == len(data)
os.write(1, b"written\\n")
"""
        run = Run(self.temporary_folder(), [PYTHON, "-c", script], user=65534, settings={
            "PIPESHIM_ACTION": "drain", "PIPESHIM_ACTION_ON": "blocked",
            "PIPESHIM_ACTION_AFTER": "300ms"})
        self.addCleanup(run.close)
        result = self.result(run, 1)
        self.assertIn("its write needs more than the pipe of", result)
        self.read_lines(run, 0, 300000)
        self.expect_written(run)
        self.assertEqual(run.events("drain_start"), [])

    def test_nothing_of_a_process_that_only_waits(self):
        """Of a deadlock in which this process's own wait is no write."""
        run = self.begin("parent", DEADLOCK, PIPESHIM_ACTION="drain", PIPESHIM_ACTION_AFTER="1s")
        self.assertEqual(self.result(run, 1),
                         "no write of this process is stuck in it; nothing was done")
        self.assertIsNone(run.process.poll())

    def test_forked_child_in_between(self):
        """Its bytes come behind those of its parent, and are drained as well."""
        run = self.begin("parent", """
import os
data = lambda a, b: b"".join(b"%09d\\n" % i for i in range(a, b))
os.write(2, data(0, 20000))
os.write(2, data(20000, 150000))
if os.fork() == 0:
    for i in range(150000, 150100):
        os.write(2, data(i, i + 1))
    os._exit(0)
os.wait()
os.write(2, data(150100, 150200))
os.write(1, b"written\\n")
sys.stdin.readline()
""", PIPESHIM_ACTION="drain", PIPESHIM_ACTION_ON="blocked", PIPESHIM_ACTION_AFTER="300ms")
        self.expect_written(run)
        self.read_lines(run, 0, 150200)


if __name__ == "__main__":
    unittest.main()
