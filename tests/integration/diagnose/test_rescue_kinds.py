#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""pipeshim rescue of every kind of program, by users who may not do all, and into files that do not
take all."""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import (BUILD, DEADLINE, DEADLOCK, PIPESHIM, PYTHON, DiagnoseTest,  # noqa: E402
                              main)
from test_yama import refuse  # noqa: E402

# Waits for a child that writes, then reads it and prints how many bytes there were.
WAITS_FIRST = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
child.wait()
print(len(child.stdout.read()), flush=True)
"""
WRITES = "import os, sys\nleft = int(sys.argv[1])\nwhile left: left -= os.write(1, bytes(min(left, 65536)))"
# Takes all pages that the pipes of its user may have, but for 64 to 127; says so, and waits.
TAKES_PAGES = """
import fcntl, os, sys
held = []
def take(size, most):
    for _ in range(most):
        pair = os.pipe()
        try:
            fcntl.fcntl(pair[1], fcntl.F_SETPIPE_SZ, size)
        except PermissionError:
            os.close(pair[0]), os.close(pair[1])
            return
        held.append(pair)
take(1 << 20, 10000)
take(1 << 18, 10000)
os.close(held[0][0]), os.close(held[0][1])
take(1 << 18, 3)
print("full", flush=True)
sys.stdin.read()
"""
GO = """
package main
import "os"
func main() {
	line := make([]byte, 1000)
	for i := 0; i < 200; i++ { os.Stdout.Write(line) }
}
"""
STRANGER = 40000 + os.getpid() % 20000  # whose pipes nobody else counts


def runs(*command):
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


