# SPDX-License-Identifier: MIT
"""Deadlocks over real pipes: each shape with the real program that makes it."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import DEADLOCK, PIPESHIM, PYTHON, STUCK, DiagnoseTest, main

WRITES_STDERR = "import sys; sys.stderr.write('x' * 300000); print('done')"
WRITES_STDOUT = "import os; os.write(1, b'x' * 300000)"

IGNORES_STDERR = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', {WRITES_STDERR!r}],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
child.stdout.read()
"""

WAITS_BEFORE_READING = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', {WRITES_STDOUT!r}], stdout=subprocess.PIPE)
child.wait()
"""

# What an SDK's close() does: end of file on stdin, 5 s, SIGTERM, 5 s, SIGKILL, while it holds the
# read end of a stdout that nobody reads. The child's SIGTERM handler returns: the write restarts.
CLOSES_WITH_TIMEOUTS = '''
import asyncio, sys
CHILD = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: None)
sys.stdin.buffer.read()
data = b'x' * 1000000
while data:
    data = data[os.write(1, data):]
"""
async def close():
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    child.stdin.close()
    for step in (None, child.terminate, child.kill):
        if step:
            step()
        try:
            await asyncio.wait_for(child.wait(), STEP)
            return
        except asyncio.TimeoutError:
            pass
