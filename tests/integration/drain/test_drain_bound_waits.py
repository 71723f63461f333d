# SPDX-License-Identifier: MIT
"""Calls that wait for the drainer, at its bound or behind its queue: named like any stuck write, and
a pipe that is read does not wait for another that is not."""
import os
import select
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import DEADLINE_S, PipeshimCase  # noqa: E402

BEYOND_THE_BOUND = """
import os, sys
for i in range(3000):
    os.write(2, b"x" * 1000)
"""
BEHIND_THE_QUEUE = """
import os, sys, tempfile
os.write(2, b"x" * 300000)
with tempfile.TemporaryFile() as file:
    file.write(b"y" * 1000)
    file.flush()
    os.sendfile(2, file.fileno(), 0, 1000)
"""
OTHER_PIPE = """
import os, sys, threading
def fill():
    for i in range(3000):
        os.write(2, b"x" * 1000)
threading.Thread(target=fill, daemon=True).start()
sys.stdin.readline()
for i in range(300):
    os.write(1, b"%09d\\n" % i * 300)
os.kill(os.getpid(), 9)
"""


class BoundWaits(PipeshimCase):
    def drained(self, program, **settings):
        settings = {"PIPESHIM_" + key: value for key, value in settings.items()}
        return self.start("/usr/bin/python3", "-S", "-E", "-c", program, settings={
            "PIPESHIM_DRAIN": "stdio", "PIPESHIM_DRAIN_EXIT": "0", "PIPESHIM_DRAIN_MAX": "1M",
            **settings})

    def is_told(self, program, call, content, mode):
        run = self.drained(program, DRAIN_MODE=mode)
        blocked, = run.wait_for("blocked")
        self.assertEqual((blocked["fd"], blocked["class"]), (2, "pipe_write"))
        self.assertIn(blocked["call"], (call, call + "64"))
        self.assertEqual(blocked["pipe"]["inode"], os.fstat(run.readers[1]).st_ino)
        self.assertEqual(run.drain(), (b"", content, 0))
        self.assertEqual(len(run.events("blocked")), 1)

    def test_write_at_the_bound_is_told(self):
        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                self.is_told(BEYOND_THE_BOUND, "write", b"x" * 3000000, mode)

    def test_sendfile_behind_the_queue_is_told(self):
        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                self.is_told(BEHIND_THE_QUEUE, "sendfile", b"x" * 300000 + b"y" * 1000, mode)

    def test_pipe_that_is_read_beside_one_that_is_not(self):
        """stderr's queue is at the bound, and its writer waits, as it would without the library;
        stdout's would not, and does not."""
        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                run = self.drained(OTHER_PIPE, DRAIN_MODE=mode)
                run.wait_for("drain_start")
                run.process.stdin.write(b"go on\n")
                run.process.stdin.flush()
                expected = b"".join(b"%09d\n" % i * 300 for i in range(300))
                data = b""
                while len(data) < len(expected):
                    if not select.select([run.readers[0]], [], [], DEADLINE_S / 4)[0]:
                        self.fail("stdout stands still at %d bytes" % len(data))
                    data += os.read(run.readers[0], 65536)
                self.assertTrue(data == expected)
                self.doCleanups()


if __name__ == "__main__":
    unittest.main()
