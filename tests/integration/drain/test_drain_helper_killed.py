# SPDX-License-Identifier: MIT
"""The drainer's helper process is killed, as the OOM killer does it: another goes on, nothing is
lost, and the program never waits for one that is dead."""
import array
import contextlib
import fcntl
import json
import os
import random
import signal
import socket
import sys
import tempfile
import termios
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, helpers_of, read_soon, read_text, wait_until  # noqa: E402
from stepped import TRACE_EXIT, Stepped  # noqa: E402

MODES = ("full", "behind")
# For each line "SIZE COUNT": so many numbered writes. "end" ends it, "file" copies a file.
WRITER = """
import os, sys, tempfile
number = 0
for line in sys.stdin:
    if line == "file\\n":
        with tempfile.TemporaryFile() as file:
            file.write(b"f" * 1000)
            file.flush()
            os.sendfile(2, file.fileno(), 0, 1000)
    elif line == "close\\n":
        os.close(2)
    elif line == "move\\n":
        os.dup2(2, 30)
        os.close(2)
    else:
        size, count = map(int, line.split())
        for _ in range(count):
            os.write(2, b"%09d\\n" % number * (size // 10))
            number += 1
    print("done", flush=True)
"""


def written(size, first, count):
    return b"".join(b"%09d\n" % number * (size // 10) for number in range(first, first + count))


class HelperKilled(DrainCase):
    def writer(self, **options):
        return self.python(WRITER, **options)

    def write(self, run, size, count):
        self.say(run, b"%d %d\n" % (size, count))
        self.assertEqual(read_soon(run.process.stdout.fileno()), b"done\n")

    @staticmethod
    def say(run, line):
        run.process.stdin.write(line)
        run.process.stdin.flush()

    def helper(self, run):
        wait_until(lambda: len(helpers_of(run.inode)) == 1, "the helper")
        return helpers_of(run.inode)[0]

    def wait_until_it_waits(self, pid):
        """For the reader: the pipe is full, and it is in no moment of a write's return."""
        wait_until(lambda: self.state(pid) == "S", "helper %d asleep" % pid)

    @staticmethod
    def state(pid):
        return (read_text("/proc/%d/stat" % pid) or ") Z").rsplit(")", 1)[1].split()[0]

    def kill_helper(self, run):
        """Kills it where it waits for the reader; returns when it is gone."""
        pid = self.helper(run)
        self.wait_until_it_waits(pid)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.state(pid) == "Z", "end of helper %d" % pid)

    def read_all(self, run):
        run.process.stdin.close()
        data = run.read()
        self.assertEqual(run.wait(), 0)
        return data

    def each_mode_and_pipe(self):
        fifo = os.path.join(self.directory(), "fifo")
        os.mkfifo(fifo)

        def open_fifo():
            reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
            writer = os.open(fifo, os.O_WRONLY)
            os.set_blocking(reader, True)
            return reader, writer

        for mode in MODES:
            for what, make in (("pipe", os.pipe), ("FIFO", open_fifo),
                               ("socket", lambda: [end.detach() for end in socket.socketpair()])):
                with self.subTest(mode=mode, pipe=what):
                    yield self.writer(pipe=make(), DRAIN_MODE=mode)
                    self.doCleanups()

    def directory(self):
        made = tempfile.TemporaryDirectory()
        self.addClassCleanup(made.cleanup)
        return made.name

    def test_program_goes_on_and_every_byte_arrives_once(self):
        """Small writes, and ones of which a part is in the pipe when the helper dies."""
        for size, count in ((100, 20000), (10000, 300), (60000, 40), (200000, 10)):
            for run in self.each_mode_and_pipe():
                self.write(run, size, count)
                self.kill_helper(run)
                self.write(run, size, count)
                self.kill_helper(run)
                self.write(run, size, 1)
                self.assertTrue(self.read_all(run) == written(size, 0, 2 * count + 1), size)

    def test_killed_again_and_again_while_a_slow_reader_reads(self):
        for run in self.each_mode_and_pipe():
            self.write(run, 30000, 60)
            data = b""
            for _ in range(20):
                data += os.read(run.reader, 7000)
                self.kill_helper(run)
                wait_until(lambda: helpers_of(run.inode), "another helper")
            data += self.read_all(run)
            self.assertTrue(data == written(30000, 0, 60))

    def test_program_that_writes_no_more(self):
        for run in self.each_mode_and_pipe():
            self.write(run, 1000, 300)
            self.kill_helper(run)
            expected = written(1000, 0, 300)
            data = b""
            while len(data) < len(expected):
                data += read_soon(run.reader)
            self.assertTrue(data == expected)

    def test_program_that_exits_at_once(self):
        for mode in MODES:
            with self.subTest(mode=mode):
                run = self.writer(DRAIN_MODE=mode, SAMPLE="off")
                self.write(run, 1000, 300)
                os.kill(run.process.pid, signal.SIGSTOP)  # the watchdog as well
                self.kill_helper(run)
                run.process.stdin.close()
                os.kill(run.process.pid, signal.SIGCONT)
                self.assertEqual(run.wait(), 0)
                self.assertTrue(run.read() == written(1000, 0, 300))
                self.assert_helper_leaves(run)

    @contextlib.contextmanager
    def killed_and_kept_from_ending(self, run):
        """As on a machine that gives it no processor: killed, and yet with all that it holds."""
        pid = self.helper(run)
        self.wait_until_it_waits(pid)
        helper = Stepped(self, pid, TRACE_EXIT)
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(helper.wait())
        yield pid
        helper.let_go()

    def test_program_that_ends_before_a_killed_helper_does(self):
        for mode in MODES:
            for patience in ("0", "50ms"):
                with self.subTest(mode=mode, patience=patience):
                    log = os.path.join(self.directory(), "log")
                    run = self.writer(DRAIN_MODE=mode, DRAIN_EXIT=patience, LOG=log, FORMAT="json")
                    self.write(run, 1000, 300)
                    with self.killed_and_kept_from_ending(run) as killed:
                        run.process.stdin.close()
                        self.assertEqual(run.wait(), 0)
                        self.assertEqual(len(helpers_of(run.inode)), 2)
                        self.assertIn(killed, helpers_of(run.inode))
                    self.assertEqual(self.told(log, "drain_handoff", "bytes"),
                                     [300000 - self.in_pipe(run)])
                    self.assertTrue(run.read() == written(1000, 0, 300))
                    self.assertEqual(self.told(log, "drain_drop", "bytes"), [])

    def test_killed_when_the_program_has_closed_the_pipe(self):
        """Another helper cannot be had: no exit waits for it, and the log says what is lost."""
        for mode in MODES:
            for patience in ("0", "wait"):
                with self.subTest(mode=mode, patience=patience):
                    log = os.path.join(self.directory(), "log")
                    run = self.writer(DRAIN_MODE=mode, DRAIN_EXIT=patience, LOG=log, FORMAT="json")
                    self.write(run, 1000, 300)
                    self.say(run, b"close\n")
                    self.assertEqual(read_soon(run.process.stdout.fileno()), b"done\n")
                    self.kill_helper(run)
                    run.process.stdin.close()
                    self.assertEqual(run.wait(), 0)
                    left = run.read()
                    self.assertTrue(left == written(1000, 0, 300)[:len(left)])
                    self.assertEqual(self.told(log, "drain_drop", "bytes"), [300000 - len(left)])
                    self.assertEqual(self.told(log, "drain_drop", "reason"), ["helper_killed"])
                    self.assertEqual(self.told(log, "summary", "drain")[0]["lost_bytes"],
                                     300000 - len(left))
                    self.assertEqual(self.told(log, "drain_handoff", "bytes"), [])

    def test_what_is_lost_is_told_to_a_person(self):
        log = os.path.join(self.directory(), "log")
        run = self.writer(LOG=log)
        self.write(run, 1000, 300)
        self.say(run, b"close\n")
        self.assertEqual(read_soon(run.process.stdout.fileno()), b"done\n")
        self.kill_helper(run)
        left = 300000 - len(self.read_all(run))
        self.assertRegex(read_text(log), r"LOST .*\b%d bytes of 2\d\d writes that were queued: the "
                         r"helper process which should have sent them was killed" % left)

    def test_killed_when_another_descriptor_leads_to_the_pipe(self):
        for mode in MODES:
            with self.subTest(mode=mode):
                run = self.writer(DRAIN_MODE=mode)
                self.write(run, 1000, 300)
                self.say(run, b"move\n")
                self.assertEqual(read_soon(run.process.stdout.fileno()), b"done\n")
                self.kill_helper(run)
                self.assertTrue(self.read_all(run) == written(1000, 0, 300))

    @staticmethod
    def told(log, kind, field):
        events = [json.loads(line) for line in read_text(log).splitlines()]
        return [event[field] for event in events if event["event"] == kind]

    @staticmethod
    def in_pipe(run):
        held = array.array("i", [0])
        fcntl.ioctl(run.reader, termios.FIONREAD, held)
        return held[0]

    def test_writer_at_the_bound(self):
        for mode in MODES:
            with self.subTest(mode=mode):
                run = self.writer(DRAIN_MODE=mode, DRAIN_MAX="1M")
                self.say(run, b"1000 3000\n")
                wait_until(lambda: self.state(run.process.pid) == "S", "the bound")
                self.kill_helper(run)
                self.assertTrue(self.read_all(run) == written(1000, 0, 3000))

    def test_call_that_waits_behind_the_queue(self):
        for mode in MODES:
            with self.subTest(mode=mode):
                run = self.writer(DRAIN_MODE=mode)
                self.write(run, 1000, 300)
                os.kill(run.process.pid, signal.SIGSTOP)
                self.kill_helper(run)
                self.say(run, b"file\n")
                os.kill(run.process.pid, signal.SIGCONT)
                self.assertTrue(self.read_all(run) == written(1000, 0, 300) + b"f" * 1000)

    def test_drop_old_goes_on_and_drops_no_half_writes(self):
        run = self.writer(DRAIN_OVERFLOW="drop-old", DRAIN_MAX="1M")
        self.write(run, 1000, 3000)
        self.kill_helper(run)
        self.write(run, 1000, 3000)
        data = self.read_all(run)
        self.assertEqual(len(data) % 1000, 0)
        numbers = [int(data[at:at + 9]) for at in range(0, len(data), 1000)]
        self.assertTrue(data == b"".join(b"%09d\n" % number * 100 for number in numbers))
        self.assertEqual(numbers, sorted(set(numbers)))
        self.assertEqual(numbers[-1], 5999)

    def test_it_is_told(self):
        with tempfile.NamedTemporaryFile() as log:
            run = self.writer(LOG=log.name)
            self.write(run, 1000, 300)
            self.kill_helper(run)
            wait_until(lambda: "helper process was killed" in read_text(log.name), "the line")
            self.assertTrue(self.read_all(run) == written(1000, 0, 300))

    def test_killed_at_random_moments_nothing_is_lost(self):
        """While it sends to a reader that reads: what it was just writing may come twice, in its
        own order; all else comes once."""
        seed = int(os.environ.get("PIPESHIM_TEST_SEED", time.time_ns() % 1000000))
        choose = random.Random(seed)
        for mode in MODES:
            with self.subTest(mode=mode, seed=seed):
                # The kernel may take its time to end the last helper that is killed.
                run = self.writer(DRAIN_MODE=mode, DRAIN_EXIT="wait")
                count, kills, data = 60000, 0, bytearray()
                self.write(run, 1000, count)
                killed = threading.Semaphore(0)

                def read():
                    stops = [1000 * count * part // 5 for part in range(1, 5)]
                    while chunk := os.read(run.reader, 3000):
                        data.extend(chunk)
                        if stops and len(data) > stops[0]:
                            stops.pop(0)
                            killed.acquire()  # a fast reader is not done before four are

                reader = threading.Thread(target=read)
                reader.start()
                while len(data) < 1000 * (count - 100):
                    for pid in helpers_of(run.inode):
                        time.sleep(choose.random() * 0.002)  # the moment, not a wait for an event
                        try:
                            os.kill(pid, signal.SIGKILL)
                        except ProcessLookupError:
                            continue  # the last one, which was still about to end
                        kills += 1
                        killed.release()
                self.assertGreater(kills, 3)
                run.process.stdin.close()
                reader.join()
                numbers = [int(data[at:at + 9]) for at in range(0, len(data), 1000)]
                self.assertTrue(data == b"".join(b"%09d\n" % n * 100 for n in numbers))
                seen, twice = -1, 0
                for number in numbers:
                    self.assertLessEqual(number, seen + 1, "one is missing")
                    twice += number <= seen
                    seen = max(seen, number)
                self.assertEqual(seen, count - 1)
                self.assertLessEqual(twice, 4096 // 1000 * kills)  # one call of the helper each
                self.assertEqual(run.wait(), 0)
                self.doCleanups()


if __name__ == "__main__":
    unittest.main()
