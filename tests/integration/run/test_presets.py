#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Presets: the README's table is that of the source, `start` names the one that is used, and each of
its settings has its effect."""
import glob
import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import BUILD, DEADLINE_S, LIBRARY, PipeshimCase, read_text, wait_until  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../..")
PRESETS = ("dev", "ci", "canary")
TOOL = os.path.join(os.path.abspath(BUILD), "pipeshim")
PYTHON = "/usr/bin/python3"
# As often as it is told to.
WRITES = """
import os, sys
for line in sys.stdin:
    os.write(2, b"x" * 70000)
"""
# Frames of C as deep as it is told; and an event loop that waits for a child.
DEEP = """
import os
def down(n):
    return os.write(2, b"x" * 70000) if n == 0 else sorted([0], key=lambda _: down(n - 1))
down(12)
"""
LOOP = """
import asyncio, subprocess
async def main():
    for _ in range(100):
        await asyncio.sleep(0.01)
    subprocess.run(["sleep", "1000"])
asyncio.run(main())
"""
DEADLOCK = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE)
child.wait()
"""
ROW = re.compile(r'^PRESET\((\w+), (NULL|"[^"]*"), (NULL|"[^"]*"), (NULL|"[^"]*")\)$', re.M)


def in_source():
    """{variable: (dev, ci, canary)}, "" for the default."""
    text = read_text(os.path.join(ROOT, "shim/config/presets.def"))
    return {"PIPESHIM_" + row[0]: tuple("" if v == "NULL" else v.strip('"') for v in row[1:])
            for row in ROW.findall(text)}


def in_readme():
    text = read_text(os.path.join(ROOT, "README.md"))
    table = text[text.index("| preset | `dev` | `ci` | `canary` |"):].split("\n\n")[0]
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")]
            for line in table.splitlines()[2:]]
    return {row[0]: tuple(row[1:]) for row in rows}


class Presets(PipeshimCase):
    def test_the_readme_has_the_table_of_the_source(self):
        self.assertGreater(len(in_source()), 5)
        self.assertEqual(in_readme(), in_source())

    def start_of(self, **settings):
        log = os.path.join(self.temporary_folder(), "log")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_LOG=log, PIPESHIM_FORMAT="json",
                           PIPESHIM_SUMMARY="always", **settings)
        subprocess.run(["/usr/bin/python3", "-c", "input()"], env=environment, check=True, input="x\n",
                       text=True, timeout=DEADLINE_S)
        events = [json.loads(line) for line in read_text(log).splitlines()]
        return next(event for event in events if event["event"] == "start")

    def test_start_names_it(self):
        for preset in PRESETS:
            self.assertEqual(self.start_of(PIPESHIM_PRESET=preset)["config"]["PIPESHIM_PRESET"], preset)
        self.assertNotIn("PIPESHIM_PRESET", self.start_of()["config"])

    def begin(self, *command, **settings):
        """In a folder of its own, where its log is."""
        folder = self.temporary_folder()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(LD_PRELOAD=os.path.abspath(LIBRARY), **settings)
        process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True)

        def end():
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()
        self.addCleanup(end)
        process.folder = folder
        return process

    def events(self, process, kind, log="log"):
        text = "".join(read_text(path) for path in glob.glob(os.path.join(process.folder, log)))
        found = [json.loads(line) for line in text.splitlines(True) if line.endswith("\n")]
        return [event for event in found if event["event"] == kind]

    def stuck(self, preset, log="log", **settings):
        """The event of a write that is stuck."""
        process = self.begin(PYTHON, "-c", DEEP, PIPESHIM_PRESET=preset, **settings)
        return wait_until(lambda: self.events(process, "blocked", log), "report")[0]

    def test_dev_is_the_default(self):
        process = self.begin(PYTHON, "-c", WRITES, PIPESHIM_PRESET="dev", PIPESHIM_LOG="log")
        process.stdin.write(b"1\n")
        process.stdin.flush()
        text = wait_until(lambda: read_text(os.path.join(process.folder, "log")), "report")
        self.assertTrue(text.startswith("pipeshim: "), text)
        event = self.stuck("dev", PIPESHIM_LOG="log", PIPESHIM_FORMAT="json")
        self.assertEqual(event["threshold_ms"], 100)
        self.assertGreater(len(event["stack"]), 16)

    def test_ci(self):
        own = "pipeshim-*-*.jsonl"
        event = self.stuck("ci", own)
        self.assertEqual(event["threshold_ms"], 250)
        process = self.begin(PYTHON, "-c", LOOP, PIPESHIM_PRESET="ci")
        wait_until(lambda: [e for e in self.events(process, "blocked", own)
                            if e["class"] == "child" and e["threshold_ms"] == 5000], "report of a child")
        self.assertTrue(os.path.exists(os.path.join(process.folder, "pipeshim-%s-%d.jsonl" % (
            os.path.basename(os.path.realpath(PYTHON)), process.pid))))

    def test_ci_ends_a_deadlock(self):
        process = self.begin(PYTHON, "-c", DEADLOCK, PIPESHIM_PRESET="ci", PIPESHIM_ACTION_AFTER="1s",
                             PIPESHIM_ONLY=os.path.basename(os.path.realpath(PYTHON)))
        process.wait(DEADLINE_S)  # whichever of the two ended first
        acted = self.events(process, "action", "pipeshim-*.jsonl")
        self.assertIn(("term", "deadlock"), [
            (action["action"], event["event"]) for action in acted
            for event in self.events(process, "deadlock", "pipeshim-*.jsonl")
            if (event["seq"], event["pid"]) == (action["ref"], action["pid"])])

    def test_canary_says_little(self):
        event = self.stuck("canary", PIPESHIM_LOG="log")
        self.assertEqual(event["threshold_ms"], 1000)
        self.assertIn(len(event["stack"]), (15, 16))  # without our own
        # Ten reports a minute, one in six seconds, and the others are counted.
        began = time.monotonic()
        process = self.begin(PYTHON, "-c", WRITES, PIPESHIM_PRESET="canary", PIPESHIM_LOG="log",
                             PIPESHIM_THRESHOLD="20ms")
        for number in range(1, 14):
            process.stdin.write(b"1\n")
            process.stdin.flush()
            wait_until(lambda: self.seen(process) == number, "stall %d" % number)
            left = 70000
            while left > 0:
                left -= len(os.read(process.stderr.fileno(), left))
        process.stdin.close()
        self.assertEqual(process.wait(DEADLINE_S), 0)
        told = len([e for e in self.events(process, "blocked") if e["class"] == "pipe_write"])
        self.assertLessEqual(told, (time.monotonic() - began) / 6 + 1)
        self.assertEqual(told + self.events(process, "summary")[0]["held_back"], 13)

    def seen(self, process):
        """Stalls that its watchdog has counted, told or not."""
        done = subprocess.run([TOOL, "top", "--json", "-n", "1", str(process.pid)], capture_output=True,
                              timeout=DEADLINE_S)
        for one in json.loads(done.stdout)["processes"] if done.stdout else []:
            return one.get("classes", {}).get("pipe_write", {}).get("blocked", 0)
        return 0


if __name__ == "__main__":
    unittest.main()
