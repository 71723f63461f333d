# SPDX-License-Identifier: MIT
"""The environment and the log, with the real library in real programs."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = os.environ.get("PIPESHIM_BUILD", os.path.abspath("build"))
LIBRARY = os.path.join(BUILD, "libpipeshim.so")
TOOL = os.path.join(BUILD, "pipeshim")
ENGINE = os.path.join(BUILD, "victims", "engine")
DEADLINE_S = 120
MALFORMED = [
    ("PIPESHIM_THRESHOLD", "fast"), ("PIPESHIM_STACK_DEPTH", "0"), ("PIPESHIM_FORMAT", "xml"),
    ("PIPESHIM_RATE", "10/h"), ("PIPESHIM_DRAIN", "stdin"), ("PIPESHIM_DRAIN_MAX", "64MB"),
    ("PIPESHIM_ACTION", "kill"), ("PIPESHIM_FILL_WARN", "101%"), ("PIPESHIM_LOOP", ","),
    ("PIPESHIM_TRESHOLD", "1"), ("PIPESHIM_SUPPRESS", "/nonexistent"),
]


class SettingsAndLog(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.log = os.path.join(self.folder, "log")
        self.addCleanup(shutil.rmtree, self.folder)

    def environment(self, **variables):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        kept.update(LD_PRELOAD=LIBRARY, PIPESHIM_LOG=self.log)
        kept.update(variables)
        return kept

    def run_ls(self, **variables):
        return subprocess.run(["/bin/ls", "/"], env=self.environment(**variables),
                              capture_output=True, timeout=DEADLINE_S)

    def engine(self, **variables):
        """An engine that hangs: its parent never reads its stderr."""
        process = subprocess.Popen([ENGINE], env=self.environment(**variables),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def read_log(self):
        try:
            with open(self.log, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_for(self, condition):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            if condition():
                return
            time.sleep(0.02)
        self.fail("not within %d s; the log: %s" % (DEADLINE_S, self.read_log()[:2000]))

    def test_malformed_values(self):
        plain = subprocess.run(["/bin/ls", "/"], capture_output=True)
        for name, value in MALFORMED:
            with self.subTest(name):
                if os.path.exists(self.log):
                    os.unlink(self.log)
                seen = self.run_ls(**{name: value})
                self.assertEqual((seen.returncode, seen.stdout, seen.stderr), (0, plain.stdout, b""))
                lines = self.read_log().splitlines()
                self.assertEqual(len(lines), 1, lines)
                self.assertIn(name, lines[0])
                self.assertIn("expected", lines[0])

    def test_quiet_program_is_left_alone(self):
        plain = subprocess.run(["/bin/ls", "/"], capture_output=True)
        seen = self.run_ls(PIPESHIM_LOG="stderr")
        self.assertEqual((seen.stdout, seen.stderr), (plain.stdout, b""))

    def test_off_only_and_skip_are_inert(self):
        for variables in ({"PIPESHIM": "off"}, {"PIPESHIM_ONLY": "sh,bash"},
                          {"PIPESHIM_SKIP": "l*"}):
            self.run_ls(PIPESHIM_FORMAT="json", PIPESHIM_SUMMARY="always", **variables)
            self.assertEqual(self.read_log(), "")
        self.run_ls(PIPESHIM_FORMAT="json", PIPESHIM_ONLY="l?", PIPESHIM_SUMMARY="always")
        self.assertIn('"start"', self.read_log())

    def test_json_sequence(self):
        self.run_ls(PIPESHIM_FORMAT="json", PIPESHIM_STACK_DEPTH="9", PIPESHIM_SUMMARY="always")
        events = [json.loads(line) for line in self.read_log().splitlines()]
        self.assertEqual([e["event"] for e in events], ["start", "summary"])
        self.assertEqual([e["seq"] for e in events], [1, 2])
        self.assertEqual(events[0]["config"]["PIPESHIM_STACK_DEPTH"], "9")
        for event in events:
            for field in ("event", "time", "pid", "tid", "exe", "thread", "seq", "v"):
                self.assertIn(field, event)

    def test_start_comes_first_and_tells_what_differs(self):
        self.run_ls(PIPESHIM_FORMAT="json", PIPESHIM_THRESHOLD="100", PIPESHIM_REPEAT="1m",
                    PIPESHIM_PIPE_THRESHOLD="0.05s", PIPESHIM_DRAIN_MAX="65536K",
                    PIPESHIM_NET_THRESHOLD="70ms")
        self.wait_for(lambda: self.whole_lines("summary"))  # a slow disk is not waited for at the exit
        events = [json.loads(line) for line in self.read_log().splitlines()]
        self.assertEqual([e["event"] for e in events], ["start", "warning", "summary"])
        self.assertIn("PIPESHIM_REPEAT=1m", events[1]["message"])
        self.assertEqual(events[0]["config"],
                         {"PIPESHIM_LOG": self.log, "PIPESHIM_FORMAT": "json",
                          "PIPESHIM_PIPE_THRESHOLD": "0.05s", "PIPESHIM_NET_THRESHOLD": "70ms"})

    def whole_lines(self, kind):
        """The events of that name; a line that is being written is none yet."""
        events = [json.loads(line) for line in self.read_log().splitlines(True) if line.endswith("\n")]
        return [event for event in events if event["event"] == kind]

    def test_depth_of_a_stack(self):
        """The program's own frames are counted; of no stack nothing is written."""
        for name, value, frames in (("STACK_DEPTH", "1", 1), ("STACK_DEPTH", "3", 3), ("STACK", "off", 0)):
            with self.subTest((name, value)):
                if os.path.exists(self.log):
                    os.unlink(self.log)
                self.engine(PIPESHIM_FORMAT="json", **{"PIPESHIM_" + name: value})
                self.wait_for(lambda: self.whole_lines("blocked"))
                event = self.whole_lines("blocked")[0]
                self.assertEqual(len(event.get("stack", [])), frames, event)
                self.assertEqual(event.get("stack_truncated", False), frames > 0)
                self.assertEqual("stack" in event, frames > 0)

    def test_stuck_stderr_and_file(self):
        self.engine()
        self.wait_for(lambda: "BLOCKED" in self.read_log())

    def test_log_to_fd(self):
        with open(self.log, "ab") as file:
            subprocess.run(["/bin/ls", "/"], pass_fds=[file.fileno()], timeout=DEADLINE_S,
                           stdout=subprocess.DEVNULL,
                           env=self.environment(PIPESHIM_LOG="fd:%d" % file.fileno(),
                                                PIPESHIM_FORMAT="json"))
        self.assertIn('"summary"', self.read_log())

    def test_suppress(self):
        for rule in ("function:main", "call:fprintf"):
            with self.subTest(rule):
                rules = os.path.join(self.folder, "rules")
                with open(rules, "w", encoding="utf-8") as file:
                    file.write(rule + "\n")
                self.assertEqual(self.suppressed(rules), 1)

    def suppressed(self, rules):
        """A process that hangs for a while, goes on and ends: its summary has the count."""
        read_end, write_end = os.pipe()
        if os.path.exists(self.log):
            os.unlink(self.log)
        process = subprocess.Popen([ENGINE, "200", "1024", "serve"], stdout=subprocess.DEVNULL,
                                   stderr=write_end, start_new_session=True,
                                   env=self.environment(PIPESHIM_FORMAT="json",
                                                        PIPESHIM_SUPPRESS=rules,
                                                        PIPESHIM_THRESHOLD="20ms"))
        self.addCleanup(self.end, process)
        os.close(write_end)
        self.wait_for(lambda: self.shown_by_top(process.pid).get("suppressed", 0) > 0)
        while os.read(read_end, 65536):
            pass
        os.close(read_end)
        self.assertEqual(process.wait(timeout=DEADLINE_S), 0)
        events = [json.loads(line) for line in self.read_log().splitlines()]
        # No rule hides what is proven: that nobody reads.
        self.assertEqual([e["event"] for e in events if e["event"] != "finding"],
                         ["start", "summary"])
        return events[-1]["suppressed_total"]

    @staticmethod
    def shown_by_top(pid):
        done = subprocess.run([TOOL, "top", "--json", "-n", "1", str(pid)], capture_output=True,
                              timeout=DEADLINE_S)
        processes = json.loads(done.stdout)["processes"] if done.stdout else []
        return processes[0] if processes else {}

    def test_watchdog_calls_are_in_the_table(self):
        """All that the watchdog calls is what seccomp.c asks a filter for."""
        if not shutil.which("strace"):
            self.skipTest("strace is not installed")
        trace = os.path.join(self.folder, "trace")
        process = subprocess.Popen(["strace", "-f", "-o", trace, "-E", "LD_PRELOAD=" + LIBRARY,
                                    "-E", "PIPESHIM_LOG=" + self.log, ENGINE],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        self.addCleanup(self.end, process)
        self.wait_for(lambda: "BLOCKED" in self.read_log())
        self.end(process)
        with open(trace, encoding="utf-8", errors="replace") as file:
            text = file.read()
        watchdogs = re.findall(r'^(\d+) +prctl\(PR_SET_NAME, "pipeshim"', text, re.M)
        self.assertTrue(watchdogs)
        called = set(re.findall(r"^(?:%s) +([a-z]\w*)\(" % "|".join(watchdogs), text, re.M))
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                              "../../../shim/watch/seccomp.c")
        with open(source, encoding="utf-8") as file:
            table = set(re.findall(r"SYS_(\w+)", file.read()))
        self.assertIn("process_vm_readv", called)
        self.assertEqual(called - table, set())


if __name__ == "__main__":
    sys.exit(unittest.main())
