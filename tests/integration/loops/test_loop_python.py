#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every way to block an asyncio loop: reported while it lasts, as what it is, as one story."""
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from loop_case import LoopCase  # noqa: E402

VICTIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../victims/asyncio_loop.py")
PYTHON = "/usr/bin/python3"

# the way, and the class and the call of its report
CALLS = {
    "sleep": ("sleep", "clock_nanosleep"),
    "urllib": ("socket_read", "poll"),
    "recv": ("socket_read", "recv"),
    "connect": ("connect", "connect"),
    "connect_timeout": ("connect", "poll"),
    "accept": ("accept", "accept4"),
    "pipe_read": ("pipe_read", "read"),
    "pipe_write": ("pipe_write", "write"),
    "fifo": ("file", None),
    "run": ("child", "waitpid"),
    "run_captured": ("child", "poll"),
    "system": ("child", "system"),
    "flock": ("lock", "flock"),
    "lockf": ("lock", None),
    "lock": ("lock", None),
}
CLIENTS = {"requests": ("socket_read", "poll"), "httpx": ("socket_read", "poll")}


class PythonLoop(LoopCase):
    def start_way(self, way):
        return self.start(PYTHON, VICTIM, way, os.path.join(self.temporary_folder(), "file"))

    def release(self, run, event):
        if event["class"] == "child":
            os.kill(event["child"]["pid"], signal.SIGKILL)
        else:
            os.kill(run.process.pid, signal.SIGUSR1)

    def check_call(self, way, event, expected):
        event_class, call = expected
        self.assertEqual(event["class"], event_class)
        if call:
            self.assertEqual(event["call"], call)
        self.assertIs(event["loop"], True)
        functions = [frame["function"] for frame in event["python"]]
        self.assertTrue([f for f in functions if "blocked_here" in f], functions)

    def test_each_way(self):
        self.check_ways(CALLS)

    def test_clients(self):
        installed = {way: expected for way, expected in CLIENTS.items()
                     if os.system("%s -c 'import %s' 2>/dev/null" % (PYTHON, way)) == 0}
        if not installed:
            self.skipTest("neither python3-requests nor python3-httpx is installed")
        self.check_ways(installed)

    def test_where_it_leads(self):
        """Sockets tell both addresses and the process at the other end, children themselves."""
        runs = {way: self.start_way(way) for way in ("recv", "connect", "run", "fifo", "flock")}
        events = {way: run.wait_for("blocked")[0] for way, run in runs.items()}
        for way in ("recv", "connect"):
            with self.subTest(way):
                where = events[way]["socket"]
                self.assertEqual(where["family"], "inet")
                self.assertRegex(where["local"], r"^127\.0\.0\.1:\d+$")
                self.assertRegex(where["remote"], r"^127\.0\.0\.1:\d+$")
                self.assertEqual(where["peer_pid"], runs[way].process.pid)
        child = events["run"]["child"]
        self.assertEqual((child["comm"], child["state"]), ("sleep", "S"))
        self.assertEqual(child["waits_in"], "clock_nanosleep")
        for way in ("fifo", "flock"):
            self.assertRegex(events[way]["file"]["path"], "/file$")
        for way, run in runs.items():
            self.end(run, events[way])

    def test_busy_wait_of_sqlite(self):
        """Many short sleeps: no call is to blame, the loop is late for them all."""
        run = self.start_way("sqlite")
        lag = run.wait_for("lag")[0]
        self.assertEqual(lag["cause"], "sleep")
        self.assertIn("usleep", [call["call"] for call in lag["calls"]])
        self.assertEqual(run.drain()[2], 0)
        self.check_story(run, lag, "sleep")

    def test_computing(self):
        run = self.start_way("cpu")
        lag = run.wait_for("lag")[0]
        self.assertIn(lag["cause"], ("cpu", "starved"))
        self.assertGreaterEqual(lag["lag_ms"], 200)
        if lag.get("python"): # a moving stack is told only if it was right at one moment
            self.assertTrue([f for f in lag["python"] if "blocked_here" in f["function"]])
        self.assertTrue([f for f in lag["stack"] if f["module"].endswith("python3.11")])
        os.kill(run.process.pid, signal.SIGUSR1)
        self.assertEqual(run.drain()[2], 0)
        self.check_story(run, lag, "cpu")

    def test_silent_without_the_block(self):
        run = self.start_way("none")
        self.assertEqual(run.drain()[2], 0)
        self.assert_silent(run)


if __name__ == "__main__":
    sys.exit(unittest.main())