class RescueKinds(DiagnoseTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def hung(self, *command, **options):
        parent = self.python(WAITS_FIRST, *command, stdout=subprocess.PIPE, **options)
        self.until_status(DEADLOCK, parent.pid)
        return parent

    def rescue(self, *arguments, before=(), **options):
        done = subprocess.run([*before, PIPESHIM, "rescue", *map(str, arguments)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=DEADLINE, **options)
        return done.returncode, done.stdout, done.stderr

    def assert_goes_on(self, parent, pid, size):
        status, out, err = self.rescue(pid)
        self.assertEqual(status, 0, out + err)
        self.assertRegex(out, r"grew pipe:\[\d+\] from 65536 to 1048576 bytes; nothing was taken")
        self.assertRegex(out, r"\[\d+\] goes on")
        self.assertEqual(parent.communicate(timeout=DEADLINE)[0], b"%d\n" % size)

    def test_a_static_program(self):
        parent = self.hung(os.path.join(BUILD, "victims/static_writer"), "1", "3000", "0")
        self.assert_goes_on(parent, parent.pid, 3000 * 64)

    @unittest.skipUnless(runs("go", "version"), "no go")
    def test_a_program_in_go(self):
        """Its write is made by one of its threads, which are many."""
        source = os.path.join(self.folder, "writer.go")
        with open(source, "w", encoding="utf-8") as file:
            file.write(GO)
        subprocess.run(["go", "build", "-o", self.folder + "/writer", source], check=True,
                       env={**os.environ, "GOCACHE": self.folder + "/cache", "GOFLAGS": "-p=1"})
        parent = self.hung(self.folder + "/writer")
        self.assert_goes_on(parent, self.child_of(parent.pid), 200000)

    @unittest.skipUnless(runs("unshare", "-pfn", "--mount-proc", "true"), "no PID namespaces")
    def test_a_container_from_the_host(self):
        """By the numbers of outside; what is inside has another /proc, network and host name."""
        outer = self.spawn(["unshare", "-pfnu", "--mount-proc", PYTHON, "-c", WAITS_FIRST, PYTHON,
                            "-c", WRITES, "200000"], stdout=subprocess.PIPE)
        self.until(lambda: self.diagnose("--tree", outer.pid)[0] == DEADLOCK, "a deadlock inside")
        self.assert_goes_on(outer, self.child_of(outer.pid), 200000)

    @unittest.skipUnless(os.geteuid() == 0 and runs("setpriv", "--version"), "needs root, setpriv")
    def test_the_limits_of_a_user(self):
        """Who may not exceed what a user's pipes have together grows as far as that allows, and is
        told by which limit."""
        options = {"user": STRANGER, "group": STRANGER, "extra_groups": []}
        parent = self.hung(PYTHON, "-c", WRITES, 900000, **options)
        taker = self.python(TAKES_PAGES, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)
        self.assertEqual(taker.stdout.readline(), b"full\n")
        without = ("setpriv", "--bounding-set=-sys_resource,-sys_admin")
        status, out, err = self.rescue(parent.pid, before=without)
        self.assertEqual(status, 1, out + err)
        self.assertRegex(out, r"from 65536 to (262144|524288) bytes; nothing was taken")
        self.assertRegex(out, r"more is not allowed to user 0: fs\.pipe-user-pages-soft is \d+")
        self.assertIn("is still stuck", out)
        self.until_status(DEADLOCK, parent.pid)
        taker.stdin.close()
        taker.wait(DEADLINE)
        status, out, err = self.rescue(parent.pid, before=without)
        self.assertEqual(status, 0, out + err)
        self.assertNotIn("not allowed", out)
        self.assertEqual(parent.communicate(timeout=DEADLINE)[0], b"900000\n")

    @unittest.skipUnless(os.geteuid() == 0 and runs("setpriv", "--version"), "needs root, setpriv")
    def test_the_limit_of_the_system(self):
        with open("/proc/sys/fs/pipe-max-size", encoding="ascii") as file:
            most = int(file.read())
        parent = self.hung(PYTHON, "-c", WRITES, 200000)
        status, out, err = self.rescue("--grow", 4 * most, parent.pid,
                                       before=("setpriv", "--bounding-set=-sys_resource"))
        self.assertEqual(status, 0, out + err)
        self.assertRegex(out, r"from 65536 to %d bytes" % most)
        self.assertIn("more is not allowed to user 0: fs.pipe-max-size is %d" % most, out)
        self.assertEqual(parent.communicate(timeout=DEADLINE)[0], b"200000\n")

    def test_a_socket_that_cannot_be_large_enough(self):
        """Nothing is offered that a socket has not."""
        ours, theirs = socket.socketpair()
        self.spawn(["sleep", "1000"], stdin=ours.fileno())
        child = self.python("import os\nwhile True: os.write(1, bytes(65536))", stdout=theirs.fileno())
        ours.close()
        theirs.close()
        self.until_status(1, child.pid)
        before = self.rescue("--grow", "4K", child.pid)[1]
        self.assertIn("is as large as it can be made", before)  # and not smaller
        self.until_status(1, child.pid)
        out = self.rescue(child.pid)[1]
        self.assertIn("nothing was taken", out)
        self.until_status(1, child.pid)
        status, out, err = self.rescue(child.pid)
        self.assertEqual(status, 1, out + err)
        self.assertIn("Nothing can be taken from a socket", out)
        self.assertNotIn("--spool", out)
        status, out, err = self.rescue("--spool", self.folder + "/spool", child.pid)
        self.assertEqual(status, 1, out + err)
        self.assertFalse(os.path.exists(self.folder + "/spool"))

    @unittest.skipUnless(os.geteuid() == 0, "needs root to mount")
    def test_a_disk_that_is_full(self):
        """What the file did not take is not lost."""
        if not runs("mount", "-t", "tmpfs", "-o", "size=256k", "none", self.folder):
            self.skipTest("no mount")
        self.addCleanup(subprocess.run, ["umount", self.folder], check=True)
        parent = self.hung(PYTHON, "-c", WRITES, 5000000)
        status, out, err = self.rescue("--spool", self.folder + "/spool", parent.pid)
        self.assertEqual(status, 3, out + err)
        self.assertIn("No space left on device; what it did not take is in the pipe still", err)
        kept = int(re.search(r"took (\d+) bytes", out).group(1))
        self.assertGreater(kept, 0)
        self.assertEqual(os.path.getsize(self.folder + "/spool"), kept)
        os.unlink(self.folder + "/spool")
        status, out, err = self.rescue("--discard", parent.pid)
        self.assertEqual(status, 0, out + err)
        gone = int(re.search(r"took (\d+) bytes", out).group(1))
        self.assertEqual(int(parent.communicate(timeout=DEADLINE)[0]), 5000000 - kept - gone)

    def test_who_ends_it_hears_what_was_taken(self):
        reader, writer = os.pipe()
        self.spawn(["sleep", "1000"], stdin=reader)
        yes = self.spawn(["yes"], stdout=writer)
        os.close(reader)
        os.close(writer)
        for number in (signal.SIGINT, signal.SIGTERM):
            self.until_status(1, yes.pid)
            spool = os.path.join(self.folder, str(int(number)))
            rescue = self.spawn([PIPESHIM, "rescue", "--spool", spool, str(yes.pid)],
                                stdout=subprocess.PIPE)
            self.until(lambda spool=spool: os.path.exists(spool) and os.path.getsize(spool),
                       "something taken")
            rescue.send_signal(number)
            out = rescue.communicate(timeout=DEADLINE)[0].decode()
            self.assertIn("took %d bytes" % os.path.getsize(spool), out)
            self.assertIn("a signal ended this", out)
            self.assertIsNone(yes.poll())

    def test_force(self):
        """Of a reader that is only slow nothing is proven (test_rescue), and yet it is done."""
        reader, writer = os.pipe()
        self.spawn(["sh", "-c", "while head -c 4096 >/dev/null; do sleep 0.01; done"], stdin=reader)
        yes = self.spawn(["yes"], stdout=writer)
        os.close(reader)
        os.close(writer)
        self.until(lambda: "pipe_w" in self.wchan(yes.pid), "a full pipe")
        out = self.rescue("--force", "--fd", 1, "--grow", "128K", yes.pid)[1]
        self.assertRegex(out, "from 65536 to 131072 bytes; nothing was taken")

    @unittest.skipUnless(os.geteuid() == 0, "a filter needs root here")
    def test_where_descriptors_may_not_be_borrowed(self):
        """Before Linux 5.6, or by Yama for one's own processes: a pipe is opened instead."""
        parent = self.hung(PYTHON, "-c", WRITES, 200000)
        child = self.child_of(parent.pid)
        status, out, err = self.rescue("--force", "--fd", 1, child, preexec_fn=refuse)
        self.assertEqual(status, 0, out + err)
        self.assertIn("nothing was taken", out)
        self.assertEqual(parent.communicate(timeout=DEADLINE)[0], b"200000\n")


if __name__ == "__main__":
    main()
