#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Deadlocks and findings in each format that is for people, from logs of several members."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import BUILD  # noqa: E402

PIPESHIM = os.path.join(BUILD, "pipeshim")
CHAIN = [
    {"pid": 2, "comm": "python3", "name": "server.py", "tid": 2, "waits_in": "write fd 2",
     "object": "pipe:[7]", "for_pid": 1, "where": "/s/server.py:5 handle", "source": "log.debug(x)",
     "pipe": {"used": 48000, "capacity": 65536, "slots": 16, "slots_used": 16, "full": True}},
    {"pid": 1, "comm": "python3", "name": "a|<b>\x1b.py", "tid": 1, "waits_in": "read fd 5",
     "object": "pipe:[8]", "for_pid": 2, "where": "/s/parent.py:6 ask"}]


def event(name, pid, seq, **fields):
    return {"event": name, "v": 1, "seq": seq, "time": "2026-11-25T20:00:00.000000Z", "pid": pid,
            "tid": pid, "exe": "/usr/bin/python3", "thread": "x", **fields}


class Findings(unittest.TestCase):
    def report(self, kind, events):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as log:
            for one in events:
                log.write(json.dumps(one) + "\n")
            log.flush()
            done = subprocess.run([PIPESHIM, "report", "--format", kind, "--no-lines", log.name],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def setUp(self):
        told = {"words": "server.py waits <for> it", "advice": "drain it", "chain": CHAIN}
        self.events = [event("deadlock", 2, 1, id="0xabc", **told),
                       event("deadlock", 1, 1, id="0xabc", **told),
                       event("finding", 1, 2, kind="reader_away", **told),
                       event("still", 1, 3, ref=9, blocked_ms=5000.0)]
        self.quiet = [event("start", 1, 1, version="1")]

    def test_text(self):
        out = self.report("text", self.events)
        self.assertEqual(out.count("DEADLOCK server.py"), 1, "two members, one deadlock")
        self.assertIn("reported 2 times", out)
        self.assertEqual(out.count("STUCK reader_away"), 1)
        self.assertIn("  server.py waits <for> it\n", out)
        self.assertIn("48000 of 65536 bytes, 16 of 16 slots", out)
        self.assertIn("> /s/server.py:5 handle    log.debug(x)", out)
        self.assertNotIn("\x1b", out)
        self.assertNotIn("does not know", out)
        self.assertNotIn("DEADLOCK", self.report("text", self.quiet))
        newer = event("finding", 1, 2, kind="reader_asleep", chain=CHAIN)
        self.assertIn("\nSTUCK reader_asleep\n", self.report("text", [newer]))

    def test_markdown(self):
        out = self.report("markdown", self.events)
        self.assertIn("server.py waits \\<for\\> it", out)
        lines = [line for line in out.splitlines() if line.startswith("    ")]
        self.assertEqual(lines[:4], [
            "    server.py[2]  write fd 2 on pipe:[7]  FULL 48000 of 65536 bytes, 16 of 16 slots  "
            "for a|<b>?.py[1]",
            "      > /s/server.py:5 handle    log.debug(x)",
            "    a|<b>?.py[1]  read fd 5 on pipe:[8]  for server.py[2]",
            "      > /s/parent.py:6 ask"])
        self.assertIn("No deadlock and no finding", self.report("markdown", self.quiet))

    def test_junit(self):
        suite = xml.etree.ElementTree.fromstring(self.report("junit", self.events))
        self.assertEqual((suite.get("tests"), suite.get("failures")), ("2", "2"))
        case = suite.find("testcase")
        self.assertIn("server.py", case.get("name"))
        self.assertEqual(case.find("failure").get("message"), "server.py waits <for> it")
        self.assertIn("/s/parent.py:6 ask", case.find("failure").text)
        suite = xml.etree.ElementTree.fromstring(self.report("junit", self.quiet))
        self.assertEqual((suite.get("tests"), suite.get("failures")), ("1", "0"))

    HOSTILE = "</td>\r\n# h\n|`x`| [a](b) @user #12 www.x.y http://x ]]> & \ufffe\uffff\x07<img src=x>"

    def hostile(self):
        link = {"pid": 1, "comm": "x", "tid": 1, **dict.fromkeys(("name", "waits_in", "object", "where",
                                                                 "source"), self.HOSTILE)}
        told = dict.fromkeys(("words", "advice", "rescue", "kind"), self.HOSTILE)
        return [event("finding", 1, 1, chain=[link], **told)]

    def test_strings_of_a_log_are_no_markup(self):
        out = self.report("markdown", self.hostile())
        for line in out.splitlines():
            if line.startswith("    "):
                continue  # a block of code
            self.assertNotRegex(line, r"(?<!\\)[<>`\[]|@|www\.|http:|^# h|&(?!#\d+;)(?<!\\&)", line)
            self.assertNotIn("#12", line.replace("&#", ""))
        self.assertNotIn("\r", out)
        self.assertEqual(out.count("\n## "), 2)  # the finding, the table
        suite = xml.etree.ElementTree.fromstring(self.report("junit", self.hostile()))
        self.assertIn("<img src=x>", suite.find("testcase/failure").get("message"))

    def test_junit_has_what_a_strict_reader_wants(self):
        """As Ant's schema: every attribute, and the parts in their order."""
        for events in self.events, self.quiet:
            suite = xml.etree.ElementTree.fromstring(self.report("junit", events))
            self.assertLessEqual({"name", "timestamp", "hostname", "tests", "failures", "errors", "time"},
                                 set(suite.attrib))
            self.assertRegex(suite.get("timestamp"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$")
            cases = suite.findall("testcase")
            self.assertEqual(len(cases), int(suite.get("tests")))
            self.assertEqual([one.tag for one in suite], ["properties", *["testcase"] * len(cases),
                                                          "system-out", "system-err"])
            for case in cases:
                self.assertLessEqual({"name", "classname", "time"}, set(case.attrib))
                self.assertTrue(all(failure.get("type") for failure in case.findall("failure")))

    def test_logs_without_events_prove_nothing(self):
        """A log that nobody wrote must not look like a test that has passed."""
        with tempfile.NamedTemporaryFile() as log:
            for kind, wanted in ("junit", "<skipped/>"), ("markdown", "The logs hold no events."):
                done = subprocess.run([PIPESHIM, "report", "-f", kind, log.name], stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, text=True)
                self.assertIn(wanted, done.stdout)
                self.assertNotIn("No deadlock", done.stdout)
        self.assertNotIn("skipped/", self.report("junit", self.quiet))

    def test_in_the_order_of_time(self):
        late = event("deadlock", 2, 1, id="0x2", words="late", chain=CHAIN)
        early = {**event("deadlock", 1, 1, id="0x1", words="early", chain=CHAIN), "time": "2026-11-25T19:00:00Z"}
        out = self.report("text", [late, early])
        self.assertLess(out.index("  early\n"), out.index("  late\n"))

    def test_a_script_has_its_own_name(self):
        blocked = event("blocked", 1, 2, call="write", blocked_ms=100.0, **{"class": "pipe_write"})
        start = event("start", 1, 1, version="1", argv0="python3")
        self.assertIn("server.py: write", self.report("text", [{**start, "script": "server.py"}, blocked]))
        self.assertIn("python3: write", self.report("text", [start, blocked]))

    def test_html(self):
        out = self.report("html", self.events)
        data = json.loads(re.search(r'id="data">(.*?)</script>', out, re.S)[1])
        self.assertEqual([one["verdict"] for one in data["deadlocks"]],
                         ["DEADLOCK server.py[2] <-> a|<b>?.py[1]  seen twice without progress",
                          "STUCK reader_away server.py[2] -> a|<b>?.py[1]  seen twice without progress"])
        self.assertEqual(data["deadlocks"][0]["members"][0],
                         ["server.py[2]  write fd 2 on pipe:[7]  FULL 48000 of 65536 bytes, 16 of 16 slots  "
                          "for a|<b>?.py[1]", "  > /s/server.py:5 handle    log.debug(x)"])
        self.assertIn("reader_away", out)


if __name__ == "__main__":
    sys.exit(unittest.main())
