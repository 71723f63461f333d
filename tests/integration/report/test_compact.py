# SPDX-License-Identifier: MIT
"""PIPESHIM_STACK_FORMAT=compact: records below 4 KiB, from which `report` makes the same."""
import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import BUILD, PipeshimCase, read_text, victim, wait_until  # noqa: E402

TOOL = os.path.join(BUILD, "pipeshim")
DEEP = """
import os
def down(n):
    if n:
        return down(n - 1)
    os.write(2, b"x" * 70000)
down(120)
"""


class Compact(PipeshimCase):
    def long_named(self):
        """The same program in a file whose name alone is so long that few frames fill a record."""
        folder = os.path.join(self.temporary_folder(), *["x" * 60] * 4)
        os.makedirs(folder)
        path = os.path.join(folder, "deep.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(DEEP)
        return ["/usr/bin/python3", path]

    def logs(self, command):
        """The lines of one program's log, in both formats, and the files."""
        found = {}
        for form in ("full", "compact"):
            run = self.start(*command, settings={"PIPESHIM_STACK_FORMAT": form,
                                                 "PIPESHIM_STACK_DEPTH": "256"})
            run.wait_for("blocked")
            run.drain()
            path = os.path.join(run.folder, "log.%d" % run.process.pid)
            with open(path, "rb") as file:
                found[form] = (file.read().splitlines(True), path)
        return found

    @staticmethod
    def blocked(lines):
        return next(e for e in map(json.loads, lines) if e["event"] == "blocked")

    def report(self, path, form):
        return subprocess.run([TOOL, "report", path, "--format", form], check=True,
                              capture_output=True, text=True).stdout

    def test_below_4_kib(self):
        for command in ([victim("write_deep")], ["/usr/bin/python3", "-c", DEEP], self.long_named()):
            logs = self.logs(command)
            self.assertLess(max(map(len, logs["compact"][0])), 4096)
            self.assertGreater(max(map(len, logs["full"][0])), 4096 if "python" in command[0] else 0)

    def test_python_keeps_the_innermost(self):
        logs = self.logs(["/usr/bin/python3", "-c", DEEP])
        event = self.blocked(logs["compact"][0])
        self.assertEqual(event["where"], "<string>:6 down")
        self.assertEqual(event["python"][:2], ["<string>:6 down", "<string>:5 down"])
        whole = self.blocked(logs["full"][0])
        self.assertEqual(len(event["python"]) + event.get("python_omitted", 0),
                         len(whole["python"]) + whole.get("python_omitted", 0))
        self.assertTrue(event["stack"])

    def test_modules_once(self):
        lines = self.logs([victim("write_deep")])["compact"][0]
        event = self.blocked(lines)
        for frame in event["stack"]:
            self.assertRegex(frame, r"^(\?|\S+\+\d+) \S.*\+0x[0-9a-f]+$")
        self.assertEqual(os.path.realpath(victim("write_deep")),
                         event["modules"]["write_deep"]["path"])
        named = [name for e in map(json.loads, lines) for name in e.get("modules", {})]
        self.assertEqual(len(named), len(set(named)))

    def test_report_reads_both(self):
        for command in ([victim("write_deep")], ["/usr/bin/python3", "-c", DEEP]):
            logs = self.logs(command)
            told = {}
            for form, (_, path) in logs.items():
                text = self.report(path, "folded")
                told[form] = re.sub(r"\d+$", "", text, flags=re.M).split(";")
            if "python" in command[0]:  # the outermost are left out
                inner = [line for line in told["compact"] if "down" in line]
                self.assertGreater(len(inner), 2)
            else:
                self.assertEqual(told["full"], told["compact"])
                self.assertIn("middle", " ".join(told["compact"]))

    def test_run_shows_the_same_frames(self):
        shown = subprocess.run(
            [TOOL, "run", "--threshold", "20ms", "--", "sh", "-c",
             "%s | { sleep 0.5; cat >/dev/null; }" % victim("write_deep")],
            env=dict(os.environ, PIPESHIM_STACK_FORMAT="compact"), capture_output=True, text=True)
        self.assertEqual(shown.returncode, 0)
        self.assertIn("middle", shown.stderr)

    def test_text_is_cut_at_a_line(self):
        run = self.start(*self.long_named(),
                         settings={"PIPESHIM_STACK_FORMAT": "compact", "PIPESHIM_FORMAT": "text",
                                   "PIPESHIM_STACK_DEPTH": "256",
                                   "PIPESHIM_SUMMARY": "off"})
        run.wait_stuck()
        path = os.path.join(run.folder, "log.%d" % run.process.pid)
        wait_until(lambda: "BLOCKED" in read_text(path), "report")
        run.drain()
        records = read_text(path).split("pipeshim: ")[1:]
        for record in records:
            self.assertLess(len(record) + len("pipeshim: "), 4096)
            self.assertTrue(record.endswith("\n"))


if __name__ == "__main__":
    unittest.main()
