#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The drainer under random faults, for `make soak-drain`: random shapes of writers, modes, bounds,
kinds of pipe, namespaces, users and memory limits; programs and groups that are killed in the middle,
helpers that are stopped, descriptors that become non-blocking, threads that jump out and are
cancelled; readers that stall, trickle, close, or are two. Every byte at the reader is compared.
drain_soak.py SECONDS [SEED [ROUND]]"""
import collections
import contextlib
import fcntl
import os
import random
import signal
import struct
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../support"), os.path.join(HERE, "../integration/drain")]
from drain_case import (DrainCase, check_writers, helpers_of, message_size,  # noqa: E402
                        thread_stream, victim, wait_until)
from drain_worlds import PACKETS, PIPES, worlds  # noqa: E402
from test_drain_helper_killed import HelperKilled  # noqa: E402
from test_drain_interrupted import Interrupted  # noqa: E402
from test_drain_jumps import Jumps  # noqa: E402
from test_drain_strangers import Strangers  # noqa: E402

# Each compares every byte itself.
CASES = (
    (Jumps, "test_siglongjmp_out_of_large_writes"), (Jumps, "test_siglongjmp_out_of_small_writes"),
    (Jumps, "test_handler_that_writes"), (Jumps, "test_threads_beside_a_large_write_that_waits"),
    (Interrupted, "test_cancelled_while_it_waits"), (Interrupted, "test_cancelled_while_it_writes"),
    (Interrupted, "test_handler_interrupts"),
    (HelperKilled, "test_killed_at_random_moments_nothing_is_lost"),
    (Strangers, "test_what_a_worker_without_rights_holds_is_not_waited_for"),
    (Strangers, "test_order_across_network_namespaces"),
)
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
# Its descriptor becomes non-blocking, and blocking, under its hands.
TOGGLED = """
import os, select, sys
data = bytes(range(251)) * 40
total = int(sys.argv[1])
done = 0
while done < total:
    at = done % 251
    try:
        done += os.write(2, data[at:at + min(int(sys.argv[2]), total - done)])
    except BlockingIOError:
        select.select([], [2], [], 0.01)
