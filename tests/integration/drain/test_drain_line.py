# SPDX-License-Identifier: MIT
"""A process that lets another one's helper have its turn: what it writes then comes after what it
wrote before, although the pipe has room for a direct write just then."""
import os
import select
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, helpers_of, read_soon, read_text, wait_until  # noqa: E402

# The child's helper waits in the line, so that the parent's next write begins a new queue, while most
# of the first one is still to be sent.
WRITES_ON = """
import os, sys
os.write(2, b"a" * 1000000)
if os.fork() == 0:
    os.write(2, b"c" * 5000)
    os._exit(0)
os.read(0, 1)
os.write(2, b"later")
os.write(1, b"written")
os.read(0, 1)
"""

# The same with no queue left: the other 1,023 are some pipe's. What the child wrote is waited for, then
# what comes next has none to go to.
NO_QUEUE_LEFT = """
import fcntl, os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
pipes = [os.pipe() for _ in range(1023)]
for _, end in pipes:
    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 4096)
    os.write(end, b"x" * 5000)
os.write(2, b"a" * 300000)
child = os.fork()
if child == 0:
    os.write(2, b"c" * 5000)
    os._exit(0)
os.waitpid(child, 0)
os.write(1, b"written")
os.write(2, b"later")
os.write(1, b"later")
sys.stdin.read()
os.kill(os.getpid(), 9)
"""


def signal_all(pids, number):
    for pid in pids:
        os.kill(int(pid), number)


class Line(DrainCase):
    def test_what_comes_later_does_not_overtake(self):
        run = self.python(WRITES_ON, DRAIN_EXIT="wait")
        told, said = run.process.stdin.fileno(), run.process.stdout.fileno()
        helpers = wait_until(lambda: len(found := helpers_of(run.inode)) == 2 and found, "helpers")
        data = b""
        while len(data) < 300000:  # something is sent: the parent may give up its turn
            data += os.read(run.reader, 65536)
        signal_all(helpers, signal.SIGSTOP)
        os.set_blocking(run.reader, False)
        try:
            while True:
                data += os.read(run.reader, 65536)
        except BlockingIOError:
            pass
        os.set_blocking(run.reader, True)
        os.write(told, b"x")
        self.assertEqual(read_soon(said), b"written")
        signal_all(helpers, signal.SIGCONT)
        os.write(told, b"x")
        while part := os.read(run.reader, 65536):
            data += part
        self.assertEqual(run.wait(), 0)
        self.assertEqual(data.count(b"c"), 5000)
        own = data.replace(b"c", b"")
        self.assertTrue(own == b"a" * 1000000 + b"later",
                        "the later write is at %d of %d" % (own.find(b"later"), len(own)))

    @unittest.skipIf(os.geteuid() != 0, "so many pipes, and processes, are root's")
    def test_nothing_overtakes_where_no_queue_is_left(self):
        run = self.python(NO_QUEUE_LEFT, DRAIN="all")
        said = run.process.stdout.fileno()
        self.assertEqual(read_soon(said), b"written")
        # It waits for what is queued: in the library, not in write(2).
        wait_until(lambda: "nanosleep" in read_text("/proc/%d/wchan" % run.process.pid) or
                   select.select([said], [], [], 0)[0], "the write that has no queue")
        data = b""
        while len(data) < 305005:
            data += read_soon(run.reader)
        self.assertEqual(read_soon(said), b"later")
        order = data.replace(b"c" * 5000, b"")
        self.assertTrue(order == b"a" * 300000 + b"later", "the later write is at %d of %d" %
                        (order.find(b"later"), len(order)))


if __name__ == "__main__":
    unittest.main()
