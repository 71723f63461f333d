#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The drainer under random faults, for `make soak-drain`: random shapes of writers, modes, bounds,
kinds of pipe and readers that stall, trickle, are killed in the middle or close; every byte at the
reader is compared.   drain_soak.py SECONDS [SEED]"""
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from drain_case import DrainCase, check_writers, helpers_of, victim, wait_until  # noqa: E402

CALLS = ("write", "writev", "pwritev2", "dprintf", "fprintf", "mixed")
FORKS = """
import os, random, sys
choose = random.Random(int(sys.argv[1]))
os.write(2, b"p" * choose.randrange(1, 200000))
for number in range(100):
    if os.fork() == 0:
        os.write(2, b"%c" % (128 + number) * 4000)
        os._exit(0)
    if choose.random() < 0.5:
        os.wait()
"""


class Soak(DrainCase):
    def runTest(self):
        """Never run as a test: rounds are called one by one."""

    def make_pipe(self, choose):
        if choose.random() < 0.2:
            ours, theirs = socket.socketpair()
            return ours.detach(), theirs.detach()
        return os.pipe()

    def random_reads(self, run, choose):
        """Reads all, stalling and trickling, and stops the program now and then."""
        chunks = []
        budget = 1.0  # seconds of stalls
        while chunk := os.read(run.reader, choose.choice((1, 100, 4096, 65536, 1 << 20))):
            chunks.append(chunk)
            if choose.random() < 0.02 and budget > 0:
                pause = choose.random() * 0.05
                budget -= pause
                stop = choose.random() < 0.3 and run.process.poll() is None
                if stop:
                    run.process.send_signal(signal.SIGSTOP)
                time.sleep(pause)
                if stop:
                    run.process.send_signal(signal.SIGCONT)
        return b"".join(chunks)

    def settings(self, choose):
        return {"DRAIN_MODE": choose.choice(("full", "behind")),
                "DRAIN_MAX": choose.choice(("256K", "1M", "64M")),
                "DRAIN_EXIT": choose.choice(("0", "100ms", "wait")),
                "GROW": choose.choice(("off", "256K"))}

    def writers_round(self, choose):
        largest = choose.choice((1, 200, 4096, 20000, 1 << 20))
        count = min(4000, choose.randrange(1, 8 << 20) // largest + 1)
        shape = (choose.choice((1, 2, 16)), count, 1, largest)
        run = self.writers(choose.choice(CALLS if shape[0] == 1 else CALLS[:3]), *shape,
                           pipe=self.make_pipe(choose), **self.settings(choose))
        if choose.random() < 0.3:
            time.sleep(choose.random() * 0.3)
        data = self.random_reads(run, choose)
        self.assertEqual(run.wait(), 0)
        # A vector or a printf beyond PIPE_BUF is not promised in one piece; up to it, it is.
        check_writers(self, data, *shape)
        return run

    def kill_round(self, choose):
        smallest, largest = choose.choice(((1, 200), (1, 4096), (3000, 20000), (90000, 100000)))
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes(8))
            file.flush()
            run = self.drained([victim("drain_counter"), file.name, str(smallest), str(largest)],
                               pipe=self.make_pipe(choose), **self.settings(choose))
            data = []
            reader = threading.Thread(target=lambda: data.append(self.random_reads(run, choose)))
            if choose.random() < 0.5:
                reader.start()
            time.sleep(choose.random() * 0.1)
            run.process.kill()
            run.process.wait()
            if reader.ident is None:
                reader.start()
            reader.join()
            file.seek(0)
            said = struct.unpack("Q", file.read(8))[0]
        self.assertGreaterEqual(len(data[0]), said)
        self.assertLessEqual(len(data[0]), said + largest)
        self.assertTrue(data[0] == (bytes(range(251)) * (len(data[0]) // 251 + 1))[:len(data[0])])
        return run

    def fork_round(self, choose):
        seed = choose.randrange(1 << 30)
        run = self.python(FORKS, str(seed), **self.settings(choose))
        data = self.random_reads(run, choose)
        self.assertEqual(run.wait(), 0)
        first = random.Random(seed).randrange(1, 200000)
        self.assertEqual(data[:first], b"p" * first)
        self.assertEqual(len(data), first + 100 * 4000)
        for number in range(100):
            self.assertEqual(data.count(b"%c" % (128 + number) * 4000), 1)
        return run

    def close_round(self, choose):
        shape = (choose.choice((1, 16)), 1000, 1, 20000)
        run = self.writers("write", *shape, **self.settings(choose))
        os.read(run.reader, choose.randrange(1, 100000))
        run.close_reader()
        self.assertIn(run.wait(), (0, -signal.SIGPIPE))  # 0: all was acknowledged before
        return run


def main():
    seconds = float(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1000000
    print("seed %d" % seed, flush=True)
    end = time.monotonic() + seconds
    counts = {}
    number = 0
    while time.monotonic() < end:
        soak = Soak()
        choose = random.Random("%d %d" % (seed, number))
        kind = choose.choice(("writers_round", "kill_round", "fork_round", "close_round"))
        try:
            run = getattr(soak, kind)(choose)
            wait_until(lambda run=run: not helpers_of(run.inode), "end of the helper")
        except BaseException:
            print("failed: seed %d, round %d, %s" % (seed, number, kind), flush=True)
            raise
        finally:
            soak.doCleanups()
        counts[kind] = counts.get(kind, 0) + 1
        number += 1
    print("%d rounds without a wrong byte: %s" % (number, counts))


if __name__ == "__main__":
    main()
