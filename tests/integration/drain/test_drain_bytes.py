# SPDX-License-Identifier: MIT
"""Every byte that the drainer took arrives, in order, exactly once; and its queue keeps its bound."""
import errno
import mmap
import os
import random
import struct
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import (  # noqa: E402
    DEADLINE_S, PipeshimCase, read_text, victim, wait_until)

KILLS = int(os.environ.get("PIPESHIM_TEST_KILLS", "40"))

ENGINE = """
import sys
for request in range(2000):
    sys.stderr.write("x" * %d + "\\n")
    sys.stdout.write("%%d\\n" %% request)
    sys.stdout.flush()
"""
STRESS = """
import sys
for i in range(2000):
    print("e" * 99, file=sys.stderr)
print("done")
"""
MANY_PIPES = """
import os, sys
for i in range(200):
    for fd in map(int, sys.argv[1:]):
        os.write(fd, b"%03d %04d\\n" % (fd, i) * 100)
"""
FILL = """
import os, sys
for i in range(20000):
    os.write(2, b"%09d\\n" % i * 100)
sys.stdin.read()
"""


def of_thread(number, amount):
    pattern = bytes(number * 16 + place for place in range(16))
    return (pattern * (amount // 16 + 1))[:amount]


def read_all(fd):
    chunks = []
    while chunk := os.read(fd, 1 << 20):
        chunks.append(chunk)
    return b"".join(chunks)


def queue_memory(pid):
    """Bytes of shared memory that the process's queue really has: the pages of its mapping."""
    with open("/proc/%d/smaps" % pid) as file:
        shown = False
        for line in file:
            if "-" in line.split()[0]:
                shown = "/memfd:pipeshim-drain" in line
            elif shown and line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    return 0


class DrainBytes(PipeshimCase):
    def drained(self, *command, **settings):
        settings = {"PIPESHIM_" + key: value for key, value in settings.items()}
        return self.start(*command, settings={"PIPESHIM_DRAIN": "stderr",
                                              "PIPESHIM_DRAIN_EXIT": "0", **settings})

    def check_threads(self, read, threads, amount):
        self.assertEqual(len(read), threads * amount)
        for number in range(threads):
            others = bytes(set(range(256)) - set(range(number * 16, number * 16 + 16)))
            self.assertTrue(read.translate(None, others) == of_thread(number, amount),
                            "the bytes of thread %d" % number)

    def test_threads_and_sizes_with_a_reader_that_comes_late(self):
        for mode in ("full", "behind"):
            for threads in (1, 2, 16):
                for size, count in ((1, 80000), (63, 2000), (4096, 60), (5000, 60), (70000, 8),
                                    (1 << 20, 2)):
                    count = max(count // threads, 1)
                    run = self.drained(victim("drain_writer"), "threads", str(threads), str(size),
                                       str(count), DRAIN_MODE=mode)
                    self.assertEqual(run.process.wait(DEADLINE_S), 0)
                    with self.subTest(mode=mode, threads=threads, size=size):
                        self.check_threads(read_all(run.readers[1]), threads, size * count)

    def test_reader_that_trickles(self):
        for size, count in ((100, 5000), (100000, 5)):
            run = self.drained(victim("drain_writer"), "threads", "4", str(size), str(count))
            chunks = []
            for _ in range(300):
                chunks.append(os.read(run.readers[1], 777))
                time.sleep(0.0005)  # the reader is slow; nothing is waited for
            chunks.append(read_all(run.readers[1]))
            self.assertEqual(run.process.wait(DEADLINE_S), 0)
            self.check_threads(b"".join(chunks), 4, size * count)

    def test_reader_that_closes(self):
        run = self.drained(victim("drain_writer"), "pipe")
        run.wait_for("drain_start")
        os.close(run.readers[1])
        run.readers[1] = os.open("/dev/null", os.O_RDONLY)
        self.assertEqual(run.process.wait(DEADLINE_S), 32 + errno.EPIPE)
        self.assertGreater(run.events("summary")[0]["drain"]["lost_bytes"], 0)

    def test_writes_stay_whole_beside_another_writer(self):
        """Batches keep to PIPE_BUF: a second process writes lines into the same pipe."""
        run = self.drained("/bin/sh", "-c", "'%s' -S -c '%s' & PIPESHIM_DRAIN=off LD_PRELOAD= "
                           "'%s' -S -c '%s'; wait" % (
                               sys.executable, "import os\nfor i in range(20000): "
                               "os.write(2, b\"%06d \" % i + b\"l\" * (i % 80) + b\"\\n\")",
                               sys.executable, "import os\nfor i in range(30000): "
                               "os.write(2, b\"other %05d\\n\" % i)"), DRAIN_MODE="behind")
        run.wait_for("drain_handoff")
        chunks = []
        while chunk := os.read(run.readers[1], 1000):  # the pipe is full all the time
            chunks.append(chunk)
        lines = b"".join(chunks).split(b"\n")
        own = [line for line in lines if line[:5] != b"other"]
        self.assertEqual(own, [b"%06d " % i + b"l" * (i % 80) for i in range(20000)] + [b""])
        self.assertEqual([line for line in lines if line[:5] == b"other"],
                         [b"other %05d" % i for i in range(30000)])

    def test_kills(self):
        random.seed(5)
        counter = tempfile.NamedTemporaryFile()
        counter.truncate(8)
        shared = mmap.mmap(counter.fileno(), 8)
        queued = 0
        for round_ in range(KILLS):
            shared[:] = bytes(8)
            run = self.drained(victim("drain_writer"), "count", counter.name,
                               DRAIN_MODE=("full", "behind")[round_ % 2], FORMAT="text")
            wait_until(lambda: struct.unpack("Q", shared)[0] > 10, "first write")
            time.sleep(random.random() * 0.02)  # the moment of the kill
            run.process.kill()
            run.process.wait()
            acknowledged = struct.unpack("Q", shared)[0]
            read = read_all(run.readers[1])
            lines = len(read) // 10
            # The write that the kill interrupted may be there as well.
            self.assertIn(lines - acknowledged, (0, 1))
            self.assertTrue(read == b"".join(b"%09d\n" % i for i in range(lines)))
            queued += lines > 6553
            self.doCleanups()
        self.assertGreater(queued, KILLS // 10, "hardly a kill found something in the queue")

    def test_memory_keeps_the_bound_and_comes_back(self):
        bound = 8 << 20
        for policy in ("block", "drop-new", "drop-old"):
            run = self.drained("/usr/bin/python3", "-S", "-c", FILL, DRAIN_MAX="8M",
                               DRAIN_OVERFLOW=policy)
            pid = run.process.pid
            if policy == "block":
                wait_until(lambda: queue_memory(pid) > bound * 0.95, "full queue")
            else:
                run.wait_for("drain_drop")
                wait_until(lambda: "pipe_read" in read_text("/proc/%d/wchan" % pid), "all written")
            self.assertGreater(queue_memory(pid), bound * 0.9)
            self.assertLess(queue_memory(pid), bound * 1.1, policy)
            early = b""
            if policy == "block":  # the queue moves on through its memory and stays full
                while len(early) < 6 << 20:
                    early += os.read(run.readers[1], 65536)
                wait_until(lambda: queue_memory(pid) > bound * 0.95, "full queue")
                self.assertLess(queue_memory(pid), bound * 1.1)
            run.begin_drain()
            run.wait_for("drain_end")
            wait_until(lambda: queue_memory(pid) < 300000, "memory given back")
            out, err, status = run.finish()
            if policy == "block":
                self.assertTrue(early + err == b"".join(b"%09d\n" % i * 100
                                                        for i in range(20000)))
            peak = run.events("summary")[0]["drain"]["peak_bytes"]
            self.assertLessEqual(peak, bound)

    def test_many_pipes(self):
        pipes = [os.pipe() for _ in range(14)]
        settings = {"PIPESHIM_DRAIN": "all", "PIPESHIM_DRAIN_EXIT": "0"}
        run = self.start(sys.executable, "-S", "-c", MANY_PIPES, *(str(e) for _, e in pipes),
                         settings=settings, pass_fds=[end for _, end in pipes])
        self.assertEqual(run.process.wait(DEADLINE_S), 0)
        for reader, end in pipes:
            os.close(end)
            self.assertTrue(read_all(reader) == b"".join(b"%03d %04d\n" % (end, i) * 100
                                                         for i in range(200)))
            os.close(reader)

    def test_engines_of_2000_requests(self):
        for amount in (600, 1200, 4000, 16000, 3000):
            run = self.drained("/usr/bin/python3", "-S", "-c", ENGINE % amount)
            out = read_all(run.readers[0])  # stderr is read only at the end
            self.assertEqual(run.process.wait(DEADLINE_S), 0)
            self.assertEqual(out, b"".join(b"%d\n" % i for i in range(2000)))
            self.assertTrue(read_all(run.readers[1]) == (b"x" * amount + b"\n") * 2000)

    def test_200_kb_of_stderr(self):
        run = self.drained("/usr/bin/python3", "-S", "-c", STRESS)
        self.assertEqual(run.process.wait(DEADLINE_S), 0)
        self.assertEqual(read_all(run.readers[0]), b"done\n")
        self.assertEqual(read_all(run.readers[1]), (b"e" * 99 + b"\n") * 2000)


if __name__ == "__main__":
    unittest.main()
