# SPDX-License-Identifier: MIT
"""The drainer's bounds, and what it leaves alone: real memory, growth, non-blocking fds, EPIPE."""
import fcntl
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, helpers_of, read_text, wait_until  # noqa: E402

MIB = 1 << 20
# Writes as much as it is told, says so, and waits.
FILL = """
import os, sys
for line in sys.stdin:
    for number in range(int(line) // 1000):
        os.write(2, b"%09d\\n" % number * 100)
    print("written", flush=True)
"""
NON_BLOCKING = """
import os
os.set_blocking(2, False)
written = 0
try:
    while True:
        written += os.write(2, b"x" * 1000)
except BlockingIOError:
    print(written)
"""
READER_GONE = """
import os, signal, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL if sys.argv[1] == "signal" else signal.SIG_IGN)
os.write(2, b"x" * 300000)
print("queued", flush=True)
sys.stdin.readline()
try:
    os.write(2, b"y")
except BrokenPipeError:
    print("EPIPE", flush=True)
"""
SEVERAL = """
import os, sys
SIZE, LEFT = 7 << 20, 300 << 10
ends = [os.pipe() for _ in range(6)]
for reader, writer in ends:
    os.write(writer, b"x" * SIZE)
    got = 0
    while got < SIZE - LEFT:
        got += len(os.read(reader, min(65536, SIZE - LEFT - got)))
print("written", flush=True)
sys.stdin.readline()
for reader, writer in ends:
    got = 0
    while got < LEFT:
        got += len(os.read(reader, 65536))
"""
GROW = """
import fcntl, os
os.write(2, b"x" * 300000)
print(fcntl.fcntl(2, fcntl.F_GETPIPE_SZ))
"""


def shared_memory(pid):
    with open("/proc/%d/smaps_rollup" % pid) as file:
        lines = dict(line.split(":") for line in file.read().splitlines()[1:])
    return int(lines["Pss_Shmem"].split()[0]) * 1024


