#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Who holds a pipe is looked for while a write into it is not due to be told yet: the first report has
nothing left to search."""
import datetime
import json
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import LIBRARY, PipeshimCase, read_text, wait_until, watchdog_folder  # noqa: E402

WRITES = "import os; os.write(1, bytes(100000))"


@unittest.skipUnless(shutil.which("strace"), "strace is not installed")
class PreparedReports(PipeshimCase):
    def start_traced(self, threshold, calls="openat"):
        self.folder = self.temporary_folder()
        self.trace = os.path.join(self.folder, "trace")
        command = ["strace", "-f", "-qq", "-ttt", "-e", "trace=" + calls, "-o", self.trace]
        for setting in ("LD_PRELOAD=" + LIBRARY, "PIPESHIM_FORMAT=json", "PIPESHIM_SUMMARY=always",
                        "PIPESHIM_LOG=" + os.path.join(self.folder, "log"),
                        "PIPESHIM_THRESHOLD=" + threshold):
            command += ["-E", setting]
        return self.start(*command, "/usr/bin/python3", "-c", WRITES, library=False)

    def events(self):
        lines = read_text(os.path.join(self.folder, "log")).splitlines(True)
        found = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in found if event["event"] != "start"]

    def searches(self):
        """When all processes were listed."""
        return [float(line.split()[1]) for line in read_text(self.trace).splitlines()
                if '"/proc", ' in line]

    def rests(self):
        """The watchdog has slept since its last search: it has counted that."""
        lines = read_text(self.trace).splitlines()
        searches = [number for number, line in enumerate(lines) if '"/proc", ' in line]
        tid = searches and lines[searches[-1]].split()[0]
        return searches and any(line.split()[0] == tid and " futex(" in line
                                for line in lines[searches[-1]:])

    def test_a_first_report_searches_no_processes(self):
        run = self.start_traced("2s")
        blocked = wait_until(lambda: [e for e in self.events() if e["event"] == "blocked"], "report")[0]
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual([peer["pid"] for peer in blocked["pipe"]["peers"]], [os.getpid()])
        told = datetime.datetime.fromisoformat(blocked["time"].replace("Z", "+00:00")).timestamp()
        began = told - blocked["explained_us"] / 1e6
        before = [at for at in self.searches() if at < told]
        self.assertGreaterEqual(len(before), 1)
        self.assertEqual([at for at in before if at >= began], [])
        self.assertLess(before[0], began - 0.1)

    def test_a_write_that_goes_on_in_time_is_not_told(self):
        """It was prepared, once, and counted as a look."""
        run = self.start_traced("9s", "openat,futex")
        wait_until(self.rests, "search")
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual(len(self.searches()), 1)
        self.assertEqual([e["event"] for e in self.events()], ["summary"])
        self.assertEqual(self.events()[0]["looks"], 1)
        self.assertGreater(self.events()[0]["looks_ms"], 0)

    def test_a_write_that_is_not_half_due_is_left_alone(self):
        run = self.start_traced("1h")

        def scans():
            children = read_text("/proc/%d/task/%d/children" % ((run.process.pid,) * 2)).split()
            folder = children and watchdog_folder(int(children[0]))
            status = read_text(folder + "/status") if folder else ""
            return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0]) if status else 0
        wait_until(lambda: scans() >= 30, "scans")
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual(self.searches(), [])
        self.assertEqual(self.events()[-1].get("looks", 0), 0)


if __name__ == "__main__":
    sys.exit(unittest.main())
