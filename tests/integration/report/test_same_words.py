#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The text log, `run`, `report` and `diagnose` say the same of one thing, word for word. Only numbers
differ between one run and the next."""
import json
import os
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import BUILD, DEADLINE_S, LIBRARY, PipeshimCase, read_text, wait_until  # noqa: E402

PYTHON = "/usr/bin/python3"
TOOL = os.path.join(BUILD, "pipeshim")
# Both wait until they are ended.
DEADLOCK = """import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import os; os.write(2, bytes(200000))"], stderr=subprocess.PIPE)
child.wait()
"""
AWAY = """import subprocess, sys, threading
child = subprocess.Popen([sys.executable, "-c", "import os; os.write(1, bytes(200000))"], stdout=subprocess.PIPE)
threading.Event().wait()
"""
LAG = """import asyncio, time
async def main():
    while True:
        for _ in range(20): await asyncio.sleep(0.001)
        end = time.monotonic() + 0.5
        while time.monotonic() < end: pass
asyncio.run(main())
"""


def block(text, begin):
    """The first thing told in `text` that begins with `begin`: its line, and those that are indented below it, as
    soon as all of it is there."""
    lines = (text or "").split("\n")
    at = [i for i, line in enumerate(lines) if re.match("(pipeshim: )?" + begin, line)]
    if not at:
        return None
    found = [re.sub("^pipeshim: ", "", lines[at[0]])]
    for line in lines[at[0] + 1:-1]:  # the last one is not ended
        if not line.startswith("  "):
            return found
        found.append(line)
        if line.startswith("  now: "):
            return found
    return None


def without_numbers(lines):
    """As they are but for numbers, how long it had lasted, and when `report` says that it was found."""
    lines = [re.sub(r"  stuck for (at least )?\d+\.\d s", "", line) for line in lines]
    return [re.sub(r"\d+", "N", line) for line in lines if not line.startswith("  found at ")]


class SameWords(PipeshimCase):
    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()

    def start_program(self, program, *command, **settings):
        path = os.path.join(self.folder, "program.py")
        if not os.path.exists(path):  # a source that is newer than its process is not shown
            with open(path, "w", encoding="utf-8") as file:
                file.write(program)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM_")}
        with open(os.path.join(self.folder, "stderr"), "w", encoding="utf-8") as stderr:
            process = subprocess.Popen([*command, PYTHON, path], stdin=subprocess.DEVNULL, stderr=stderr,
                                       env={**environment, **settings}, start_new_session=True)
        self.addCleanup(process.wait)
        self.addCleanup(lambda: os.killpg(process.pid, 9))
        return process

    def logged(self, program, begin, log_format):
        """The process, and its log in which the thing was told."""
        log = os.path.join(self.folder, "log." + log_format)
        process = self.start_program(program, LD_PRELOAD=LIBRARY, PIPESHIM_LOG=log,
                                     PIPESHIM_FORMAT=log_format)
        wait_until(lambda: re.search(begin + ".*\n", read_text(log) or ""), begin)
        return process, log

    def text_log(self, program, begin):
        process, log = self.logged(program, begin, "text")
        return process, wait_until(lambda: block(read_text(log), begin), begin)

    def run_says(self, program, begin):
        self.start_program(program, TOOL, "run", "--")
        seen = os.path.join(self.folder, "stderr")
        return wait_until(lambda: block(read_text(seen), begin), begin)

    def report_says(self, program, begin, name):
        _, log = self.logged(program, '"event":"%s"' % name, "json")
        return block(subprocess.run([TOOL, "report", log], capture_output=True, text=True, check=True,
                                    timeout=DEADLINE_S).stdout, begin)

    def diagnose_says(self, process, begin):
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:  # a busy machine may have moved between two looks
            done = subprocess.run([TOOL, "diagnose", str(process.pid)], capture_output=True, text=True,
                                  timeout=DEADLINE_S, check=False)
            found = block(done.stdout, begin)
            if found:
                return found
        return self.fail("diagnose does not say " + begin)

    def compare(self, program, begin, event, last):
        process, logged = self.text_log(program, begin)
        wanted = without_numbers(logged)
        self.assertTrue(wanted[-1].startswith(last), wanted)
        self.assertGreater(len(wanted), 5)
        said = {"run": self.run_says(program, begin),
                "report": self.report_says(program, begin, event),
                "diagnose": self.diagnose_says(process, begin)}
        for who, lines in said.items():
            with self.subTest(who):
                self.assertEqual(without_numbers(lines), wanted)

    def test_a_deadlock(self):
        self.compare(DEADLOCK, r"DEADLOCK ", "deadlock", "  now: pipeshim rescue")

    def test_a_finding(self):
        self.compare(AWAY, r"STUCK reader_away ", "finding", "  now: pipeshim rescue")

    def test_a_lag(self):
        """diagnose has no verdict about it. Its cause, and so its mend, is another one on a busy machine."""
        first = re.compile(r"cause \w+: .*")
        logged = self.text_log(LAG, "LAG ")[1]
        shown = self.run_says(LAG, "LAG ")
        self.assertEqual(*[first.sub("", without_numbers(lines)[0]) for lines in (logged, shown)])
        for lines in logged, shown:
            self.assertTrue([line for line in lines if line.startswith("  fix: ")], lines)
        log = self.logged(LAG, '"event":"lag"', "json")[1]
        said = subprocess.run([TOOL, "report", log], capture_output=True, text=True, check=True,
                              timeout=DEADLINE_S).stdout
        advice = [json.loads(line)["advice"] for line in read_text(log).splitlines()
                  if '"event":"lag"' in line]
        self.assertTrue(any("    advice: %s\n" % one in said for one in advice), said)


if __name__ == "__main__":
    sys.exit(unittest.main())
