#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Of the healthy twins of the hangs in test_corpus_hangs nothing is said, neither in a log nor by
diagnose, and they end by themselves."""
import concurrent.futures
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../corpus"))
import run_corpus  # noqa: E402
from corpus import all_cases  # noqa: E402


class Healthy(unittest.TestCase):
    def test_nothing_is_said(self):
        cases = [case for case in all_cases() if case["quick"] and not case.missing()]
        self.assertGreater(len(cases), 5)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for case, said in zip(cases, pool.map(run_corpus.run_healthy, cases)):
                with self.subTest(case=case.name):
                    self.assertEqual(said, [])


if __name__ == "__main__":
    sys.exit(unittest.main())