def queue_memory(pid):
    """What of the queues' mapping is in memory: the program has touched all of it."""
    used, inside = 0, False
    with open("/proc/%d/smaps" % pid) as file:
        for line in file:
            if not line.startswith(tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")):
                inside = "/memfd:pipeshim-drain" in line
            elif inside and line.startswith("Rss:"):
                used += int(line.split()[1]) * 1024
    return used


class Bounds(DrainCase):
    def tell(self, run, size):
        run.process.stdin.write(b"%d\n" % size)
        run.process.stdin.flush()

    def helper_and_program(self, run):
        return sum(shared_memory(pid) for pid in [run.process.pid, *helpers_of(run.inode)])

    def test_memory_stays_within_the_bound(self):
        for policy in ("drop-new", "drop-old"):
            run = self.python(FILL, DRAIN_MAX="8M", DRAIN_OVERFLOW=policy)
            self.tell(run, 30 * 1000 * 1000)
            self.assertEqual(run.process.stdout.readline(), b"written\n")
            used = self.helper_and_program(run)
            self.assertLessEqual(used, 8 * MIB * 1.1, policy)
            self.assertGreaterEqual(used, 8 * MIB * 0.9, policy)
            run.process.stdin.close()
            self.assertEqual(run.wait(), 0)
            data = run.read()
            writes = [int(data[at:at + 9]) for at in range(0, len(data), 1000)]
            self.assertEqual(data, b"".join(b"%09d\n" % i * 100 for i in writes))
            self.assertEqual(writes, sorted(set(writes)))

    def test_memory_of_several_pipes_together(self):
        """Each queue was nearly as large as the bound, and holds a little still."""
        for policy in ("block", "drop-old"):
            run = self.python(SEVERAL, DRAIN="all", DRAIN_MAX="8M", DRAIN_OVERFLOW=policy)
            self.assertEqual(run.process.stdout.readline(), b"written\n")
            self.assertLessEqual(queue_memory(run.process.pid), 8 * MIB * 1.1, policy)
            run.process.stdin.close()
            self.assertEqual(run.wait(), 0)

    def test_memory_comes_back(self):
        run = self.python(FILL, DRAIN_MAX="32M")
        self.tell(run, 25 * 1000 * 1000)
        self.assertEqual(run.process.stdout.readline(), b"written\n")
        self.assertGreater(self.helper_and_program(run), 22 * 1000 * 1000)
        expected = b"".join(b"%09d\n" % i * 100 for i in range(25000))
        data = b""
        while len(data) < len(expected):
            data += os.read(run.reader, 1 << 16)
        self.assertEqual(data, expected)
        wait_until(lambda: self.helper_and_program(run) < 3 * MIB, "memory given back")
        run.process.stdin.close()
        self.assertEqual(run.wait(), 0)
        self.assertEqual(run.read(), b"")

    def test_blocks_at_the_bound(self):
        for mode in ("full", "behind"):
            run = self.python(FILL, DRAIN_MAX="8M", DRAIN_MODE=mode)
            self.tell(run, 20 * 1000 * 1000)
            wchan = "/proc/%d/wchan" % run.process.pid
            wait_until(lambda: "futex" in read_text(wchan), "write that waits")
            used = queue_memory(run.process.pid)
            self.assertLessEqual(used, 8 * MIB * 1.1, mode)
            self.assertGreaterEqual(used, 8 * MIB * 0.9, mode)
            run.process.stdin.close()
            self.assertEqual(run.read(), b"".join(b"%09d\n" % i * 100 for i in range(20000)))
            self.assertEqual(run.wait(), 0)

    def test_non_blocking_fd_keeps_its_eagain(self):
        outcomes = []
        for library in (False, True):
            run = self.python(NON_BLOCKING, library=library)
            self.assertEqual(run.wait(), 0)
            outcomes.append((run.process.stdout.read(), run.read()))
        self.assertEqual(outcomes[0], outcomes[1])

    def test_reader_gone(self):
        for how, status, said in (("signal", -signal.SIGPIPE, b""), ("ignore", 0, b"EPIPE\n")):
            run = self.python(READER_GONE, how)
            self.assertEqual(run.process.stdout.readline(), b"queued\n")
            wait_until(lambda run=run: helpers_of(run.inode), "helper")
            run.close_reader()
            self.assert_helper_leaves(run)
            run.process.stdin.close()
            self.assertEqual(run.wait(), status)
            self.assertEqual(run.process.stdout.read(), said)

    def test_grow(self):
        run = self.python(GROW, GROW="512K")
        self.assertEqual(run.wait(), 0)
        self.assertEqual(run.process.stdout.read(), b"524288\n")
        self.assertEqual(run.read(), b"x" * 300000)

    def test_growth_that_is_refused_is_no_error(self):
        """Beyond /proc/sys/fs/pipe-max-size, by a user who may not."""
        with open("/proc/sys/fs/pipe-max-size") as file:
            beyond = 4 * int(file.read())
        program = "import os\nif os.geteuid() == 0: os.setresuid(65534, 65534, 65534)\n" + GROW
        run = self.python(program, GROW=str(beyond))
        self.assertEqual(run.wait(), 0)
        self.assertEqual(run.process.stdout.read(), b"65536\n")
        self.assertEqual(run.read(), b"x" * 300000)

    def test_description_stays_blocking(self):
        """Other processes share it."""
        reader, writer = os.pipe()
        mine = os.dup(writer)
        self.addCleanup(os.close, mine)
        run = self.python(FILL, pipe=(reader, writer))
        self.tell(run, 300000)
        self.assertEqual(run.process.stdout.readline(), b"written\n")
        self.assertFalse(fcntl.fcntl(mine, fcntl.F_GETFL) & os.O_NONBLOCK)


if __name__ == "__main__":
    unittest.main()