asyncio.run(close())
'''

POLLS_FOR_THE_END = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', {WRITES_STDOUT!r}], stdout=subprocess.PIPE)
child.wait(timeout=60)
"""

BOTH_WRITE_FIRST = """
import subprocess, sys
CHILD = "import os; os.write(1, b'x' * 300000); os.read(0, 1)"
child = subprocess.Popen([sys.executable, '-c', CHILD], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, bufsize=0)
child.stdin.write(b'y' * 300000)
"""

# Three processes, each of which writes to the next: nobody reads before it has written.
RING = """
import os
pipes = [os.pipe() for _ in range(3)]
for member in range(3):
    if os.fork() == 0:
        reads, writes = pipes[member][0], pipes[(member + 1) % 3][1]
        for pair in pipes:
            for fd in pair:
                if fd not in (reads, writes):
                    os.close(fd)
        data = b'x' * 300000
        while data:
            data = data[os.write(writes, data):]
        os._exit(0)
for pair in pipes:
    for fd in pair:
        os.close(fd)
os.wait()
"""

WAITS_WITH_THE_CHILDS_STDIN_OPEN = """
import subprocess
child = subprocess.Popen(['cat'], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
child.wait()
"""

WAITS_HOLDING_A_LOCK = """
import fcntl, subprocess, sys, tempfile
file = tempfile.NamedTemporaryFile()
fcntl.flock(file, fcntl.LOCK_EX)
CHILD = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX)"
subprocess.Popen([sys.executable, '-c', CHILD, file.name]).wait()
"""

WRITES_TO_ITSELF = """
import os
reads, writes = os.pipe()
os.write(writes, b'x' * 300000)
"""

ASYNCIO_IGNORES_STDERR = f"""
import asyncio, sys
async def run():
    child = await asyncio.create_subprocess_exec(
        sys.executable, '-c', {WRITES_STDERR!r},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    await child.stdout.read()
asyncio.run(run())
"""

THREADS_JOINED = f"""
import subprocess, sys, threading
def wait():
    child = subprocess.Popen([sys.executable, '-c', {WRITES_STDOUT!r}], stdout=subprocess.PIPE)
    child.wait()
threads = [threading.Thread(target=threading.Event().wait, daemon=True) for _ in range(5)]
threads.append(threading.Thread(target=wait))
[t.start() for t in threads]
threads[-1].join()
"""

NODE_IGNORES_STDERR = """
const child = require('child_process').spawn(process.argv[1],
    ['-c', "import os; os.write(2, b'x' * 1000000)"], {stdio: ['ignore', 'ignore', 'pipe']});
child.on('exit', () => process.exit(0));
"""


class Deadlocks(DiagnoseTest):
    def test_stderr_ignored_by_a_parent_that_reads_stdout(self):
        parent = self.python(IGNORES_STDERR)
        report = self.until_status(DEADLOCK, parent.pid)
        finding = self.the_finding(report, "deadlock")
        self.assert_closed(finding)
        child = self.child_of(parent.pid)
        writer, reader = finding["chain"]
        self.assertEqual((writer["pid"], writer["for_pid"]), (child, parent.pid))
        self.assertEqual(writer["waits_in"], "write fd 2")
        self.assertTrue(writer["object"].startswith("pipe:["))
        self.assertEqual(writer["capacity"], 65536)
        self.assertTrue(writer["full"])
        self.assertEqual(reader["pid"], parent.pid)
        self.assertTrue(reader["waits_in"].startswith("read fd "))
        self.assertRegex(finding["words"], rf"python3 \({child}\) cannot finish its write to pipe "
                         rf"\d+ \(its stderr\): full, \d+ of 65536 bytes; only python3 "
                         rf"\({parent.pid}\) can read it, which waits in read for python3's stdout")
        self.assertIn("drain", finding["advice"])
        self.assertIn("stderr", finding["advice"])
        # the same verdict when asked from the child's side, and for the whole machine
        self.assertEqual(self.diagnose(child)[0], DEADLOCK)
        everything = self.until_status(DEADLOCK, "--all")
        self.assertIn(child, [f["chain"][0]["pid"] for f in everything["findings"]])

    def test_wait_before_reading(self):
        parent = self.python(WAITS_BEFORE_READING)
        finding = self.the_finding(self.until_status(DEADLOCK, parent.pid), "deadlock")
        self.assert_closed(finding)
        child = self.child_of(parent.pid)
        self.assertEqual([link["pid"] for link in finding["chain"]], [child, parent.pid])
        self.assertEqual(finding["chain"][1]["waits_in"], f"wait4 {child}")
        self.assertIn("close or drain the read end", finding["advice"])

    def test_close_of_an_sdk_that_waits_with_timeouts(self):
        parent = self.python(CLOSES_WITH_TIMEOUTS.replace("STEP", "5"))
        finding = self.the_finding(self.until_status(DEADLOCK, parent.pid), "deadlock")
        self.assert_closed(finding)
        child = self.child_of(parent.pid)
        self.assertEqual({link["pid"] for link in finding["chain"]}, {child, parent.pid})
        self.assertGreater(finding["timeout_ms"], 2000)
        self.assertLessEqual(finding["timeout_ms"], 5000)
        self.assertIn("until a timeout of", finding["words"])
        self.assertIn("close or drain the read end", finding["advice"])
        # SIGTERM restarts the write: the same picture in the second step
        os.kill(child, signal.SIGTERM)
        self.until_status(DEADLOCK, parent.pid)

    def test_polling_for_the_end_is_stuck(self):
        """Popen.wait(timeout) sleeps and asks: no call that waits for the child can be seen."""
        parent = self.python(POLLS_FOR_THE_END)
        finding = self.the_finding(self.until_status(STUCK, parent.pid), "reader_away")
        child = self.child_of(parent.pid)
        self.assertEqual(finding["chain"][0]["pid"], child)
        self.assertEqual(finding["chain"][0]["for_pid"], parent.pid)
        self.assertIn("close or drain the read end", finding["advice"])

    def test_both_write_before_they_read(self):
        parent = self.python(BOTH_WRITE_FIRST)
        finding = self.the_finding(self.until_status(DEADLOCK, parent.pid), "deadlock")
        self.assert_closed(finding)
        self.assertTrue(all(link["full"] for link in finding["chain"]))
        self.assertEqual(len({link["object"] for link in finding["chain"]}), 2)
        self.assertIn("each side writes more than a pipeful before it reads", finding["advice"])

    def test_ring_of_three(self):
        parent = self.python(RING)
        finding = self.the_finding(self.until_status(DEADLOCK, parent.pid), "deadlock")
        self.assert_closed(finding)
        self.assertEqual(len({link["pid"] for link in finding["chain"]}), 3)
        self.assertNotIn(parent.pid, [link["pid"] for link in finding["chain"]])

    def test_a_wait_for_a_child_that_reads_to_the_end(self):
        parent = self.python(WAITS_WITH_THE_CHILDS_STDIN_OPEN)
        finding = self.the_finding(self.until_status(DEADLOCK, parent.pid), "deadlock")
        self.assert_closed(finding)
        self.assertIn("close the write end", finding["advice"])

    def test_a_wait_with_a_lock_that_the_child_needs(self):
        parent = self.python(WAITS_HOLDING_A_LOCK)
        finding = self.the_finding(self.until_status(DEADLOCK, parent.pid), "deadlock")
        self.assert_closed(finding)
        self.assertIn("release the lock", finding["advice"])
        self.assertTrue(any(link["waits_in"].startswith("flock") for link in finding["chain"]))

    def test_a_process_that_writes_to_itself(self):
        victim = self.python(WRITES_TO_ITSELF)
        finding = self.the_finding(self.until_status(DEADLOCK, victim.pid), "deadlock")
        self.assert_closed(finding)
        self.assertEqual(len(finding["chain"]), 1)
        self.assertIn("only it itself can read it", finding["words"])

    def test_an_event_loop_that_listens_to_stdout_alone(self):
        """The loop of the parent is idle, and all that could wake it is the child that it stalls."""
        parent = self.python(ASYNCIO_IGNORES_STDERR)
        finding = self.the_finding(self.until_status(DEADLOCK, parent.pid), "deadlock")
        self.assert_closed(finding)
        self.assertEqual(finding["chain"][0]["waits_in"], "write fd 2")

    def test_idle_threads_do_not_hide_it(self):
        parent = self.python(THREADS_JOINED)
        finding = self.the_finding(self.until_status(DEADLOCK, parent.pid), "deadlock")
        self.assert_closed(finding)

    @unittest.skipUnless(shutil.which("node"), "no node on this machine")
    def test_node_and_its_socketpair(self):
        parent = self.spawn(["node", "-e", NODE_IGNORES_STDERR, PYTHON])
        child = self.child_of(parent.pid, "python3")
        report = self.until_status(DEADLOCK, child)
        finding = self.the_finding(report, "deadlock")
        self.assert_closed(finding)
        writer = finding["chain"][0]
        self.assertEqual((writer["pid"], writer["for_pid"]), (child, parent.pid))
        self.assertTrue(writer["object"].startswith("socket:["))
        self.assertNotIn("capacity", writer)  # a socketpair has none
        self.assertTrue(writer["full"])
        self.assertIn(f"nothing but the end of python3 ({child}) would wake it", finding["words"])

    def test_text_names_it_on_its_first_line(self):
        parent = self.python(WAITS_BEFORE_READING)
        self.until_status(DEADLOCK, parent.pid)
        status, out, err = self.text(parent.pid)
        child = self.child_of(parent.pid)
        self.assertEqual(status, DEADLOCK)
        self.assertRegex(out.splitlines()[0],
                         rf"^pipeshim: DEADLOCK python3\[{child}\] <-> python3\[{parent.pid}\]")
        self.assertLess(len(out.splitlines()), 25)
        self.assertIn("  fix: ", out)

    def test_how_long_it_lasts(self):
        """Never more than the truth; and not only since it was looked for."""
        begun = time.monotonic()
        parent = self.python(WAITS_BEFORE_READING)
        self.until_status(DEADLOCK, parent.pid)
        known = os.path.exists("/proc/self/sched")  # CONFIG_SCHED_DEBUG
        wanted_ms = 3000 if known else 100

        def lasts():
            report = self.diagnose(parent.pid)[1]
            said = self.the_finding(report, "deadlock")["blocked_ms"]
            self.assertLess(said, (time.monotonic() - begun) * 1000)
            self.assertGreater(said, 100)  # the distance of its looks
            return said >= wanted_ms
        self.until(lasts, f"{wanted_ms} ms")
        first = self.text(parent.pid)[1].splitlines()[0]
        said = re.search(r"  stuck for at least ([0-9.]+) s  seen twice without progress", first)
        self.assertGreaterEqual(float(said.group(1)) * 1000, wanted_ms - 100)

    def test_watch_ends_with_the_deadlock(self):
        code = "import sys; sys.stdin.readline()\n" + WAITS_BEFORE_READING
        parent = self.python(code, stdin=subprocess.PIPE)
        watch = subprocess.Popen([PIPESHIM, "diagnose", "--watch", str(parent.pid)],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.kill)
        # it watches (nothing is stuck yet) until there is something to tell
        self.until(lambda: self.wchan(watch.pid) == "hrtimer_nanosleep", "watch")
        self.assertIsNone(watch.poll())
        parent.stdin.write(b"go\n")
        parent.stdin.flush()
        out, _ = watch.communicate(timeout=30)
        self.assertEqual(watch.returncode, DEADLOCK)
        self.assertIn(b"DEADLOCK", out)


if __name__ == "__main__":
    main()
