#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""pipeshim rescue: a process that hangs on a full pipe goes on, without a restart or a preload."""
import os
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import DEADLOCK, DEADLINE, PIPESHIM, DiagnoseTest, main  # noqa: E402

# Waits for a child that writes SIZE bytes, then reads them and prints how many there were.
WAITS_FIRST = """
import subprocess, sys
code = "import os, sys\\nleft = int(sys.argv[1])\\nwhile left: left -= os.write(1, bytes(min(left, 65536)))"
child = subprocess.Popen([sys.executable, "-c", code, sys.argv[1]], stdout=subprocess.PIPE)
child.wait()
print(len(child.stdout.read()), flush=True)
"""
NOBODY = 65534


class Rescue(DiagnoseTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def hung(self, size):
        parent = self.python(WAITS_FIRST, size, stdout=subprocess.PIPE)
        self.until_status(DEADLOCK, parent.pid)
        return parent

    def rescue(self, *arguments, **options):
        done = subprocess.run([PIPESHIM, "rescue", *map(str, arguments)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=DEADLINE, **options)
        return done.returncode, done.stdout, done.stderr

    def test_a_larger_pipe_takes_nothing(self):
        parent = self.hung(200000)
        status, out, err = self.rescue(parent.pid)
        self.assertEqual(status, 0, out + err)
        self.assertRegex(out, r"grew pipe:\[\d+\] from 65536 to \d+ bytes; nothing was taken")
        self.assertEqual(parent.communicate(timeout=DEADLINE)[0], b"200000\n")
        self.assertEqual(parent.returncode, 0)

    def test_by_the_child_and_its_descriptor(self):
        parent = self.hung(200000)
        child = self.child_of(parent.pid)
        self.assertEqual(self.rescue("--fd", 2, child)[0], 1, "its stderr is not what it is stuck on")
        self.assertEqual(self.rescue("--fd", 1, "--grow", "512K", child)[0], 0)
        self.assertEqual(parent.communicate(timeout=DEADLINE)[0], b"200000\n")

    def test_more_than_any_pipe_holds(self):
        """Nothing is taken unless that is asked for; what is taken is all in the file."""
        parent = self.hung(5000000)
        status, out, _ = self.rescue(parent.pid)
        self.assertEqual(status, 1, out)
        self.assertIn("--spool FILE", out)
        self.assertIsNone(parent.poll())
        spool = os.path.join(self.folder, "spool")
        status, out, err = self.rescue("--spool", spool, parent.pid)
        self.assertEqual(status, 0, out + err)
        left = int(parent.communicate(timeout=DEADLINE)[0])
        taken = os.path.getsize(spool)
        self.assertEqual(left + taken, 5000000)
        self.assertRegex(out, r"took %d bytes that python3\[\d+\] wrote and nobody read" % taken)
        self.assertEqual(os.stat(spool).st_mode & 0o777, 0o600)

    def test_a_file_that_is_there_already(self):
        parent = self.hung(5000000)
        spool = os.path.join(self.folder, "spool")
        with open(spool, "w") as file:
            file.write("mine")
        status, _, err = self.rescue("--spool", spool, parent.pid)
        self.assertEqual(status, 3)
        self.assertIn("nothing was taken", err)
        with open(spool) as file:
            self.assertEqual(file.read(), "mine")

    def test_for_a_while(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        yes = self.spawn(["yes"], stdout=writer)
        os.close(writer)
        self.until_status(1, yes.pid)
        last = []

        def is_stuck():  # while this process, the reader, waits for a CPU, nothing is proven
            last[:] = self.rescue("--discard", "--for", "700ms", yes.pid)
            return "not stuck" not in last[1]
        self.until(is_stuck, "proof")
        status, out, _ = last
        self.assertRegex(out, r"took \d+ bytes .* they are gone: the time of --for is over")
        self.assertIsNone(yes.poll())
        self.assertIn(status, (0, 1))

    def test_a_socketpair(self):
        """Node's stdio: it cannot be opened, but its buffer can be raised."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        code = ("import os, subprocess, sys\n"
                "child = subprocess.Popen([sys.executable, '-c', 'import os; os.write(1, bytes(400000))'],\n"
                "                         stdout=int(sys.argv[1]))\n"
                "child.wait()\nprint('ended', flush=True)\n")
        parent = self.python(code, theirs.fileno(), stdout=subprocess.PIPE, pass_fds=[theirs.fileno()])
        theirs.close()
        child = self.child_of(parent.pid)
        self.until(lambda: self.diagnose(child)[0] != 0, "a full socket")
        status, out, err = self.rescue(child)
        self.assertEqual(status, 0, out + err)
        self.assertIn("nothing was taken", out)
        self.assertEqual(parent.communicate(timeout=DEADLINE)[0], b"ended\n")

    def test_who_is_not_stuck_is_left_alone(self):
        """A writer whose reader is slow, and one that waits for nothing."""
        idle = self.python("import time; time.sleep(1000)")
        status, out, _ = self.rescue(idle.pid)
        self.assertEqual(status, 1)
        self.assertIn("nothing was done", out)
        reader, writer = os.pipe()
        slow = self.spawn(["sh", "-c", "while head -c 4096 >/dev/null; do sleep 0.01; done"],
                          stdin=reader)
        yes = self.spawn(["yes"], stdout=writer)
        os.close(reader)
        os.close(writer)
        self.until(lambda: "pipe_w" in self.wchan(yes.pid), "a full pipe")
        status, out, _ = self.rescue("--discard", "--for", "200ms", yes.pid)
        self.assertEqual(status, 1, out)
        self.assertIsNone(slow.poll())

    def test_force_needs_a_descriptor_of_a_pipe(self):
        idle = self.python("import time; time.sleep(1000)")
        self.assertEqual(self.rescue("--force", idle.pid)[0], 64)
        self.assertEqual(self.rescue("--force", "--fd", 0, idle.pid)[0], 1)  # /dev/null

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_another_users(self):
        parent = self.hung(200000)
        status, _, err = self.rescue(parent.pid, user=NOBODY, group=NOBODY, extra_groups=[])
        self.assertEqual(status, 3)
        self.assertIn("expected root", err)

    def test_wrong_use(self):
        for options in ([], ["x"], ["1", "2"], ["--grow", "much", "1"], ["--for", "0", "1"],
                        ["--spool", "a", "--discard", "1"], ["--nothing", "1"]):
            with self.subTest(options=options):
                status, _, err = self.rescue(*options)
                self.assertEqual(status, 64)
                self.assertEqual(err.count("\n"), 1)


if __name__ == "__main__":
    main()
