# SPDX-License-Identifier: MIT
"""drop-new and drop-old: what is missing at the reader is what the log says, whole writes all of it,
and it is the newest or the oldest that arrive."""
import array
import fcntl
import os
import sys
import termios
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import DEADLINE_S, PipeshimCase  # noqa: E402
from drain_case import message_size, read_soon, wait_for_stuck_helper  # noqa: E402

MODES = ("full", "behind")
POLICIES = ("drop-new", "drop-old")
MAX = 1 << 20
PIPE_BUF = 4096
# Message i of thread t begins with both numbers and is a letter after that. For each line of stdin,
# "FIRST COUNT THREADS SMALLEST LARGEST", the messages are written; then "done".
PROGRAM = """
import os, sys, threading
def message(thread, i, smallest, largest):
    size = smallest + (7919 * i + 104729 * thread) % (largest - smallest + 1)
    return (b"%d %07d " % (thread, i)).ljust(size, b"abcdefgh"[thread:thread + 1])
def work(thread, first, count, smallest, largest):
    for i in range(first, first + count):
        data = message(thread, i, smallest, largest)
        if os.write(2, data) != len(data):
            os.abort()
for line in sys.stdin:
    first, count, threads, smallest, largest = map(int, line.split())
    started = [threading.Thread(target=work, args=(t, first, count, smallest, largest))
               for t in range(threads)]
    [t.start() for t in started]
    [t.join() for t in started]
    os.write(1, b"done\\n")
"""


def message(thread, number, smallest, largest):
    size = message_size(number, thread, smallest, largest)
    return (b"%d %07d " % (thread, number)).ljust(size, b"abcdefgh"[thread:thread + 1])


def space(size):
    """A write's room in the queue: its bytes in whole words, and a header."""
    return 8 + (size + 7) // 8 * 8



