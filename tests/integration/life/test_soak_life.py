#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Some seconds of `make soak-life`: random lives end as they do without the library."""
import os
import re
import subprocess
import sys
import unittest

SOAK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../soak/life_soak.py")
SECONDS = "8"


class Soak(unittest.TestCase):
    def test_random_lives(self):
        done = subprocess.run([sys.executable, SOAK, SECONDS], capture_output=True, text=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"\d+ lives ended as without the library")
        self.assertGreater(int(re.search(r"beside (\d+) reports", done.stdout)[1]), 0)


if __name__ == "__main__":
    sys.exit(unittest.main())
