# SPDX-License-Identifier: MIT
"""The drainer: threads, sizes, calls and readers; every byte at the reader is compared."""
import fcntl
import os
import socket
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, check_writers, message_size  # noqa: E402

MODES = ("full", "behind")
# Threads, messages of each, smallest, largest.
SHAPES = ((1, 200000, 1, 1), (1, 3000, 1, 4096), (1, 12, 1 << 20, 1 << 20), (2, 2000, 1, 9000),
          (16, 300, 1, 4096), (16, 4, 1, 1 << 20), (2, 200, 4090, 4096))


class Bytes(DrainCase):
    def test_program_ends_before_anything_is_read(self):
        for mode in MODES:
            for shape in SHAPES:
                with self.subTest(mode=mode, shape=shape):
                    run = self.writers("write", *shape, DRAIN_MODE=mode)
                    self.assertEqual(run.wait(), 0)
                    check_writers(self, run.read(), *shape)
                    self.assert_helper_leaves(run)

    def test_live_reader(self):
        for mode in MODES:
            for shape in SHAPES[1:]:
                with self.subTest(mode=mode, shape=shape):
                    run = self.writers("write", *shape, DRAIN_MODE=mode)
                    check_writers(self, run.read(), *shape)
                    self.assertEqual(run.wait(), 0)

    def test_reader_that_trickles(self):
        for mode in MODES:
            shape = (2, 400, 1, 2000)
            run = self.writers("write", *shape, DRAIN_MODE=mode)
            check_writers(self, run.read(most=1500, pause=0.0003), *shape)
            self.assertEqual(run.wait(), 0)

    def test_every_call(self):
        shape = (1, 60, 1, 20000)
        for mode in MODES:
            for call in ("write", "writev", "pwritev2", "dprintf", "fprintf", "fwrite"):
                with self.subTest(mode=mode, call=call):
                    run = self.writers(call, *shape, DRAIN_MODE=mode)
                    self.assertEqual(run.wait(), 0)
                    check_writers(self, run.read(), *shape)

    def test_calls_mixed_on_one_pipe_keep_their_order(self):
        shape = (1, 90, 1, 20000)
        for mode in MODES:
            run = self.writers("mixed", *shape, DRAIN_MODE=mode)
            check_writers(self, run.read(most=3000, pause=0.0002), *shape)
            self.assertEqual(run.wait(), 0)

    def test_socketpair(self):
        shape = (2, 300, 1, 4096)
        for mode in MODES:
            ours, theirs = socket.socketpair()
            run = self.writers("write", *shape, DRAIN_MODE=mode,
                               pipe=(ours.detach(), theirs.detach()))
            self.assertEqual(run.wait(), 0)
            check_writers(self, run.read(), *shape)

    def test_named_fifo(self):
        shape = (2, 300, 1, 4096)
        for mode in MODES:
            with tempfile.TemporaryDirectory() as folder:
                os.mkfifo(folder + "/fifo")
                reader = os.open(folder + "/fifo", os.O_RDONLY | os.O_NONBLOCK)
                writer = os.open(folder + "/fifo", os.O_WRONLY)
                os.set_blocking(reader, True)
                run = self.writers("write", *shape, DRAIN_MODE=mode, pipe=(reader, writer))
                self.assertEqual(run.wait(), 0)
                check_writers(self, run.read(), *shape)

    def test_another_writer_of_the_pipe_tears_no_message(self):
        """Foreign lines of 100 '\\xff' come between messages, never into one."""
        shape = (2, 2000, 1, 4096)
        for mode in MODES:
            reader, writer = os.pipe()
            foreign = os.dup(writer)
            run = self.writers("write", *shape, DRAIN_MODE=mode, pipe=(reader, writer))
            lines = 3000

            def write_lines():
                for _ in range(lines):
                    os.write(foreign, b"\xff" * 100)
                os.close(foreign)

            thread = threading.Thread(target=write_lines)
            thread.start()
            data = run.read(most=5000)
            thread.join()
            self.assertEqual(run.wait(), 0)
            self.assertEqual(data.count(b"\xff" * 100), lines)
            check_writers(self, data.replace(b"\xff" * 100, b""), *shape)
            # A torn message would leave foreign bytes at an offset inside it.
            self.check_boundaries(data, shape)

    def check_boundaries(self, data, shape):
        threads, _, smallest, largest = shape
        at, number = 0, [0] * threads
        while at < len(data):
            if data[at] == 0xff:
                self.assertEqual(data[at:at + 100], b"\xff" * 100)
                at += 100
                continue
            thread = data[at] >> 4
            size = message_size(number[thread], thread, smallest, largest)
            self.assertEqual({byte >> 4 for byte in data[at:at + size]}, {thread})
            number[thread] += 1
            at += size

    def test_capacity_of_one_page(self):
        shape = (2, 300, 1, 4096)
        for mode in MODES:
            reader, writer = os.pipe()
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
            run = self.writers("write", *shape, DRAIN_MODE=mode, pipe=(reader, writer))
            self.assertEqual(run.wait(), 0)
            check_writers(self, run.read(), *shape)

    def test_same_as_without_the_library(self):
        shape = (1, 60, 1, 20000)
        for library in (False, True):
            run = self.writers("mixed", *shape, library=library)
            check_writers(self, run.read(), *shape)
            self.assertEqual(run.wait(), 0)
            self.assertEqual(run.process.stdout.read(), b"")


if __name__ == "__main__":
    unittest.main()