class Drops(PipeshimCase):
    def program(self, mode, policy):
        return self.start("/usr/bin/python3", "-S", "-E", "-c", PROGRAM, settings={
            "PIPESHIM_DRAIN": "stderr", "PIPESHIM_DRAIN_EXIT": "0", "PIPESHIM_DRAIN_MODE": mode,
            "PIPESHIM_DRAIN_OVERFLOW": policy, "PIPESHIM_DRAIN_MAX": str(MAX)})

    def write(self, run, first, count, threads, smallest, largest):
        run.process.stdin.write(b"%d %d %d %d %d\n" % (first, count, threads, smallest, largest))
        run.process.stdin.flush()

    def wait_written(self, run):
        self.assertEqual(read_soon(run.readers[0]), b"done\n")

    def arrived(self, data, threads, smallest, largest):
        """The messages, in their order, as (thread, number): each whole, in order per thread."""
        found, at, last = [], 0, [-1] * threads
        while at < len(data):
            thread, number = map(int, data[at:at + 9].split())
            expected = message(thread, number, smallest, largest)
            self.assertEqual(data[at:at + len(expected)], expected, "torn at %d" % at)
            self.assertGreater(number, last[thread], "order")
            last[thread] = number
            found.append((thread, number))
            at += len(expected)
        return found

    def check_told(self, run, written, arrived, smallest, largest):
        missing = set(written) - set(arrived)
        sizes = sum(message_size(i, t, smallest, largest) for t, i in missing)
        drops = run.events("drain_drop")
        self.assertGreater(len(missing), 0)
        self.assertEqual(sum(event["writes"] for event in drops), len(missing))
        self.assertEqual(sum(event["bytes"] for event in drops), sizes)
        for event in drops:
            self.assertGreater(event["writes"], 0)
        summary, = run.events("summary")
        totals = summary["drain"]
        self.assertEqual((totals["dropped_writes"], totals["dropped_bytes"], totals["lost_bytes"]),
                         (len(missing), sizes, 0))

    def end(self, run):
        run.process.stdin.close()
        self.assertEqual(run.process.wait(DEADLINE_S), 0)

    @staticmethod
    def held_by_pipe(run):
        amount = array.array("i", [0])
        fcntl.ioctl(run.readers[1], termios.FIONREAD, amount)
        return amount[0]

    def wait_helper_stuck(self, run):
        inode = os.fstat(run.readers[1]).st_ino
        wait_for_stuck_helper(inode)

    def test_which_are_kept(self):
        """The helper has what it can take before the queue fills: from then on only the policy
        chooses."""
        for mode in MODES:
            for policy in POLICIES:
                for size, count in ((100, 25000), (1000, 3000), (4096, 900), (5001, 700)):
                    with self.subTest(mode=mode, policy=policy, size=size):
                        self.keeps(mode, policy, size, count)
                        self.doCleanups()

    def keeps(self, mode, policy, size, count):
        run = self.program(mode, policy)
        first = 65536 // size + 2 * PIPE_BUF // size + 2
        self.write(run, 0, first, 1, size, size)
        self.wait_written(run)
        self.wait_helper_stuck(run)
        self.write(run, first, count, 1, size, size)
        self.wait_written(run)
        self.end(run)  # nothing was read until now
        in_pipe = self.held_by_pipe(run)
        run.begin_drain()
        for thread in run.threads:
            thread.join(DEADLINE_S)
        total = first + count
        arrived = self.arrived(run.contents[1], 1, size, size)
        self.check_told(run, [(0, i) for i in range(total)], arrived, size, size)
        numbers = [number for _, number in arrived]
        in_queue = MAX // space(size)  # as many as the bound lets in, not one less
        if policy == "drop-new":
            self.assertTrue(numbers == list(range(len(numbers))))
            # The rest is in the pipe, or in the helper's hands (the bound may count that).
            in_hands = max(PIPE_BUF, size)
            self.assertIn((len(numbers) - in_queue) * size - in_pipe,
                          range(-in_hands, in_hands + 1))
        else:
            self.assertTrue(numbers[-in_queue:] == list(range(total - in_queue, total)))
            self.assertTrue(numbers[:-in_queue] == list(range(len(numbers) - in_queue)))
            self.assertLess(numbers[-in_queue - 1] + 1, numbers[-in_queue])

    def test_exact_with_a_live_reader(self):
        """The queue is full again and again. What is above PIPE_BUF other threads may cut."""
        for mode in MODES:
            for policy in POLICIES:
                for threads, largest, count in ((4, 4096, 2000), (1, 60000, 400)):
                    with self.subTest(mode=mode, policy=policy, threads=threads):
                        self.with_live_reader(mode, policy, threads, 20, largest, count)
                        self.doCleanups()

    def with_live_reader(self, mode, policy, threads, smallest, largest, count):
        run = self.program(mode, policy)
        self.write(run, 0, count, threads, smallest, largest)
        run.wait_for("drain_drop")
        chunks, reading = [], threading.Event()

        def read():
            while chunk := os.read(run.readers[1], 5000):
                chunks.append(chunk)
                reading.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        self.assertTrue(reading.wait(DEADLINE_S))
        self.wait_written(run)
        self.write(run, count, count, threads, smallest, largest)
        self.wait_written(run)
        self.end(run)
        reader.join(DEADLINE_S)
        self.assertFalse(reader.is_alive())
        arrived = self.arrived(b"".join(chunks), threads, smallest, largest)
        written = [(t, i) for t in range(threads) for i in range(2 * count)]
        self.check_told(run, written, arrived, smallest, largest)

    def test_block_drops_nothing(self):
        for mode in MODES:
            run = self.program(mode, "block")
            self.write(run, 0, 2000, 4, 20, 3000)
            run.wait_for("drain_start")
            run.begin_drain()
            self.end(run)
            for thread in run.threads:
                thread.join(DEADLINE_S)
            arrived = self.arrived(run.contents[1], 4, 20, 3000)
            self.assertEqual(sorted(arrived), [(t, i) for t in range(4) for i in range(2000)])
            self.assertEqual(run.events("drain_drop"), [])
            totals = run.events("summary")[0]["drain"]
            self.assertEqual((totals["dropped_writes"], totals["dropped_bytes"]), (0, 0))


if __name__ == "__main__":
    unittest.main()
