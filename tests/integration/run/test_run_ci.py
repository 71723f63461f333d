#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""pipeshim run in continuous integration: statuses, time-outs, annotations."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import BUILD, read_text, wait_until  # noqa: E402

PIPESHIM = os.path.join(BUILD, "pipeshim")
PYTHON = "/usr/bin/python3"
# Fills its child's pipe, is told, then reads: ends with 0.
HANGS_A_WHILE = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import os; os.write(1, bytes(200000))"],
                         stdout=subprocess.PIPE)
try:
    child.wait(float(sys.argv[1]))
except subprocess.TimeoutExpired:
    pass
child.communicate()
"""
HANGS = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import os; os.write(1, bytes(200000))"],
                         stdout=subprocess.PIPE)
child.wait()
"""


class RunCi(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def script(self, code, name="parent.py"):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(code)
        return path

    def run_it(self, *arguments, **environment):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PIPESHIM", "GITHUB"))}
        clean["PIPESHIM_BUILD"] = BUILD
        return subprocess.run([PIPESHIM, "run", *arguments], env={**clean, **environment},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=180)

    def run_until(self, words, first, part, **environment):
        """HANGS with a --timeout that leaves time for these words in the part before its end (0),
        or for the program to hang at all (1): a busy machine needs more than a second."""
        for timeout in (first, "8s", "30s", "100s"):
            done = self.run_it("--timeout", timeout, "--", PYTHON, self.script(HANGS), **environment)
            if words in done.stderr.split("(--timeout)")[part]:
                break
        return done

    def test_fail_on(self):
        path = self.script(HANGS_A_WHILE)
        for rules, status in (("blocked", 86), ("blocked>150ms,lag", 86), ("finding,deadlock", 86),
                              ("blocked>1000s", 0), ("drop,self_reader", 0)):
            with self.subTest(rules=rules):
                done = self.run_it("--fail-on", rules, "--", PYTHON, path, "2.5")
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertEqual("by --fail-on" in done.stderr, status == 86)

    def test_fail_on_of_what_ends_well(self):
        path = self.script("import subprocess\nsubprocess.run(['seq', '100000'], capture_output=1)")
        done = self.run_it("--fail-on", "deadlock,finding,blocked>5s,lag>5s", "--", PYTHON, path)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_failure_of_its_own_comes_first(self):
        path = self.script(HANGS_A_WHILE + "sys.exit(3)")
        done = self.run_it("--fail-on", "blocked", "--", PYTHON, path, "1")
        self.assertEqual(done.returncode, 3)

    def test_timeout(self):
        done = self.run_until("DEADLOCK", "1500ms", 1)
        self.assertEqual(done.returncode, 124, done.stderr)
        told = done.stderr[done.stderr.index("(--timeout)"):]
        self.assertRegex(told, r"pipeshim: DEADLOCK python3\[\d+\] <-> parent\.py\[\d+\]")
        self.assertRegex(told, r"#\d+ Popen.wait +\S+/subprocess\.py:\d+")
        self.assertRegex(told, r"> \S+/parent\.py:5 <module> +child\.wait\(\)")

    def test_timeout_that_does_not_come(self):
        self.assertEqual(self.run_it("--timeout", "50s", "--", "true").returncode, 0)
        self.assertEqual(self.run_it("--timeout", "50s", "--", "false").returncode, 1)

    def test_what_is_wrong_starts_nothing(self):
        marker = os.path.join(self.folder, "started")
        for options, word in ((["--threshold", "soon"], "PIPESHIM_THRESHOLD"),
                              (["--log", self.folder + "/no/such/log"], "No such file"),
                              (["--log", self.folder], "directory"),
                              (["--log", self.folder + "/" + 300 * "x"], "too long"),
                              (["--log", "fd:99"], "no such descriptor"),
                              (["--suppress", self.folder + "/none"], "PIPESHIM_SUPPRESS"),
                              (["--metrics", self.folder + "/no/such.prom"], "PIPESHIM_METRICS"),
                              (["--drain-spool", self.folder + "/no/such"], "PIPESHIM_DRAIN_SPOOL"),
                              (["--only", "other", "--threshold", "soon"], "PIPESHIM_THRESHOLD"),
                              (["--off", "--threshold", "soon"], "PIPESHIM_THRESHOLD"),
                              (["--drain-max", "7"], "PIPESHIM_DRAIN_MAX"),
                              (["--fail-on", "deadlock,thing"], "'thing'"),
                              (["--timeout", "0"], "--timeout")):
            with self.subTest(options=options):
                done = self.run_it(*options, "--", "touch", marker)
                self.assertEqual(done.returncode, 64, done.stderr)
                self.assertIn(word, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)
                self.assertFalse(os.path.exists(marker))
        done = self.run_it("--", "touch", marker, PIPESHIM_RATE="often")
        self.assertEqual((done.returncode, os.path.exists(marker)), (64, False))

    def test_the_log_of_a_program_with_nothing_to_tell(self):
        """In one file it has its summary; with %p it leaves none, and nobody says that it was not
        watched."""
        one = os.path.join(self.folder, "one.jsonl")
        done = self.run_it("--json", "--log", one, "--", "true")
        self.assertNotIn("none loaded", done.stderr)
        wait_until(lambda: read_text(one).count("\n") == 2, "its two lines")  # a disk may be slow
        events = [json.loads(line)["event"] for line in read_text(one).splitlines()]
        self.assertEqual(events, ["start", "summary"])
        each = os.path.join(self.folder, "each.%p.jsonl")
        done = self.run_it("--json", "--log", each, "--", "true")
        self.assertEqual(done.stderr, f"pipeshim: reports, if any, are in {each}\n")

    def test_each_deadlock_is_shown_once(self):
        done = self.run_until("DEADLOCK", "2s", 0)
        live = done.stderr[:done.stderr.index("(--timeout)")]
        self.assertEqual(live.count("pipeshim: DEADLOCK"), 1, live)
        self.assertRegex(live, r"> \S+/parent\.py:5 <module> +child\.wait\(\)")
        self.assertIn("16 of 16 slots", live)

    def test_github(self):
        summary = os.path.join(self.folder, "summary.md")
        done = self.run_until("::error", "2s", 0, GITHUB_ACTIONS="true",
                              GITHUB_STEP_SUMMARY=summary, GITHUB_WORKSPACE=self.folder)
        notes = [line for line in done.stderr.splitlines() if line.startswith("::")]
        self.assertEqual(len(notes), 1, done.stderr)
        self.assertRegex(notes[0], r"^::error file=parent\.py,line=5,title=pipeshim DEADLOCK::python3")
        with open(summary) as file:
            text = file.read()
        self.assertRegex(text, r"\| parent\.py \(\d+\) \| wait4 \d+")
        self.assertIn("**fix:** do not wait before reading", text)
        self.assertRegex(text, r"(?m)^### pipeshim: DEADLOCK \S+ \\<-\\> parent\.py")
        self.assertRegex(text, r"\| parent\.py:5 \\<module\\> \|")
        done = self.run_it("--", "true", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=summary + "2")
        self.assertNotIn("::", done.stderr)
        self.assertFalse(os.path.exists(summary + "2"))


if __name__ == "__main__":
    sys.exit(unittest.main())
