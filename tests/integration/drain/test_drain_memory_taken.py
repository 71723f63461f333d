# SPDX-License-Identifier: MIT
"""Memory that the program takes away from a write: EFAULT, as write(2) answers, never SIGSEGV. Each
case also without the library."""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DEADLINE_S, DrainCase, victim  # noqa: E402

KINDS = ({"library": False}, {"DRAIN_MODE": "full"}, {"DRAIN_MODE": "behind"})
WAYS = ("mprotect", "munmap", "mremap", "syscall")


class MemoryTaken(DrainCase):
    def each(self, where, count, ways=WAYS):
        for kind in KINDS:
            for way in ways:
                with self.subTest(where=where, way=way, **kind):
                    run = self.drained([victim("drain_memory_taken"), where, way, str(count)],
                                       **kind)
                    data = []
                    reader = threading.Thread(target=lambda run=run, to=data: to.append(run.read()))
                    reader.start()
                    self.assertEqual(run.wait(), 0)
                    reader.join(DEADLINE_S)
                    self.assertEqual(len(data[0]), int(run.process.stdout.read()))
                    self.assertEqual(set(data[0]), {0})
                    self.doCleanups()

    def test_static_data(self):
        self.each("static", 2000)

    def test_stack(self):
        self.each("stack", 2000, ("mprotect", "syscall"))  # a hole in it is mapped again as it grows

    def test_under_a_filter_that_kills_for_the_copy(self):
        self.each("filtered", 2000)

    def test_mapped_memory(self):
        self.each("mapped", 2000)

    def test_by_another_thread_in_the_middle_of_a_write(self):
        self.each("race", 2000)


if __name__ == "__main__":
    unittest.main()
