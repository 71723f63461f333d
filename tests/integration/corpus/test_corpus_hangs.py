#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""One real hang of each family (those marked `quick` in tests/corpus) is told from the parent alone,
from the child alone, from both, and by diagnose: verdict, both ends, the line to change."""
import concurrent.futures
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../corpus"))
import run_corpus  # noqa: E402
import verdict  # noqa: E402
from corpus import all_cases  # noqa: E402

DEADLINE_S = 120


def diagnose(case, run, wanted):
    """On a busy machine a program may stand still before it hangs: again, until all is said."""
    end = time.monotonic() + DEADLINE_S
    while True:
        found = run_corpus.diagnose_hang(case, run)
        if all(found[part] for part in wanted) or time.monotonic() > end:
            return found


def look(case):
    """What was found in each way, by its name."""
    wanted = case.wanted(verdict.PARTS)
    hang_s, diagnosed = run_corpus.run_bare(case, lambda run: diagnose(case, run, wanted))
    results = {"diagnose": diagnosed}
    for side in run_corpus.SIDES:
        if case["child"] or side != "child alone":
            results[side] = run_corpus.run_with_library(case, side, hang_s, DEADLINE_S, wanted)
    return results


class Hangs(unittest.TestCase):
    def test_each_is_told(self):
        cases = [case for case in all_cases() if case["quick"]]
        self.assertGreater(len(cases), 5)
        ran = [case for case in cases if not case.missing()]
        for case in set(cases) - set(ran):
            print("left out: %s: no %s" % (case.name, case.missing()))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for case, results in zip(ran, pool.map(look, ran)):
                for side, found in results.items():
                    for part in case.wanted(verdict.PARTS):
                        with self.subTest(case=case.name, side=side, part=part):
                            self.assertTrue(found[part], found)


if __name__ == "__main__":
    sys.exit(unittest.main())
