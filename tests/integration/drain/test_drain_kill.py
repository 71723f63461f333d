# SPDX-License-Identifier: MIT
"""kill -9 at random moments: what write() acknowledged arrives, in order and once."""
import os
import random
import struct
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, victim, wait_until  # noqa: E402

KILLS = 200
SIZES = ((1, 200), (1, 4096), (3000, 20000), (90000, 100000))
PATTERN = bytes(i % 251 for i in range(251))


class Kill(DrainCase):
    def counter(self, sizes, **options):
        file = tempfile.NamedTemporaryFile()
        file.write(bytes(8))
        file.flush()
        self.addCleanup(file.close)
        command = [victim("drain_counter"), file.name, str(sizes[0]), str(sizes[1])]
        return self.drained(command, **options), file.name

    @staticmethod
    def acknowledged(name):
        with open(name, "rb") as file:
            return struct.unpack("Q", file.read(8))[0]

    def test_kill_9_at_random_moments(self):
        seed = int(os.environ.get("PIPESHIM_TEST_SEED", time.time_ns() % 1000000))
        choose = random.Random(seed)
        queued = 0
        for number in range(KILLS):
            sizes = choose.choice(SIZES)
            mode = choose.choice(("full", "behind"))
            run, name = self.counter(sizes, DRAIN_MODE=mode, DRAIN_MAX="4M")
            reads = choose.random() < 0.3
            before = []
            if reads:  # a reader that lives, and goes on after the kill
                thread = threading.Thread(target=lambda: before.append(run.read(most=30000)))
                thread.start()
            wait_until(lambda: self.acknowledged(name) > 0, "first write")
            time.sleep(choose.random() * 0.03)  # the moment of the kill, not a wait for an event
            run.process.kill()
            run.process.wait()
            if reads:
                thread.join()
            data = before[0] if reads else run.read()
            said = self.acknowledged(name)
            queued += said > 65536 and not reads
            what = "seed %d, kill %d, sizes %s, %s: %d read, %d acknowledged" % (
                seed, number, sizes, mode, len(data), said)
            self.assertGreaterEqual(len(data), said, what)
            # The write that was killed may have arrived, unacknowledged; no more than it.
            self.assertLessEqual(len(data), said + sizes[1], what)
            self.assertTrue(data == (PATTERN * (len(data) // 251 + 1))[:len(data)], what)
            self.assert_helper_leaves(run)
            self.doCleanups()
        self.assertGreater(queued, KILLS // 4, "the queue was hardly used")


if __name__ == "__main__":
    unittest.main()
