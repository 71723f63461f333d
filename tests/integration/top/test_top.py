# SPDX-License-Identifier: MIT
"""pipeshim top: what it shows of processes that run the library, read from outside."""
import json
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from fake_page import make_library  # noqa: E402
from pipeshim_case import BUILD, DEADLINE_S, LIBRARY, PipeshimCase, read_text, wait_until  # noqa: E402

TOOL = os.path.join(BUILD, "pipeshim")
PYTHON = "/usr/bin/python3"
# It waits for a child whose output it does not read; when told to go on it reads, and stays.
WAITS = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE)
child.wait()
print("done", flush=True)
sys.stdin.read()
"""
# It reads line after line in one place; the child writes one now and then, when its stderr is read.
SERVED = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", '''
import os, sys, time
os.write(2, b"x" * 200000)
while True:
    os.write(1, b"line\\\\n")
    time.sleep(0.02)
'''], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
while os.read(child.stdout.fileno(), 5):
    pass
"""
# It writes to a pipe of its own that it reads when it is told to.
HEALTHY = """
import os, sys
print("ready", flush=True)
sys.stdin.readline()
"""
# Its loop is late now and then, by its own work, and at last no more.
LATE = """
import asyncio, sys, time
async def main():
    for _ in range(3):
        for _ in range(20):
            await asyncio.sleep(0.01)
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass
    print("over", flush=True)
    while True:
        await asyncio.sleep(0.01)
asyncio.run(main())
"""
# Two event loops: one is away for good, the other one now and then.
TWO_LOOPS = """
import asyncio, os, threading, time
def run(seconds):
    async def main():
        while True:
            for _ in range(20):
                await asyncio.sleep(0.01)
            end = time.time() + seconds
            while time.time() < end:
                os.getppid()
    asyncio.run(main())
def name(text):
    open("/proc/thread-self/comm", "w").write(text)
threading.Thread(target=lambda: (name("long"), run(10000)), daemon=True).start()
time.sleep(1)
threading.Thread(target=lambda: (name("short"), run(1)), daemon=True).start()
threading.Event().wait()
"""


def top(*arguments):
    return subprocess.run([TOOL, "top", *arguments], capture_output=True, text=True,
                          timeout=DEADLINE_S, stdin=subprocess.DEVNULL)


def shown(pid):
    """The process as `top --json` has it; None: not shown."""
    found = [p for p in json.loads(top("--json", "-n", "1").stdout)["processes"]
             if p["pid"] == pid]
    return found[0] if found else None


