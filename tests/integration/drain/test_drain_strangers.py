# SPDX-License-Identifier: MIT
"""Whoever is not of our rights can neither stop a drained program nor hold up what it queued, with
whatever it may do to the pipe, names or locks; and order holds where a network namespace lies
between."""
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, helpers_of, read_soon, wait_until  # noqa: E402

NOBODY = 65534
WRITER = """
import os, tempfile
for _ in range(200):
    os.write(2, b"x" * 1000)
with tempfile.TemporaryFile() as file:
    file.write(b"y" * 1000)
    file.flush()
    os.sendfile(2, file.fileno(), 0, 1000)
"""
EXPECTED = b"x" * 200000 + b"y" * 1000
OTHER_NETWORK = """
import os, subprocess, sys
PUT = "import os; os.write(2, b'b' * 1000)"
os.write(2, b"a" * 200000)
subprocess.run(["unshare", "-n", sys.executable, "-S", "-c", PUT], check=True)
os.write(2, b"c" * 100)
"""
MAY_UNSHARE = subprocess.run(["unshare", "-n", "true"],
                             stderr=subprocess.DEVNULL).returncode == 0


def lock(fd, kind, start=0, length=0):
    fcntl.fcntl(fd, fcntl.F_SETLK, struct.pack("hhlli4x", kind, 0, start, length, 0))


def lock_all(reader, writer):
    lock(writer, fcntl.F_WRLCK)


def lock_first_byte(reader, writer):
    lock(writer, fcntl.F_WRLCK, 0, 1)


def lock_as_reader(reader, writer):
    lock(reader, fcntl.F_RDLCK)


def lock_single_bytes(reader, writer):
    for byte in range(0, 600, 2):
        lock(writer, fcntl.F_WRLCK, byte, 1)


def take_names(reader, writer):
    """What a helper's place in the line was once named after."""
    status = os.fstat(writer)
    taken = []
    for what in "s01234567":
        taken.append(socket.socket(socket.AF_UNIX))
        taken[-1].bind("\0pipeshim-drain-%016x-%016x-%s" % (status.st_dev, status.st_ino, what))
        taken[-1].listen(0)
    return taken


class Strangers(DrainCase):
    def stranger(self, does, reader, writer, give_up):
        """A process that `give_up`s its rights and then `does` something with the pipe, and stays."""
        says, said = os.pipe()
        kept = []
        child = os.fork()
        if child == 0:
            try:
                give_up()
                kept.append(does(reader, writer))
                os.write(said, b"done")
                signal.pause()
            finally:
                os._exit(1)
        os.close(said)
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.kill, child, 9)
        self.assertEqual(read_soon(says), b"done")
        os.close(says)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to be another user")
    def test_what_a_worker_without_rights_holds_is_not_waited_for(self):
        def nobody():
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)

        def nobody_that_could_come_back():
            os.setresuid(NOBODY, NOBODY, 0)

        for mode in ("full", "behind"):
            for does in (lock_all, lock_as_reader, lock_single_bytes, take_names):
                for give_up in (nobody, nobody_that_could_come_back):
                    with self.subTest(mode=mode, does=does.__name__, who=give_up.__name__):
                        self.goes_on(mode, does, give_up)
                        self.doCleanups()

    def goes_on(self, mode, does, give_up):
        reader, writer = os.pipe()
        self.stranger(does, reader, writer, give_up)
        run = self.python(WRITER, pipe=(reader, writer), DRAIN_MODE=mode)
        data = b""
        while len(data) < len(EXPECTED):
            data += read_soon(reader)
        self.assertTrue(data == EXPECTED)
        self.assertEqual(run.wait(), 0)

    def test_one_of_our_rights_is_waited_for(self):
        """The twin: what it holds looks like a helper's place."""
        reader, writer = os.pipe()
        self.stranger(lock_first_byte, reader, writer, lambda: None)
        run = self.python("import os\nos.write(2, b'x' * 300000)\nprint('queued', flush=True)",
                          pipe=(reader, writer), DRAIN_MODE="behind")
        self.assertEqual(read_soon(run.process.stdout.fileno()), b"queued\n")
        self.assertEqual(run.wait(), 0)
        wait_until(lambda: helpers_of(run.inode), "helper")
        os.set_blocking(reader, False)
        with self.assertRaises(BlockingIOError):
            os.read(reader, 1)
        os.set_blocking(reader, True)
        self.doCleanups()

    @unittest.skipUnless(MAY_UNSHARE, "no new network namespace is allowed")
    def test_order_across_network_namespaces(self):
        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                run = self.python(OTHER_NETWORK, DRAIN_MODE=mode)
                self.assertEqual(run.wait(), 0)
                self.assertTrue(run.read() == b"a" * 200000 + b"b" * 1000 + b"c" * 100)


if __name__ == "__main__":
    unittest.main()
