#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The watchdog's thread has no thread-local variables: however large the program's are, and whoever
has put functions with some before libc's, it reports and touches nothing of them."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import PipeshimCase, symbols_of

SOURCE = os.path.join(os.path.dirname(__file__), "../../victims/thread_local.c")
SIZES = (20000, 32 << 10, 65536, 300 << 10, 500 << 10, 700 << 10, 1 << 20, 7 << 20)


class ThreadLocal(PipeshimCase):
    def build(self, *options):
        program = os.path.join(self.temporary_folder(), "thread_local")
        made = subprocess.run(["gcc", "-O1", "-g", "-fno-inline", *options, "-o", program, SOURCE,
                               "-pthread"], capture_output=True, text=True)
        if made.returncode != 0:
            self.skipTest("gcc %s: %s" % (options, made.stderr.strip().splitlines()[-1]))
        return program

    def check(self, program, *arguments):
        run = self.start(program, *arguments)
        blocked = run.wait_for("blocked")[0]
        self.assertIn("get_stuck", symbols_of(blocked))
        result = run.drain()
        self.assertEqual(result[1:], (b"intact 1\n", 7))
        self.assertEqual(result, self.result_without(program, *arguments))

    def test_any_size(self):
        for size in SIZES:
            with self.subTest(size):
                program = self.build("-DTLS_BYTES=%d" % size)
                self.check(program)
                self.check(program, "thread")

    def test_thread_sanitizer(self):
        program = self.build("-fsanitize=thread")
        for _ in range(10):
            self.check(program)


if __name__ == "__main__":
    sys.exit(unittest.main())
