#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A report says whose line it was and who should read: Python frames, JIT frames, the peer."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pythons import find_pythons  # noqa: E402

BUILD = os.environ["PIPESHIM_BUILD"]
LIBRARY = os.path.join(BUILD, "libpipeshim.so")
DEADLINE_S = 120


AWAITS = """import asyncio, os
def write_memory():
    for _ in range(100):
        os.write(1, b"x" * 1000)
def descend(depth):
    # Frames of recursion differ in their line.
    if depth:
        descend(depth - 1)
    else: write_memory()
async def audit_log():
    descend(1)
async def handle(request):
    await audit_log()
async def main():
    await asyncio.gather(handle(1), asyncio.sleep(0))
asyncio.run(main())
"""

HOG = """import asyncio, time
def small(number):
    return number + 1
def crunch(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        small(small(1))
async def handle():
    crunch(1)
async def main():
    for turn in range(1, 1000000):
        if turn % 30: await asyncio.sleep(0.005)
        else: await handle()
asyncio.run(main())
"""


class Victim:
    """A program under the library whose stdout is a pipe that nobody reads, until drain()."""

    def __init__(self, folder, *command, **settings):
        self.log = os.path.join(folder, "log")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_FORMAT="json", PIPESHIM_LOG=self.log,
                           PIPESHIM_THRESHOLD="50ms")
        environment.update(settings)
        self.reader, writer = os.pipe()
        self.process = subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE,
                                        env=environment, cwd=folder)
        os.close(writer)

    def events(self, kind):
        try:
            with open(self.log, encoding="utf-8") as log:
                found = [json.loads(line) for line in log if line.endswith("\n")]
        except FileNotFoundError:
            return []
        return [e for e in found if e["event"] == kind and e["pid"] == self.process.pid]

    def wait_for(self, kind, which=lambda event: True):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            found = [event for event in self.events(kind) if which(event)]
            if found:
                return found[0]
            time.sleep(0.01)
        raise AssertionError("no such %s event within %d s" % (kind, DEADLINE_S))

    def drain(self):
        """Reads all; returns the bytes and the exit status."""
        output = b""
        while True:
            chunk = os.read(self.reader, 65536)
            if not chunk:
                break
            output += chunk
        return len(output), self.process.wait(DEADLINE_S)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.reader)