class Top(PipeshimCase):
    def launch(self, command, library=LIBRARY, **settings):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(PIPESHIM_THRESHOLD="50ms", PIPESHIM_LOG="/dev/null", **settings)
        if library:
            environment["LD_PRELOAD"] = library
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        for pid in [process.pid] + [p["pid"] for p in self.children(process.pid)]:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass
        process.wait()
        process.stdin.close()
        process.stdout.close()

    def children(self, pid):
        text = read_text("/proc/%d/task/%d/children" % (pid, pid))
        return [{"pid": int(word)} for word in text.split()]

    def test_a_deadlock_while_it_lasts(self):
        process = self.launch([PYTHON, "-c", WAITS])
        seen = wait_until(lambda: (s := shown(process.pid)) and s["state"] == "DEADLOCK" and s,
                          "deadlock in top")
        self.assertEqual(seen["findings"]["deadlock"], {"told": 1, "active": True})
        self.assertIn("cannot finish its write", seen["words"])
        child = self.children(process.pid)[0]["pid"]
        chain = seen["chains"][0]
        self.assertEqual((chain["finding"], [m["pid"] for m in chain["chain"]].count(child)),
                         ("deadlock", 1))
        self.assertEqual({m["pid"]: m["for_pid"] for m in chain["chain"]},
                         {child: process.pid, process.pid: child})
        seen = wait_until(lambda: (s := shown(child)) and s["state"] == "DEADLOCK" and s,
                          "the child's side")
        self.assertEqual(seen["stdio"]["stdout"], {"used": 65536, "capacity": 65536})
        self.assertEqual(seen["classes"]["pipe_write"]["blocked"], 1)
        thread = seen["threads"][0]
        self.assertEqual((thread["call"], thread["class"], thread["fd"], thread["peer_pid"]),
                         ("write", "pipe_write", 1, process.pid))
        self.assertEqual(thread["used"], thread["capacity"])
        self.assertIn("<string>:1", thread["where"])
        lines = top("-b", "-n", "1").stdout.splitlines()
        pids = [int(line.split()[0]) for line in lines[2:]]
        self.assertIn(" DEADLOCK ", lines[2])  # the worst first
        self.assertIn(process.pid, pids)
        # It is un-wedged from outside: the state goes, the count stays.
        fd = [n for n in os.listdir("/proc/%d/fd" % process.pid) if int(n) > 2 and
              os.readlink("/proc/%d/fd/%s" % (process.pid, n)).startswith("pipe:")]
        with open("/proc/%d/fd/%s" % (process.pid, fd[0]), "rb") as reader:
            while reader.read1(65536):
                pass
        self.assertEqual(process.stdout.readline(), b"done\n")
        seen = wait_until(lambda: (s := shown(process.pid)) and s["state"] == "ok" and s, "an end")
        self.assertEqual(seen["findings"]["deadlock"], {"told": 1, "active": False})
        self.assertEqual(top("-b", "-n", "1", str(process.pid)).returncode, 0)

    def test_a_deadlock_that_ends_in_the_place_where_it_began(self):
        """The thread waits in the same call again and again, and is served there."""
        process = self.launch([PYTHON, "-c", SERVED])
        wait_until(lambda: (s := shown(process.pid)) and s["state"] == "DEADLOCK", "deadlock in top")
        child = self.children(process.pid)[0]["pid"]
        with open("/proc/%d/fd/2" % child, "rb", buffering=0) as pipe:
            left = 200000
            while left > 0:
                left -= len(pipe.read(left))
        seen = wait_until(lambda: (s := shown(process.pid)) and s["state"] == "ok" and s, "an end")
        self.assertEqual(seen["findings"]["deadlock"], {"told": 1, "active": False})
        self.assertEqual(seen["chains"], [])

    def test_a_late_loop_that_is_held_back_is_over_when_it_is(self):
        """Nothing is written of a lag that a rule suppresses; its end counts all the same."""
        rules = os.path.join(self.temporary_folder(), "rules")
        with open(rules, "w", encoding="utf-8") as file:
            file.write("class:cpu\n")
        process = self.launch([PYTHON, "-c", LATE], PIPESHIM_LOOP="main", PIPESHIM_SUPPRESS=rules)
        wait_until(lambda: (s := shown(process.pid)) and s["state"] == "LAG", "lag in top")
        self.assertEqual(process.stdout.readline(), b"over\n")
        seen = wait_until(lambda: (s := shown(process.pid)) and s["state"] == "ok" and s, "an end")
        self.assertGreater(seen["loops"][0]["lag_max_ms"], 400)

    def test_one_of_two_late_loops_comes_back(self):
        """The other one is away still, and since when it was."""
        process = self.launch([PYTHON, "-c", TWO_LOOPS], PIPESHIM_LOOP="long,short")

        def both():
            seen = shown(process.pid)
            ended = seen and [loop for loop in seen.get("loops", []) if loop["thread"] == "short" and loop["lags"] > 1]
            return ended and seen["state"] == "LAG" and seen["since_ms"] > 5000
        wait_until(both, "lag of the one loop, and ends of the other's")

    def test_a_healthy_program_is_ok(self):
        process = self.launch([PYTHON, "-c", HEALTHY])
        self.assertEqual(process.stdout.readline(), b"ready\n")
        seen = wait_until(lambda: (s := shown(process.pid)) and s["state"] == "ok" and s, "a page")
        self.assertEqual((seen["threads"], seen["findings"], seen["held_back"]), ([], {}, 0))

    def test_a_process_without_the_library(self):
        process = self.launch([PYTHON, "-c", HEALTHY], library=None)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        self.assertIsNone(shown(process.pid))
        done = top("-b", "-n", "1", str(process.pid))
        self.assertEqual((done.returncode, done.stderr), (
            1, "pipeshim top: process %d does not run the library\n" % process.pid))

    def test_names_and_globs(self):
        process = self.launch([PYTHON, "-c", HEALTHY])
        self.assertEqual(process.stdout.readline(), b"ready\n")
        wait_until(lambda: shown(process.pid), "a page")
        pids = [p["pid"] for p in json.loads(top("--json", "-n", "1", "pytho*").stdout)["processes"]]
        self.assertIn(process.pid, pids)
        pids = json.loads(top("--json", "-n", "1", "nobody-is-called-so").stdout)["processes"]
        self.assertEqual(pids, [])

    def test_one_that_has_not_said_a_word_has_a_name(self):
        """A forked child that makes no call has no page of its own yet."""
        process = self.launch([PYTHON, "-c", """
import os, sys
child = os.fork()
while child == 0:
    pass
print(child, flush=True)
sys.stdin.readline()
"""])
        child = int(process.stdout.readline())
        wait_until(lambda: (s := shown(process.pid)) and s["state"] == "ok", "its parent's page")
        seen = shown(child)
        self.assertEqual((seen["state"], seen["name"]), ("new", shown(process.pid)["name"]))

    def fake(self, version, sequence, size="0xffffffff"):
        path = make_library(self.temporary_folder(), version, sequence, size)
        process = self.launch([PYTHON, "-c", HEALTHY], library=path)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process.pid

    def test_a_page_that_lies(self):
        """Counts beyond the page, texts without an end: shown within bounds, without a control character."""
        pid = self.fake(1, 2)
        seen = shown(pid)
        self.assertLessEqual(len(seen["threads"]), 24)
        self.assertLessEqual(len(seen["loops"]), 8)
        done = top("-b", "-n", "1", str(pid))
        self.assertEqual(done.returncode, 0)
        self.assertEqual([c for c in done.stdout if ord(c) < 32 and c != "\n"], [])

    def test_pages_that_cannot_be_read(self):
        """Of another version, or in the middle of a write: a line that says so."""
        for version, sequence, why in ((9, 2, "runs a library of another version"),
                                       (1, 3, "could not be read: its page was being written each time")):
            pid = self.fake(version, sequence)
            self.assertNotIn("threads", shown(pid))
            self.assertRegex(shown(pid)["name"], "^python")
            done = top("-b", "-n", "1", str(pid))
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1))
            self.assertIn("process %d %s" % (pid, why), done.stderr)
        self.assertIn("of another version", top("-b", "-n", "1").stdout)

    def test_a_page_of_an_older_library(self):
        """Smaller: what it has is read. Larger, of a newer one: what is known here."""
        for size in ("offsetof(struct page, later)", "1 << 20"):
            pid = self.fake(1, 2, size)
            self.assertIn("threads", shown(pid))
            self.assertEqual(top("-b", "-n", "1", str(pid)).stderr, "")

    def test_what_changes_while_it_is_watched(self):
        """One `top` sees the call begin and end: a page that has not changed is not copied again."""
        process = self.launch([PYTHON, "-c", """
import os, sys
print("ready", flush=True)
for line in sys.stdin:
    os.write(1, b"x" * 70000)
"""])
        self.assertEqual(process.stdout.readline(), b"ready\n")
        path = os.path.join(self.temporary_folder(), "out")
        with open(path, "w") as out:
            watching = subprocess.Popen([TOOL, "top", "--json", "-n", "1000000", "--interval", "20ms",
                                         str(process.pid)], stdin=subprocess.DEVNULL, stdout=out)
        self.addCleanup(watching.wait)
        self.addCleanup(watching.kill)

        def blocked():
            lines = read_text(path).splitlines(True)[-2:]
            whole = [json.loads(line) for line in lines if line.endswith("\n")]
            of = whole[-1]["processes"] if whole else []
            return [t for p in of for t in p.get("threads", []) if t["class"] == "pipe_write"] if of else None
        wait_until(lambda: blocked() == [], "a quiet process")
        for _ in range(2):
            process.stdin.write(b"1\n")
            process.stdin.flush()
            wait_until(blocked, "a blocked call")
            self.assertEqual(len(process.stdout.read(70000)), 70000)
            wait_until(lambda: blocked() == [], "its end")

    def test_a_process_that_ends_while_it_is_watched(self):
        process = self.launch([PYTHON, "-c", HEALTHY])
        self.assertEqual(process.stdout.readline(), b"ready\n")
        wait_until(lambda: shown(process.pid), "a page")
        shown_in = os.path.join(self.temporary_folder(), "out")
        with open(shown_in, "w") as out, open(shown_in + ".said", "w") as said:
            watching = subprocess.Popen([TOOL, "top", "-b", "-n", "100000", "--interval", "20ms",
                                         str(process.pid)], stdin=subprocess.DEVNULL, stdout=out,
                                        stderr=said)
        self.addCleanup(watching.wait)
        self.addCleanup(watching.kill)
        wait_until(lambda: "1 watched" in read_text(shown_in), "a table with it")
        process.kill()
        process.wait()
        wait_until(lambda: "0 watched" in read_text(shown_in), "a table without it")
        wait_until(lambda: read_text(shown_in + ".said"), "a line about its end")
        watching.kill()
        watching.wait()
        self.assertEqual(read_text(shown_in + ".said"),
                         "pipeshim top: process %d has ended\n" % process.pid)

    def test_processes_that_die_all_the_time(self):
        """Read in the middle of their ends: nothing is said, and nothing breaks."""
        stop = time.monotonic() + 3
        watching = subprocess.Popen([TOOL, "top", "--json", "-n", "200", "--interval", "10ms"],
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True)
        while time.monotonic() < stop:
            process = self.launch([PYTHON, "-c", "import os; os.write(1, b'x' * 70000)"])
            time.sleep(0.02)
            process.kill()
        out, said = watching.communicate(timeout=DEADLINE_S)
        self.assertEqual((watching.returncode, said), (0, ""))
        self.assertEqual(len([json.loads(line) for line in out.splitlines()]), 200)

    def test_wrong_use(self):
        for arguments in (["-n", "0"], ["-n", "x"], ["--interval", "soon"], ["--nonsense"]):
            done = top(*arguments)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (64, 1), arguments)


if __name__ == "__main__":
    unittest.main()
