# SPDX-License-Identifier: MIT
"""Questions and answers over drained pipes: what is written between other calls goes out at once, and
write-behind does not make each of them wait for the helper's next look."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import DEADLINE_S, PipeshimCase, victim  # noqa: E402

TURNS = 2000
PROGRAM = """
import os
a, b = os.pipe()
c, d = os.pipe()
if os.fork() == 0:
    while os.read(a, 1) == b"x":
        os.write(d, b"x")
    os._exit(0)
for _ in range(%d):
    os.write(b, b"x")
    os.read(c, 1)
os.write(b, b"q")
os.wait()
""" % TURNS
BURST = """
import os
r, w = os.pipe()
for _ in range(500):
    os.write(w, b"x" * 100)
"""


class RoundTrip(PipeshimCase):
    def queued_bytes(self, program, mode):
        run = self.start("/usr/bin/python3", "-S", "-E", "-c", program, settings={
            "PIPESHIM_DRAIN": "all", "PIPESHIM_DRAIN_EXIT": "0", "PIPESHIM_DRAIN_MODE": mode})
        run.process.stdin.close()
        self.assertEqual(run.process.wait(DEADLINE_S), 0)
        summaries = run.events("summary")
        return max(summary["drain"]["queued_bytes"] for summary in summaries)

    def test_single_bytes_there_and_back_are_not_queued(self):
        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                self.assertLess(self.queued_bytes(PROGRAM, mode), TURNS // 20)

    def test_the_first_write_of_all_can_be_read_at_once(self):
        """It follows none, so it is no part of a burst (LTP's select01)."""
        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                run = self.start(victim("drain_first_write"), settings={
                    "PIPESHIM_DRAIN": "all", "PIPESHIM_DRAIN_MODE": mode})
                self.assertEqual(run.process.wait(DEADLINE_S), 0)
                self.assertEqual(run.events("summary")[0]["drain"]["queued_bytes"], 0)

    def test_bursts_are(self):
        """The twin."""
        self.assertGreater(self.queued_bytes(BURST, "behind"), 20000)


if __name__ == "__main__":
    unittest.main()
