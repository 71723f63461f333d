#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the looks at who waits for whom cost together is bounded, however often one is wanted; and
those that could not be paid for at once are made later."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import PipeshimCase, wait_until  # noqa: E402

STALLS, PIPE = 200, 65536
# Of CPU: its share, what may be saved up, and the looks of one pass (EVENTS.md).
RATIO, SAVED_MS, LOOKS_OF_A_PASS = 150, 100, 5
# Each write but the first waits for its reader, in the end one for ever.
WRITES = """
import os, sys, threading
for _ in range(%d + 1):
    os.write(1, bytes(%d))
own = os.pipe()
threading.Thread(target=os.write, args=(own[1], bytes(2 * %d)), daemon=True).start()
sys.stdin.read()
""" % (STALLS, PIPE, PIPE)


class Looks(PipeshimCase):
    def test_all_together_are_bounded(self):
        """A writer that stalls all the time: each stall alone would be worth a look."""
        run = self.start("/usr/bin/python3", "-c", WRITES, settings={"PIPESHIM_THRESHOLD": "1ms"})
        path = os.path.join(run.folder, "log.%d" % run.process.pid)
        told, position = 0, 0
        for stall in range(1, STALLS + 1):
            def is_told():
                nonlocal told, position
                if not os.path.exists(path):
                    return False
                with open(path, "rb") as log:
                    log.seek(position)
                    text = log.read()
                text = text[:text.rfind(b"\n") + 1]
                told += text.count(b'"event":"blocked"')
                position += len(text)
                return told >= stall
            wait_until(is_told, "stall %d" % stall)
            left = PIPE
            while left > 0:
                left -= len(os.read(run.readers[0], left))
        # At 1 ms a test that gets no CPU is a reader that is away.
        wait_until(lambda: "self_reader" in [e["kind"] for e in run.events("finding")], "finding")
        self.assertEqual(run.drain()[2], 0)
        summary = run.events("summary")[0]
        self.assertGreaterEqual(summary["looks"], 2)
        self.assertGreater(summary["looks_ms"], 0)
        self.assertLessEqual(summary["longest_look_ms"], summary["looks_ms"])
        self.assertLessEqual(summary["looks_ms"], summary["run_ms"] / RATIO + SAVED_MS +
                             LOOKS_OF_A_PASS * summary["longest_look_ms"], summary)


if __name__ == "__main__":
    sys.exit(unittest.main())
