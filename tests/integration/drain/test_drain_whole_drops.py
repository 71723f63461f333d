# SPDX-License-Identifier: MIT
"""drop-new and drop-old drop whole writes: also one that had begun, one larger than the bound, and
one whose room is taken by another pipe's queue."""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import DEADLINE_S, PipeshimCase, wait_until  # noqa: E402
from drain_case import read_soon  # noqa: E402

POLICIES = ("drop-new", "drop-old")
LARGER_THAN_BOUND = """
import os, sys
os.write(2, b"h" + b"x" * 1999998 + b"t")
os.write(2, b"the next")
sys.stdin.read()
"""
BOUND_TAKEN = """
import os, sys
for i in range(3000):
    os.write(2, b"e" * 1000)
for line in sys.stdin:
    for i in range(10):
        os.write(1, b"h" + b"x" * 99998 + b"t")
"""
# Each round: a write that begins in a new pipe, and then at once more than the bound.
BEGUN = """
import os, sys
for number in range(300):
    reader, writer = os.pipe()
    begun, other = b"h" + b"x" * 69998 + b"t", b"y" * 3000
    for data in [begun] + [other] * 60:
        os.write(writer, data)
    os.close(writer)
    got = b""
    while chunk := os.read(reader, 65536):
        got += chunk
    os.close(reader)
    if got.strip(b"y") != begun:
        os.write(1, b"round %d: %d bytes of a write of %d\\n" % (number, got.count(b"x"), 70000))
        break
os.write(1, b"end\\n")
"""
BEHIND_A_LONG_WRITE = """
import os, sys
os.write(2, b"h" + b"x" * 299998 + b"t")
for i in range(3000):
    os.write(2, b"%09d\\n" % i * 100)
os.write(1, b"done\\n")
sys.stdin.read()
"""


class WholeDrops(PipeshimCase):
    def drained(self, program, **settings):
        settings = {"PIPESHIM_" + key: value for key, value in settings.items()}
        return self.start("/usr/bin/python3", "-S", "-E", "-c", program, settings={
            "PIPESHIM_DRAIN": "stdio", "PIPESHIM_DRAIN_EXIT": "0", "PIPESHIM_DRAIN_MAX": "1M",
            **settings})

    def test_write_that_is_larger_than_the_bound(self):
        whole = b"h" + b"x" * 1999998 + b"t"
        for mode in ("full", "behind"):
            for policy in POLICIES:
                with self.subTest(mode=mode, policy=policy):
                    run = self.drained(LARGER_THAN_BOUND, DRAIN_MODE=mode, DRAIN_OVERFLOW=policy)
                    wait_until(lambda run=run: [e for e in run.events() if e["event"] in
                                                ("drain_drop", "drain_start", "blocked")],
                               "end of the pipe's room")
                    out, err, status = run.drain()
                    dropped = run.events("summary")[0]["drain"]["dropped_bytes"]
                    outcome = (err == whole + b"the next", err == b"the next", dropped)
                    self.assertIn(outcome, ((True, False, 0), (False, True, len(whole))))

    def test_bound_that_another_pipe_has_taken(self):
        """stdout is read all the time, stderr never."""
        for policy in POLICIES:
            with self.subTest(policy=policy):
                run = self.drained(BOUND_TAKEN, DRAIN_OVERFLOW=policy)
                run.wait_for("drain_drop")
                chunks = []

                def read(run=run, chunks=chunks):
                    while chunk := os.read(run.readers[0], 65536):
                        chunks.append(chunk)

                reader = threading.Thread(target=read, daemon=True)
                reader.start()
                run.process.stdin.write(b"go on\n")
                run.process.stdin.close()
                self.assertEqual(run.process.wait(DEADLINE_S), 0)
                reader.join(DEADLINE_S)
                out = b"".join(chunks)
                whole = b"h" + b"x" * 99998 + b"t"
                self.assertEqual((out.count(b"h"), len(out)),
                                 (out.count(whole), out.count(whole) * len(whole)))

    def test_write_that_had_begun(self):
        """Its first 64 KiB went into the pipe, the rest into the queue."""
        for policy in POLICIES:
            with self.subTest(policy=policy):
                run = self.drained(BEGUN, DRAIN="all", DRAIN_MAX="64K", DRAIN_OVERFLOW=policy)
                run.begin_drain()
                out, err, status = run.finish()
                self.assertEqual(out, b"end\n")

    def test_drop_old_behind_a_long_write(self):
        """Its first part is in the pipe and cannot be taken back: what does not fit beside the rest
        is dropped, and counted."""
        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                run = self.drained(BEHIND_A_LONG_WRITE, DRAIN="stderr", DRAIN_MODE=mode,
                                   DRAIN_OVERFLOW="drop-old")
                self.assertEqual(read_soon(run.readers[0]), b"done\n")
                out, err, status = run.drain()
                start = 300000 if err.startswith(b"h" + b"x" * 299998 + b"t") else 0
                numbers = [int(err[at:at + 9]) for at in range(start, len(err), 1000)]
                self.assertEqual(numbers, sorted(set(numbers)))
                self.assertEqual(err[start:], b"".join(b"%09d\n" % i * 100 for i in numbers))
                dropped = run.events("summary")[0]["drain"]["dropped_writes"]
                self.assertEqual(len(numbers) + (start > 0) + dropped, 3001)


if __name__ == "__main__":
    unittest.main()
