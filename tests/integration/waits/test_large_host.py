#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A deadlock on a host on which others have more connections than the first memory of a scan can hold:
its members alone would be found, but that nobody else holds the pipe can only be said of all."""
import resource
import subprocess
import sys
import os
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from waits_case import SIDES, WaitsCase  # noqa: E402

PROCESSES, EACH = 5, 3000
# Each of the descriptors is one of a connection.
MANY = """
import os, socket, sys
end = socket.socketpair()[0]
for _ in range(%d):
    os.dup(end.fileno())
print("ready", flush=True)
sys.stdin.read()
""" % EACH
PARENT = """
child = subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE,
                         env=environment())
child.wait()
"""
READS = """
child = subprocess.Popen([sys.executable, "-c", "import time; print('x' * 200000); time.sleep(3)"],
                         stdout=subprocess.PIPE, env=environment())
child.communicate()
"""


def allow():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@unittest.skipIf(0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < EACH + 100,
                 "left out: the limit of open files is too low")
class LargeHost(WaitsCase):
    def setUp(self):
        super().setUp()
        for _ in range(PROCESSES):
            process = subprocess.Popen([sys.executable, "-c", MANY], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, preexec_fn=allow)
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.stdin.close)
            self.assertEqual(process.stdout.readline(), b"ready\n")

    def test_a_deadlock_is_named(self):
        for side in SIDES:
            with self.subTest(side):
                run = self.begin(side, PARENT)
                self.assert_told_by_each(run, side)

    def test_one_that_reads(self):
        run = self.begin("both", READS)
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual(run.events("deadlock") + run.events("finding"), [])


if __name__ == "__main__":
    sys.exit(unittest.main())