class ExplainedReports(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, *command, **settings):
        victim = Victim(self.folder, *command, **settings)
        self.addCleanup(victim.close)
        return victim

    def write_script(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as script:
            script.write(text)
        return path

    def python_victim(self, **settings):
        script = self.write_script("zählung.py", "import os\n"
                                                 "def write_memory():\n"
                                                 "    for _ in range(100):\n"
                                                 "        os.write(1, b'x' * 1000)\n"
                                                 "class Handler:\n"
                                                 "    def run(self):\n"
                                                 "        write_memory()\n"
                                                 "Handler().run()\n")
        return script, self.start("/usr/bin/python3", script, **settings)

    def test_python_frames_while_blocked(self):
        script, victim = self.python_victim()
        blocked = victim.wait_for("blocked")
        frames = [(f["file"], f["line"], f["function"]) for f in blocked["python"]]
        self.assertEqual(frames, [(script, 4, "write_memory"), (script, 7, "Handler.run"),
                                  (script, 8, "<module>")])
        self.assertIn("python: 3.", victim.events("start")[0]["features"]["python"])
        self.assertEqual(victim.events("start")[0]["host"], os.uname().nodename)
        self.assertEqual(victim.drain(), (100000, 0))

    def test_every_python_shows_the_awaits_that_led_here(self):
        script = self.write_script("service.py", AWAITS)
        for path, version in find_pythons():
            with self.subTest(python=path):
                victim = self.start(path, script)
                frames = victim.wait_for("blocked")["python"]
                names = [frame["function"].rsplit(".", 1)[-1] for frame in frames]
                self.assertEqual(names[:6], ["write_memory", "descend", "descend", "audit_log",
                                             "handle", "_run"])
                self.assertEqual([frame["line"] for frame in frames[:5]], [4, 9, 8, 11, 13])
                self.assertEqual((names[-1], frames[-1]["file"]), ("<module>", script))
                feature = victim.events("start")[0]["features"]["python"]
                self.assertTrue(("python: " + version).startswith(feature), feature)
                self.assertEqual(victim.drain(), (100000, 0))
                os.unlink(victim.log)

    def test_every_python_names_what_keeps_a_loop_from_its_wait(self):
        """A running thread: its innermost call may be left out, what stands still may not."""
        script = self.write_script("hog.py", HOG)
        for path, _ in find_pythons():
            with self.subTest(python=path):
                # One that gets no CPU just when its wait ends stands in select.
                lag = self.start(path, script).wait_for("lag", lambda lag: any(
                    frame["function"].endswith("crunch") for frame in lag.get("python", [])))
                frames = [(frame["function"].rsplit(".", 1)[-1], frame["line"])
                          for frame in lag["python"]]
                if frames[0][0] == "small":
                    self.assertIn(frames.pop(0)[1], (2, 3))
                self.assertEqual(frames[0][0], "crunch", frames)
                self.assertIn(frames[0][1], (6, 7))
                self.assertEqual(frames[1:4], [("handle", 9), ("main", 13), ("_run", frames[3][1])])
                self.assertEqual(frames[-1], ("<module>", 14))
                os.unlink(os.path.join(self.folder, "log"))

    def test_without_python_frames_a_loop_is_late_all_the_same(self):
        script = self.write_script("hog.py", HOG)
        for path, _ in find_pythons():
            with self.subTest(python=path):
                # Where others have the CPU it is late, too, and has no stack.
                lag = self.start(path, script, PIPESHIM_PYTHON="off").wait_for(
                    "lag", lambda lag: lag.get("stack"))
                self.assertNotIn("python", lag)
                os.unlink(os.path.join(self.folder, "log"))

    def test_perf_trampolines_are_walked_and_named(self):
        """-X perf (3.12 and later): compiled code without unwind tables between all C frames."""
        pythons = [path for path, version in find_pythons()
                   if tuple(map(int, version.split(".")[:2])) >= (3, 12)]
        if not pythons:
            self.skipTest("no Python 3.12 or later here")
        script = self.write_script("service.py", AWAITS)
        for path in pythons:
            with self.subTest(python=path):
                victim = self.start(path, "-X", "perf", script)
                self.addCleanup(os.unlink, "/tmp/perf-%d.map" % victim.process.pid)
                blocked = victim.wait_for("blocked")
                names = [frame.get("symbol", "") for frame in blocked["stack"]]
                named = [name.split(":")[2] for name in names if name.startswith("py::")]
                self.assertEqual(named[:5], ["write_memory", "descend", "descend", "audit_log",
                                             "handle"])
                self.assertEqual(blocked["python"][-1]["function"], "<module>")
                self.assertEqual(victim.drain(), (100000, 0))
                os.unlink(victim.log)

    def test_python_off(self):
        _, victim = self.python_victim(PIPESHIM_PYTHON="off")
        self.assertNotIn("python", victim.wait_for("blocked"))
        self.assertEqual(victim.drain(), (100000, 0))

    def test_python_suppression_counts_and_says_nothing(self):
        rules = self.write_script("rules", "python:write_mem*  # known\n")
        for patience in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4):
            _, victim = self.python_victim(PIPESHIM_SUPPRESS=rules, PIPESHIM_SUMMARY="always")
            # Nothing is written before the summary: was it stuck for long enough to be judged?
            time.sleep(patience)
            self.assertEqual(victim.drain(), (100000, 0))
            self.assertEqual(victim.events("blocked"), [])
            if victim.wait_for("summary")["suppressed_total"] == 1:
                return
        self.fail("never judged")

    def test_peer_and_what_it_waits_in(self):
        _, victim = self.python_victim()
        pipe = victim.wait_for("blocked")["pipe"]
        ours = [p for p in pipe["peers"] if p["pid"] == os.getpid()]
        self.assertEqual(len(ours), 1, pipe)
        self.assertEqual(ours[0]["fd"], victim.reader)
        self.assertTrue(pipe["full"])
        self.assertEqual(pipe["capacity"], 65536)
        self.assertEqual(pipe["used"], 64000)  # slots run out before bytes

    def test_the_end_is_told_even_when_the_program_exits_at_once(self):
        _, victim = self.python_victim()
        blocked = victim.wait_for("blocked")
        self.assertEqual(victim.drain(), (100000, 0))
        unblocked = victim.events("unblocked")
        self.assertEqual([e["ref"] for e in unblocked], [blocked["seq"]])
        self.assertGreaterEqual(unblocked[0]["blocked_ms"], blocked["blocked_ms"])
        self.assertEqual(victim.events("summary")[0]["sites"][0]["unreturned"], 0)

    def first_line(self, path):
        with open(path, encoding="ascii") as file:
            return file.readline().strip()

    def start_engine(self):
        log = os.path.join(self.folder, "log")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_FORMAT="json", PIPESHIM_LOG=log)
        process = subprocess.Popen([os.path.join(BUILD, "victims", "engine")], env=environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        self.addCleanup(process.wait)
        self.addCleanup(os.killpg, process.pid, signal.SIGKILL)
        return process, log

    def test_deadlock_is_named_with_its_closed_chain(self):
        parent, log = self.start_engine()
        deadline = time.monotonic() + DEADLINE_S
        found = []
        while not found and time.monotonic() < deadline:
            time.sleep(0.02)
            if os.path.exists(log):
                with open(log, encoding="utf-8") as lines:
                    found = [e for e in map(json.loads, (x for x in lines if x.endswith("\n")))
                             if e["event"] == "deadlock"]
        chain = found[0]["chain"]
        self.assertEqual(len(chain), 2)
        pids = {link["pid"] for link in chain}
        self.assertEqual(len(pids), 2)
        self.assertLessEqual({parent.pid, found[0]["pid"]}, pids)  # either may be the first to tell
        for link, following in zip(chain, chain[1:] + chain[:1]):
            self.assertEqual(link["for_pid"], following["pid"])
        self.assertEqual({link["waits_in"] for link in chain}, {"write fd 2", "read fd 3"})
        self.assertIn("in parallel", found[0]["advice"])

    def test_a_slow_reader_is_no_deadlock(self):
        _, victim = self.python_victim()
        victim.wait_for("blocked")
        # This process is the only reader, and it could read: it only takes its time.
        path = "/proc/%d/task" % victim.process.pid
        watchdog = [t for t in os.listdir(path)
                    if self.first_line("%s/%s/comm" % (path, t)) == "pipeshim"][0]

        def looks():
            with open("%s/%s/status" % (path, watchdog), encoding="ascii") as status:
                return int(status.read().split("\nvoluntary_ctxt_switches:")[1].split()[0])
        before = looks()
        deadline = time.monotonic() + DEADLINE_S
        while looks() < before + 150 and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertEqual(victim.events("deadlock"), [])
        self.assertEqual(victim.drain(), (100000, 0))

    @unittest.skipUnless(shutil.which("node"), "node is not installed")
    def test_names_of_compiled_javascript(self):
        script = self.write_script("audit.js", "const fs = require('fs');\n"
                                               "function auditLog() {\n"
                                               "  for (let i = 0; i < 200; i++)\n"
                                               "    fs.writeSync(1, 'x'.repeat(1000));\n"
                                               "}\n"
                                               "setTimeout(function handle() { auditLog(); }, 1);\n")
        victim = self.start(shutil.which("node"), "--perf-basic-prof",
                            "--interpreted-frames-native-stack", script)
        self.addCleanup(lambda: os.path.exists("/tmp/perf-%d.map" % victim.process.pid) and
                        os.unlink("/tmp/perf-%d.map" % victim.process.pid))
        names = [f.get("symbol", "") for f in victim.wait_for("blocked")["stack"]]
        audit = [i for i, name in enumerate(names) if "auditLog" in name and "audit.js" in name]
        handle = [i for i, name in enumerate(names) if "handle" in name and "audit.js" in name]
        self.assertTrue(audit and handle and audit[0] < handle[0], names)
        self.assertEqual(victim.drain(), (200000, 0))


if __name__ == "__main__":
    sys.exit(unittest.main())
