# SPDX-License-Identifier: MIT
"""The drainer remembers which pipe a descriptor is: whatever makes it another one is noticed."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, victim  # noqa: E402

WAYS = ("close", "dup2", "dup3", "close_range", "closefrom", "fclose", "freopen", "daemon",
        "syscall_close", "syscall_dup3", "vfork", "pclose")


class Changes(DrainCase):
    def test_bytes_go_where_the_descriptor_leads_now(self):
        for mode in ("full", "behind"):
            for how in WAYS:
                with self.subTest(how=how, mode=mode):
                    reader, writer = os.pipe()
                    run = self.drained([victim("drain_changes"), how, str(writer)],
                                       inherit=(writer,), DRAIN="all", DRAIN_MODE=mode)
                    os.close(writer)
                    self.assertEqual(run.wait(), 0)
                    first = run.read()
                    run.close_reader()
                    run.reader = reader
                    expected = 2000 if how == "vfork" else 1000
                    self.assertEqual((first, run.read()), (b"a" * expected, b"b" * 1000))
                    run.close_reader()


if __name__ == "__main__":
    unittest.main()
