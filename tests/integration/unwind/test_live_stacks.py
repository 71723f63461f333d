#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The stacks of programs of all kinds, interrupted anywhere, as the library and as libunwind unwind
them. `make test-unwind` takes all of tests/reference/programs.txt, `make test` each tenth.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../../..")
BUILD = os.path.abspath(os.environ.get("PIPESHIM_BUILD", "build"))
PRELOADED = os.path.join(BUILD, "tests/reference/live_stacks.so")
PROGRAMS = os.path.join(ROOT, "tests/reference/programs.txt")
SWEEP = os.environ.get("PIPESHIM_TEST_SWEEP")
LONGEST_S = 2
TALLY = re.compile(r"(\d+) (.*): (\d+) stacks, (\d+) frames, (\d+) farther, (\d+) different$")


def commands():
    with open(PROGRAMS, encoding="utf-8") as file:
        lines = [line.strip() for line in file if not line.startswith("#")]
    lines = [line for line in lines if shutil.which(line.split()[0])]
    return lines if SWEEP else lines[::10]


def tallies(text):
    """The last counts of each process: {pid: (name, stacks, frames, farther, different)}."""
    found = {}
    for line in text.splitlines():
        match = TALLY.match(line)
        if match:
            found[match[1]] = (match[2],) + tuple(int(n) for n in match.groups()[2:])
    return found


class LiveStacks(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.log = os.path.join(self.folder, "log")
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            text = file.read()
        with open(os.path.join(self.folder, "text"), "w", encoding="utf-8") as file:
            file.write(text * (4000000 // len(text)))
        subprocess.run(["gzip", "-k", os.path.join(self.folder, "text")], check=True)
        with open(os.path.join(self.folder, "loop.tcl"), "w", encoding="utf-8") as file:
            file.write("for {set i 0} {$i < 1000000} {incr i} {set a [expr {$i * 2}]}\n")

    def run_under_both(self, command):
        environment = dict(os.environ, LIVE_STACKS=self.log, text=os.path.join(self.folder, "text"),
                           code="shim/watch/lag.c", out=self.folder,
                           lib=os.path.realpath("/lib/x86_64-linux-gnu/libc.so.6"))
        # The shell that expands the line is not under it.
        program = subprocess.Popen(
            ["/bin/bash", "-c", "LD_PRELOAD=%s exec %s" % (PRELOADED, command)], cwd=ROOT,
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            program.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGTERM)
            try:
                program.wait(LONGEST_S)
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, signal.SIGKILL)
                program.wait()

    def test_same_frames_as_libunwind(self):
        programs = commands()
        for command in programs:
            self.run_under_both(command)
        with open(self.log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        counts = list(tallies(text).values())
        stacks, frames, farther, different = (sum(c[i] for c in counts) for i in range(1, 5))
        print("%d commands, %d processes of %d programs: %d stacks, %d frames; %d where libunwind "
              "ends at code without tables, %d different"
              % (len(programs), len(counts), len({c[0] for c in counts}), stacks, frames, farther,
                 different), file=sys.stderr)
        differences = [line for line in text.splitlines() if line.startswith("different")]
        self.assertEqual((different, differences), (0, []))
        self.assertGreater(stacks, 10 * len(programs))


if __name__ == "__main__":
    sys.exit(unittest.main())
