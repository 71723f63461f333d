# SPDX-License-Identifier: MIT
"""Threads that leave a write in the middle, or wait in one, hold up no other; and memory that cannot
be read is EFAULT, as write(2) answers. Each case also without the library."""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DEADLINE_S, DrainCase, read_soon, victim  # noqa: E402

KINDS = ({"library": False}, {"DRAIN_MODE": "full"}, {"DRAIN_MODE": "behind"})


class Jumps(DrainCase):
    def lines_arrive(self, *arguments, cut=True, said=()):
        """All lines that the victim counted, whole; what was `cut` off is between them."""
        for kind in KINDS:
            with self.subTest(what=arguments[0], **kind):
                options = kind if "library" in kind else dict(kind, DRAIN_MAX="1M",
                                                              DRAIN_EXIT="wait")
                data = []
                run = self.drained([victim("drain_jumps"), *arguments], **options)
                if said:  # these while nothing is read
                    text = b""
                    while text.count(b"\n") < len(said):
                        text += read_soon(run.process.stdout.fileno(), 100)
                    self.assertEqual(text.decode().split("\n")[:-1], list(said))
                reader = threading.Thread(target=lambda run=run: data.append(run.read()))
                reader.start()
                line = run.process.stdout.readline().decode().split()
                self.assertEqual(line[0] + line[2], "linesdone")
                self.assertEqual(run.wait(), 0)
                reader.join(DEADLINE_S)
                whole = b"L" * 99 + b"\n"
                # A cancelled, or killed, write may have been made all the same.
                self.assertIn(data[0].count(whole) - int(line[1]), (0, 1))
                rest = data[0].replace(whole, b"")
                self.assertLessEqual(set(rest), set(b"x") if cut else set())
                self.doCleanups()

    def test_siglongjmp_out_of_large_writes(self):
        self.lines_arrive("jump", "150")

    def test_siglongjmp_out_of_small_writes(self):
        self.lines_arrive("small", "1000")

    def test_handler_that_writes(self):
        self.lines_arrive("handler", cut=False)

    def test_threads_beside_a_large_write_that_waits(self):
        self.lines_arrive("second", said=("EINTR", "cancelled"))

    def test_bad_addresses(self):
        """With a queue, and with a pipe that has room."""
        outcomes = {}
        for how in ("empty", "queued"):
            for kind in KINDS:
                run = self.drained([victim("drain_addresses"), how], **kind)
                if how == "queued":
                    reader = threading.Thread(target=run.read)
                    reader.start()
                    self.assertEqual(run.wait(), 0)
                    reader.join()
                else:
                    self.assertEqual(run.wait(), 0, (how, kind))
                    self.assertEqual(len(run.read()), 10)
                outcomes[how, str(kind)] = run.process.stdout.read()
                self.doCleanups()
        self.assertEqual(len(set(outcomes.values())), 1, outcomes)
        self.assertIn(b"bad -1 14", list(outcomes.values())[0])


if __name__ == "__main__":
    unittest.main()
