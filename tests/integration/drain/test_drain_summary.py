# SPDX-License-Identifier: MIT
"""The summary says what was rescued: which pipe, who did not read it and where he stood, how much was
queued at most, what became of it, for how long the program would have hung."""
import glob
import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import (BUILD, DEADLINE_S, LIBRARY, PipeshimCase, read_text,  # noqa: E402
                           victim, wait_until)

# Does not read its child's stderr for a while: line 6 is where it stands.
CARELESS = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stderr=subprocess.PIPE)
print(child.pid, flush=True)
def forgets():
    sys.stdin.readline()
forgets()
sys.stdout.buffer.write(b"%d" % len(child.stderr.read()))
"""
STANDS_IN_LINE = 6
FILL = ("/usr/bin/python3", "-S", "-c", "import os; os.write(2, b'x' * 300000)")
BEYOND = 300000 - 65536
# Writes small records to a pipe that has space for all of them, however late its reader runs.
CHATTER = """
import fcntl, os, time
fcntl.fcntl(1, 1031, 1 << 20)  # F_SETPIPE_SZ
for _ in range(20):
    for _ in range(500):
        os.write(1, b"x" * 64)
    time.sleep(0.01)
"""


class Summary(PipeshimCase):
    def careless(self, **settings):
        """A parent that reads when it is told; its folder, and its child's pid."""
        variables = dict({"DRAIN": "stderr", "DRAIN_EXIT": "wait", "FORMAT": "json",
                          "LOG": "log.%p"}, **settings)
        return self.careless_of("env", "LD_PRELOAD=" + LIBRARY,
                                *("PIPESHIM_%s=%s" % item for item in variables.items()), *FILL)

    def careless_of(self, *command):
        folder = self.temporary_folder()
        script = os.path.join(folder, "careless.py")
        with open(script, "w") as file:
            file.write(CARELESS)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        parent = subprocess.Popen(["/usr/bin/python3", script, *command], cwd=folder,
                                  env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(parent.wait)
        self.addCleanup(parent.kill)
        self.addCleanup(parent.stdout.close)
        self.addCleanup(parent.stdin.close)
        return folder, parent, int(parent.stdout.readline())

    @staticmethod
    def log(folder):
        return "".join(read_text(path) for path in glob.glob(folder + "/log.*"))

    def events(self, folder, kind):
        return [event for event in map(json.loads, self.log(folder).splitlines())
                if event["event"] == kind]

    def go_on(self, parent):
        parent.stdin.close()
        self.assertEqual(parent.stdout.read(), b"300000")
        self.assertEqual(parent.wait(DEADLINE_S), 0)

    def rescue_of(self, folder, parent):
        """The summary's only one: its stderr, which the parent has read after all."""
        wait_until(lambda: self.events(folder, "summary"), "summary")
        rescue, = self.events(folder, "summary")[0]["drain"]["rescued"]
        self.assertEqual(rescue["fd"], 2)
        self.assertRegex(rescue["object"], r"^pipe:\[\d+\]$")
        self.assertEqual((rescue["reader"]["pid"], rescue["reader"]["name"]),
                         (parent.pid, "careless.py"))
        self.assertEqual(rescue["reader"]["where"],
                         "%s/careless.py:%d forgets" % (folder, STANDS_IN_LINE))
        self.assertEqual((rescue["lost_bytes"], rescue["handed_over_bytes"],
                          rescue["spooled_bytes"], rescue["to_the_end"]), (0, 0, 0, False))
        return rescue

    def test_who_did_not_read_and_for_how_long(self):
        folder, parent, child = self.careless()
        wait_until(lambda: self.events(folder, "drain_wait"), "an exit that waits for a second")
        self.go_on(parent)
        rescue = self.rescue_of(folder, parent)
        self.assertGreater(rescue["hung_ms"], 800)
        self.assertGreaterEqual(rescue["peak_bytes"], BEYOND)

    def test_in_words(self):
        folder, parent, child = self.careless(FORMAT="text", DRAIN_EXIT="8s")
        wait_until(lambda: "\npipeshim: SUMMARY" in self.log(folder), "summary")
        line, = re.findall(r"(?m)^  rescued: .*$", self.log(folder))
        self.assertRegex(line, r"^  rescued: stderr \(pipe:\[\d+\]\) was not read by careless\.py "
                         r"\(%d\), which stood at %s/careless\.py:%d forgets: this program would "
                         r"have hung for [\d.]+ ms, until its end and beyond; at most \d+ bytes "
                         r"queued, nothing lost, %d handed over$" % (
                             parent.pid, re.escape(folder), STANDS_IN_LINE, BEYOND))
        self.go_on(parent)

    def test_what_was_lost(self):
        """The reader goes away with all of it."""
        folder, parent, child = self.careless()
        wait_until(lambda: self.events(folder, "drain_wait"), "an exit that waits")
        parent.kill()
        parent.wait()
        wait_until(lambda: self.events(folder, "summary"), "summary")
        rescue, = self.events(folder, "summary")[0]["drain"]["rescued"]
        self.assertEqual(rescue["lost_bytes"], BEYOND)

    def relayed(self, *options):
        """The same of a program that cannot load the library."""
        return self.careless_of(os.path.abspath(os.path.join(BUILD, "pipeshim")), "run", "--drain",
                                "stderr", *options, "--log", "log.%p", "--",
                                os.path.abspath(victim("static_writer")), "2", "4000", "0")

    def end_relayed(self, parent):
        parent.stdin.close()
        self.assertTrue(parent.stdout.read().startswith(b"done\n"))
        self.assertEqual(parent.wait(DEADLINE_S), 0)

    def test_of_a_relay(self):
        """It has moved on when its reader reads: nothing is lost."""
        folder, parent, child = self.relayed("--json", "--drain-exit", "wait")
        wait_until(lambda: self.events(folder, "drain_start"), "drain_start")
        self.end_relayed(parent)
        rescue = self.rescue_of(folder, parent)
        self.assertGreaterEqual(rescue["hung_ms"], 100)
        self.assertGreater(rescue["peak_bytes"], 0)

    def test_of_a_relay_in_words(self):
        folder, parent, child = self.relayed("--drain-exit", "500ms")
        wait_until(lambda: re.search(r"(?m)^  rescued: .*\n", self.log(folder)), "summary")
        line, = re.findall(r"(?m)^  rescued: .*$", self.log(folder))
        self.assertRegex(line, r"^  rescued: stderr \(pipe:\[\d+\]\) was not read by careless\.py "
                         r"\(%d\), which stood at %s/careless\.py:%d forgets: this program would "
                         r"have hung for [\d.]+ ms, until its end and beyond; at most \d+ bytes "
                         r"queued, nothing lost, \d+ handed over$" % (
                             parent.pid, re.escape(folder), STANDS_IN_LINE))
        self.end_relayed(parent)

    def test_nothing_of_what_is_read(self):
        """The twin. In `behind` all of it is queued, and nothing is told of it."""
        for mode in ("full", "behind"):
            run = self.start("/usr/bin/python3", "-S", "-c", CHATTER, settings={
                "PIPESHIM_DRAIN": "stdout", "PIPESHIM_DRAIN_MODE": mode,
                "PIPESHIM_THRESHOLD": "10s"})
            self.assertEqual(run.drain()[2], 0)
            drain = run.events("summary")[0]["drain"]
            self.assertEqual(drain["rescued"], [])
            self.assertEqual(run.events("drain_start"), [])
            self.assertEqual(run.events("summary")[0]["reports"], 0)
            self.assertEqual(drain["queued_bytes"] > 0, mode == "behind")

    def test_behind_tells_of_a_reader_that_does_not_read(self):
        run = self.start("/usr/bin/python3", "-S", "-c",
                         "import os, sys\nfor _ in range(2000): os.write(1, b'x' * 64)\n"
                         "sys.stdin.read()",
                         settings={"PIPESHIM_DRAIN": "stdout", "PIPESHIM_DRAIN_MODE": "behind"})
        start = run.wait_for("drain_start")[0]
        self.assertEqual(start["fd"], 1)
        self.assertEqual(run.drain()[0], b"x" * 64 * 2000)


if __name__ == "__main__":
    unittest.main()