"""
WORLDS = worlds()


class Soak(DrainCase):
    last = None  # what was drained, for the message

    def drained(self, command, **options):
        self.last = (command[-8:], options)
        return super().drained(command, **options)

    def runTest(self):
        """Never run as a test: rounds are called one by one."""

    def world(self, choose, forks=True):
        """A command that puts the program somewhere else, and what has to be set there."""
        names = sorted(name for name, world in WORLDS.items() if forks or world[1])
        name = choose.choice(["here"] * 4 + names)
        # The helper ends with a PID namespace's first process.
        return (WORLDS[name][0], {"DRAIN_EXIT": "wait"} if not WORLDS[name][1] else {}) \
            if name in WORLDS else ([], {})

    def make_pipe(self, choose):
        kind = choose.choice(["pipe"] * 4 + sorted(PIPES))
        return PIPES[kind](), kind

    def stop_helper(self, run, choose):
        """For a moment."""
        stopped = helpers_of(run.inode)
        for pid in stopped:
            self.signal_helper(pid, signal.SIGSTOP)
        time.sleep(choose.random() * 0.05)
        for pid in stopped:
            self.signal_helper(pid, signal.SIGCONT)

    @staticmethod
    def signal_helper(pid, number):
        """It may just have left, and its parent have taken note."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def random_reads(self, run, choose, least=1):
        """Reads all, stalling and trickling, and stops the program or its helper now and then. Not one
        that writes packets, which are not drained: SIGSTOP ends a write(2) that waits half-way."""
        chunks = []
        budget = 1.0  # seconds of stalls
        sizes = [size for size in (1, 100, 4096, 65536, 1 << 20) if size >= least]
        while chunk := os.read(run.reader, choose.choice(sizes)):
            chunks.append(chunk)
            if choose.random() < 0.02 and budget > 0:
                pause = choose.random() * 0.05
                budget -= pause
                what = choose.random()
                stop = what < 0.3 and least < PACKETS and run.process.poll() is None
                if stop:
                    run.process.send_signal(signal.SIGSTOP)
                elif what > 0.9:
                    self.stop_helper(run, choose)
                time.sleep(pause)
                if stop:
                    run.process.send_signal(signal.SIGCONT)
        return b"".join(chunks)

    def settings(self, choose):
        return {"DRAIN_MODE": choose.choice(("full", "behind")),
                "DRAIN_MAX": choose.choice(("256K", "1M", "64M")),
                "DRAIN_EXIT": choose.choice(("0", "100ms", "wait")),
                "GROW": choose.choice(("off", "256K"))}

    def writers_command(self, choose, calls=CALLS):
        largest = choose.choice((1, 200, 4096, 20000, 1 << 20))
        count = min(4000, choose.randrange(1, 8 << 20) // largest + 1)
        shape = (choose.choice((1, 2, 16)), count, 1, largest)
        call = choose.choice(calls if shape[0] == 1 else calls[:3])
        return shape, [victim("drain_writers"), call, "2", *map(str, shape)]

    def writers_round(self, choose):
        pipe, kind = self.make_pipe(choose)
        shape, command = self.writers_command(choose)
        before, settings = self.world(choose)
        run = self.drained(before + command, pipe=pipe, **{**self.settings(choose), **settings})
        if choose.random() < 0.3:
            time.sleep(choose.random() * 0.3)
        data = self.random_reads(run, choose, PACKETS if kind == "packets" else 1)
        self.assertEqual(run.wait(), 0)
        # A vector or a printf beyond PIPE_BUF is not promised in one piece; up to it, it is.
        check_writers(self, data, *shape)
        return run

    def two_readers_round(self, choose):
        """Who gets what is chance; nothing is lost, and nothing comes twice."""
        shape, command = self.writers_command(choose, CALLS[:3])
        run = self.drained(command, **self.settings(choose))
        counts = [collections.Counter(), collections.Counter()]

        def read(mine, seed):
            mine.update(self.random_reads(run, random.Random(seed)))

        readers = [threading.Thread(target=read, args=(mine, choose.random())) for mine in counts]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        self.assertEqual(run.wait(), 0)
        threads, count, smallest, largest = shape
        wanted = collections.Counter()
        for thread in range(threads):
            size = sum(message_size(i, thread, smallest, largest) for i in range(count))
            wanted.update(thread_stream(thread, size))
        self.assertEqual(counts[0] + counts[1], wanted)
        return run

    def toggled_round(self, choose):
        """Another process makes the shared description non-blocking, and blocking again."""
        pipe, kind = self.make_pipe(choose)
        shared = os.dup(pipe[1])
        total = choose.randrange(1, 2 << 20)
        run = self.python(TOGGLED, str(total), str(choose.choice((10, 1000, 4096, 9000))), pipe=pipe,
                          **self.settings(choose))
        over = threading.Event()

        def toggle(choose):
            flags = fcntl.fcntl(shared, fcntl.F_GETFL)
            while not over.is_set():
                fcntl.fcntl(shared, fcntl.F_SETFL, flags ^ choose.choice((0, os.O_NONBLOCK)))
                time.sleep(choose.random() * 0.01)
            fcntl.fcntl(shared, fcntl.F_SETFL, flags)
            os.close(shared)

        toggler = threading.Thread(target=toggle, args=(random.Random(choose.random()),))
        toggler.start()
        data = []
        reader = threading.Thread(target=lambda: data.append(self.random_reads(
            run, choose, PACKETS if kind == "packets" else 1)))
        reader.start()
        self.assertEqual(run.wait(), 0)
        over.set()
        toggler.join()
        reader.join()
        self.assertTrue(data[0] == (bytes(range(251)) * (total // 251 + 1))[:total])
        return run

    def case_round(self, choose):
        case, name = choose.choice(CASES)
        result = unittest.TestResult()
        case(name).run(result)
        for _, trace in result.errors + result.failures:
            raise AssertionError(trace)
        return None

    def kill_round(self, choose):
        smallest, largest = choose.choice(((1, 200), (1, 4096), (3000, 20000), (90000, 100000)))
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes(8))
            file.flush()
            os.chmod(file.name, 0o666)
            pipe, kind = self.make_pipe(choose)
            group = choose.random() < 0.3
            before, settings = (["setsid"], {}) if group else self.world(choose, False)
            run = self.drained([*before, victim("drain_counter"), file.name, str(smallest),
                                str(largest)], pipe=pipe, **{**self.settings(choose), **settings})
            data = []
            reader = threading.Thread(target=lambda: data.append(self.random_reads(
                run, choose, PACKETS if kind == "packets" else 1)))
            if choose.random() < 0.5:
                reader.start()
            time.sleep(choose.random() * 0.1)
            if group and os.getpgid(run.process.pid) == run.process.pid:
                os.killpg(run.process.pid, signal.SIGKILL)
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


KINDS = ("writers_round",) * 3 + ("kill_round",) * 3 + (
    "two_readers_round", "toggled_round", "fork_round", "close_round", "case_round")


def main():
    seconds = float(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1000000
    print("seed %d; %s" % (seed, ", ".join(sorted(WORLDS))), flush=True)
    end = time.monotonic() + seconds
    counts = {}
    number = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    while time.monotonic() < end:
        soak = Soak()
        choose = random.Random("%d %d" % (seed, number))
        kind = choose.choice(KINDS)
        try:
            run = getattr(soak, kind)(choose)
            if run:
                wait_until(lambda run=run: not helpers_of(run.inode), "end of the helper")
        except BaseException:
            print("failed: seed %d, round %d, %s: %s" % (seed, number, kind, soak.last), flush=True)
            raise
        finally:
            soak.doCleanups()
        counts[kind] = counts.get(kind, 0) + 1
        number += 1
    print("%d rounds without a wrong byte: %s" % (sum(counts.values()), counts))


if __name__ == "__main__":
    main()
