#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A stall that is known is one line: how often before, for how long in all, and the user's line."""
import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import PipeshimCase, read_text, wait_until  # noqa: E402
from stuck_writer import StuckWriter, environment  # noqa: E402

SIZE = 100000  # a pipe takes 65,536: each write has to wait for its reader
PROGRAM = """import os
def copy():
    os.write(1, bytes(%d))
for _ in range(4):
    copy()
""" % SIZE


class Repeats(PipeshimCase):
    def run_of_four(self, reported, **settings):
        """The log of a program with four such writes, each read when it has been reported."""
        folder = self.temporary_folder()
        program, log = os.path.join(folder, "copier.py"), os.path.join(folder, "log")
        with open(program, "w") as file:
            file.write(PROGRAM)
        stuck = StuckWriter(self, ("/usr/bin/python3", "-S", program), PIPESHIM_LOG=log,
                            PIPESHIM_RATE="1000/s", **settings)
        for number in range(1, 5):
            wait_until(lambda: read_text(log).count(reported) >= number, "report %d" % number)
            left = SIZE
            while left:
                left -= len(os.read(stuck.reader, left))
        self.assertEqual(stuck.go_on()[1], 0)
        return read_text(log)

    def test_text(self):
        lines = self.run_of_four("pipeshim: BLOCKED").splitlines()
        first, *repeats = [line for line in lines if line.startswith("pipeshim: BLOCKED")]
        self.assertNotIn("before", first)
        self.assertEqual(len(repeats), 3)
        for number, line in enumerate(repeats, 1):
            self.assertRegex(line, r"copier\.py:3 copy, as %d times? before "
                                   r"\([0-9.]+ ms in all\)$" % number)
            after = lines[lines.index(line) + 1]
            self.assertTrue(after.startswith("pipeshim: "), "one line, not: " + after)
        # What has been told to go on (a slow machine) is told to have ended.
        ends = re.findall(r"RESOLVED .*\(report (\d+)\)", "\n".join(lines))
        went_on = set(re.findall(r"STILL .*\(report (\d+)\)", "\n".join(lines)))
        self.assertEqual(len(ends), len(set(ends)), "an end is told once")
        self.assertLessEqual(len(set(ends) - went_on), 1)
        self.assertLessEqual(went_on, set(ends))
        self.assertIn("2", ends, "the end of what was told in full")

    def test_json_has_each_end(self):
        events = [json.loads(line) for line in
                  self.run_of_four('"event":"blocked"', PIPESHIM_FORMAT="json").splitlines()]
        blocked = [event for event in events if event["event"] == "blocked"]
        ends = {event["ref"]: event for event in events if event["event"] == "unblocked"}
        went_on = {event["ref"] for event in events if event["event"] == "still"}
        self.assertEqual(set(ends), {event["seq"] for event in blocked})
        total = 0
        for number, event in enumerate(blocked):
            end = ends[event["seq"]]
            self.assertEqual(event.get("repeat", 0), number)
            self.assertEqual(end.get("repeat", 0), 0 if event["seq"] in went_on else number)
            self.assertAlmostEqual(event.get("repeat_ms", 0), total, delta=0.01)
            total += end["blocked_ms"]

    def blocked_of(self, code, **settings):
        log = os.path.join(self.temporary_folder(), "log")
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        process = subprocess.Popen(
            ["/usr/bin/python3", "-Sc", code], stdin=reader, stdout=writer,
            env=environment(PIPESHIM_LOG=log, PIPESHIM_FORMAT="json", **settings))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def told():
            events = [json.loads(line) for line in read_text(log).splitlines(True)
                      if line.endswith("\n")]
            return [event for event in events if event["event"] == "blocked"]
        return process.pid, wait_until(told, "report")[0]

    def test_what_would_have_taken_it(self):
        pid, event = self.blocked_of("import os; os.write(1, bytes(200000))")
        self.assertEqual(event["option"], "PIPESHIM_DRAIN=stdout")
        self.assertEqual(event["rescue"], "pipeshim rescue %d --fd 1" % pid)


if __name__ == "__main__":
    sys.exit(unittest.main())
