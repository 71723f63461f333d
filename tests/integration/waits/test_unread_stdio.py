#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Programs that do not block on a full stdout: one is refused because another one has made the
stream non-blocking, one keeps in memory what nobody reads. And the readers that are away."""
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import DEADLOCK, PIPESHIM  # noqa: E402
from pipeshim_case import DEADLINE_S, Run, read_text, victim, wait_until  # noqa: E402
from waits_case import SIDES, WaitsCase, thread_count  # noqa: E402

NODE = shutil.which("node")

# A pipe that two programs share: the first is to change its flags, the second writes. argv: the
# first one's program and code, the second's code, what to read of the pipe meanwhile.
SHARED = """
import fcntl, threading
reading, writing = os.pipe()
if sys.argv[4] == "read":
    threading.Thread(target=lambda: [0 for _ in iter(lambda: os.read(reading, 65536), b"")],
                     daemon=True).start()
first = subprocess.Popen([sys.argv[1], sys.argv[2], sys.argv[3]], stdin=subprocess.PIPE,
                         stdout=writing)
first.stdin.write(b"go")
first.stdin.flush()
while "readline" not in sys.argv[3] and not fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_NONBLOCK:
    os.sched_yield()
program = [sys.executable, "-c", sys.argv[5]] if "import" in sys.argv[5] else [sys.argv[5]]
second = subprocess.Popen([*program, sys.argv[6]], stdout=writing, env=environment())
if sys.argv[4] != "keep":
    os.close(writing)
status = second.wait()
first.stdin.close()
first.wait()
sys.exit(status)
"""
# It waits for the end of its stdin.
NODE_SIBLING = "process.stdout.write('x'); process.stdin.resume()"
PYTHON_SIBLING = "import os, sys; os.set_blocking(1, False); os.write(1, b'x'); sys.stdin.read()"
QUIET_SIBLING = "import sys; sys.stdin.readline()"
# The last argument says how it becomes non-blocking, if by the writer itself.
WRITER = """
import fcntl, os, signal, sys
how = sys.argv[1]
if how == "itself":
    fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_NONBLOCK)
elif how == "ioctl":
    os.set_blocking(1, False)
elif how == "duplicate":
    os.set_blocking(os.dup(1), False)
elif how == "interrupted":
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(3))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
elif how == "stdio":
    print("y" * 200000, flush=True)
for _ in range(3):
    try:
        os.write(1, bytes(200000))
    except BlockingIOError:
        pass
"""

# Its stdout is never read. It waits meanwhile in what the arguments say, and is killed at last.
UNREAD = """
import select, socket, time
how = sys.argv[1]
child = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE, env=environment())
print(child.pid, flush=True)
if how == "read":
    while child.stdout.read1():
        pass
elif how == "ask":
    while child.poll() is None:
        time.sleep(1)
elif how == "sleep":
    time.sleep(600)
elif how == "socket":
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.recv(1)
child.wait()
"""
# A server: sockets and timers wake its loop, so that nothing of it is stuck.
LOGGER = """
require('net').createServer().listen(0);
const line = 'z'.repeat(200);
let rounds = 0;
const timer = setInterval(() => {
    for (let i = 0; i < %d; i++) console.log(line);
    if (++rounds === %d) process.exit(0);
}, 5);
"""
ENDLESS = 1 << 30


class NonBlockingShared(WaitsCase):
    def shared(self, first, how, reads="away", writer=WRITER):
        run = self.begin("child", SHARED, *first, reads, writer, how)
        run.process.wait(60)
        return run

    def assert_told(self, run):
        findings = run.events("finding")
        self.assertEqual([e["kind"] for e in findings], ["nonblocking_shared"], run.events())
        return findings[0]

    @unittest.skipUnless(NODE, "no node here")
    def test_a_node_beside(self):
        event = self.assert_told(self.shared((NODE, "-e", NODE_SIBLING), "raw"))
        writer, node = event["chain"]
        self.assertEqual(event["pid"], writer["pid"])
        self.assertEqual(writer["for_pid"], node["pid"])
        self.assertEqual(node["comm"], "node")
        self.assertEqual(event["certainty"], "proven")
        self.assertRegex(event["words"], r"refused a write to stdout.*node \(%d\), which shares it "
                         r"\(its stdout\), makes its own streams so, as Node does" % node["pid"])
        self.assertIn(">/dev/stdout", event["advice"])
        self.assertNotIn("rescue", event)

    @unittest.skipUnless(NODE, "no node here")
    def test_by_stdio(self):
        """Python's buffer raises, and the program ends at once: it is told with the last words."""
        self.assert_told(self.shared((NODE, "-e", NODE_SIBLING), "stdio"))

    def test_another_program_beside(self):
        """Who it was cannot be proven: the flag says nothing of who has set it."""
        event = self.assert_told(self.shared(("/usr/bin/python3", "-c", PYTHON_SIBLING), "raw"))
        self.assertEqual(event["certainty"], "likely")
        self.assertRegex(event["words"], "probably did$")
        # Python's own code has made the write; where its program stood then is not known later.
        self.assertNotIn("where", event)

    def test_where_the_write_was_made(self):
        """It is over when the watchdog looks, and the program elsewhere."""
        run = self.begin("child", SHARED, "/usr/bin/python3", "-c", PYTHON_SIBLING, "away",
                         victim("shared_stdio"), "waits")
        event = run.wait_for("finding")[0]
        self.assertRegex(event["where"], r"^shared_stdio\+0x[0-9a-f]+ fill$")
        self.assertEqual(event["chain"][0]["where"], event["where"])
        self.assertEqual(len(event["chain"][0]["stack"]), 1)
        self.assertNotIn("where", event["chain"][1])
        run.process.stdin.close()
        self.assertEqual(run.process.wait(60), 0)

    def test_not_the_one_that_started_both(self):
        """A build script keeps the stream that it hands on, and does nothing to it."""
        run = self.shared(("/usr/bin/python3", "-c", PYTHON_SIBLING), "raw", "keep")
        self.assertNotEqual(self.assert_told(run)["chain"][1]["pid"], run.process.pid)

    def test_its_own_flag(self):
        for how in ("itself", "ioctl", "duplicate"):
            with self.subTest(how=how):
                run = self.shared(("/usr/bin/python3", "-c", QUIET_SIBLING), how)
                self.assertEqual(run.events("finding"), [])

    def test_a_signal_cuts_it_short(self):
        run = self.shared(("/usr/bin/python3", "-c", QUIET_SIBLING), "interrupted")
        self.assertEqual(run.events("finding"), [])

    def test_a_vfork_child_that_had_another(self):
        """It has its parent's memory, not its parent's descriptors."""
        self.assert_told(self.shared(("/usr/bin/python3", "-c", PYTHON_SIBLING), "vfork",
                                     writer=victim("shared_stdio")))

    def test_in_strict_mode(self):
        """No call of ours then, whatever is refused."""
        run = self.shared(("/usr/bin/python3", "-c", PYTHON_SIBLING), "strict",
                          writer=victim("shared_stdio"))
        self.assertEqual(run.process.returncode, 0)

    def nonblocking_stdout(self, how, **settings):
        """Events and status of a C program, which begins late, on a pipe that this test has made
        non-blocking."""
        folder = self.temporary_folder()
        run = Run(folder, [victim("shared_stdio"), how], settings={"PIPESHIM_SUMMARY": "on", **settings})
        self.addCleanup(run.close)
        status = run.process.wait(60)
        return [e for e in run.events() if e["event"] == "finding"], status

    def test_a_flag_of_the_very_start(self):
        """Set before the first call that may block, with which the library begins."""
        self.assertEqual(self.nonblocking_stdout("early"), ([], 0))

    def test_a_stream_of_its_own(self):
        """Made non-blocking when it was opened, and put in the place of the one it was given."""
        self.assertEqual(self.nonblocking_stdout("replaced"), ([], 0))

    @unittest.skipUnless(NODE, "no node here")
    def test_nobody_is_refused(self):
        """The same two, small writes, and a reader."""
        run = self.begin("child", SHARED, NODE, "-e", NODE_SIBLING, "read",
                         "import os\nfor _ in range(200): os.write(1, b'y')", "")
        self.assertEqual(run.process.wait(60), 0)
        self.assertEqual(run.events("finding"), [])


@unittest.skipUnless(NODE, "no node here")
class Backlog(WaitsCase):
    def unread(self, side, how, lines, rounds=ENDLESS):
        return self.begin(side, UNREAD, how, NODE, "-e", LOGGER % (lines, rounds))

    def test_from_each_side(self):
        for side in SIDES:
            with self.subTest(side=side):
                run = self.unread(side, "socket", 30)
                child = int(os.read(run.readers[0], 20))
                events = run.wait_for("finding", 2 if side == "both" else 1)
                self.assertEqual({e["kind"] for e in events}, {"backlog"})
                self.assertEqual({e["pid"] for e in events}, self.watched(run, side, child))
                self.assertEqual(len({e["id"] for e in events}), 1)
                for event in events:
                    self.assertEqual([link["pid"] for link in event["chain"]],
                                     [child, run.process.pid])
                    self.assertRegex(event["words"], r"keeps in memory what its stdout does not "
                                     r"take.*; its memory grew by [0-9]+ KiB in [0-9]+ ms")
                    self.assertIn("'drain'", event["advice"])

    def test_a_parent_that_waits_for_it(self):
        """Its timers make it come round: what grows in its memory tells it from a deadlock."""
        logger = LOGGER.replace("require('net').createServer().listen(0);", "")
        for side in SIDES:
            with self.subTest(side=side):
                run = self.begin(side, UNREAD, "wait", NODE, "-e", logger % (30, ENDLESS))
                child = int(os.read(run.readers[0], 20))
                events = run.wait_for("finding", 2 if side == "both" else 1)
                self.assertEqual({e["kind"] for e in events}, {"backlog"})
                self.assertEqual({e["pid"] for e in events}, self.watched(run, side, child))

    def test_one_that_comes_round_and_grows_no_more(self):
        """The same, but all is written: its parent waits for it in vain."""
        code = "process.stdout.write('x'.repeat(900000)); setInterval(() => {}, 50)"
        run = self.begin("both", UNREAD, "wait", NODE, "-e", code)
        events = run.wait_for("deadlock", 2)
        self.assertEqual({e["certainty"] for e in events}, {"likely"})

    def test_one_that_comes_round_and_is_at_work(self):
        """The parent waits for its answer, and gets it: that its stderr is full holds up nobody. The
        work is counted, not timed: beside a load it takes longer, or waits for a CPU."""
        code = ("process.stderr.write('x'.repeat(300000)); let left = 150;"
                "const work = () => { let n = 0; for (let i = 0; i < 2e7; i++) n += i & 3; return n };"
                "const turn = () => { work(); if (--left) return setTimeout(turn, 20);"
                "  console.log('answer'); process.exit() };"
                "turn()")
        parent = ("child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE,"
                  " stderr=subprocess.PIPE, env=environment())\n"
                  "sys.exit(child.stdout.readline() != b'answer\\n')\n")
        run = self.begin("both", parent, NODE, "-e", code)
        while run.process.poll() is None:
            done = subprocess.run([PIPESHIM, "diagnose", str(run.process.pid)], check=False,
                                  capture_output=True, text=True, timeout=DEADLINE_S)
            self.assertNotEqual(done.returncode, DEADLOCK, done.stdout)
        self.assertEqual(run.process.wait(), 0)
        self.assertEqual(run.events("deadlock") + run.events("finding"), [])

    def test_it_is_read(self):
        run = self.unread("both", "read", 30, 600)
        self.assertEqual(run.process.wait(60), 0)
        self.assertEqual(run.events("finding"), [])

    def test_nothing_grows(self):
        """The pipe is full and nobody reads it, but the program has nothing more to say."""
        code = ("process.stdout.write('x'.repeat(90000)); let n = 0;"
                "setInterval(() => { if (++n === 900) process.exit(0); }, 5)")
        run = self.begin("child", UNREAD, "ask", NODE, "-e", code)
        self.assertEqual(run.process.wait(60), 0)
        self.assertEqual([e["kind"] for e in run.events("finding") if e["kind"] == "backlog"], [])


# Others inherit the reading end, and do not read either.
INHERITED = """
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE,
                         env=environment())
others = [subprocess.Popen(["sleep", "600"], stdin=child.stdout) for _ in range(int(sys.argv[2]))]
others[0].wait()
"""


class ReaderAway(WaitsCase):
    WRITER = "import os; os.write(1, bytes(200000))"

    def test_from_each_side(self):
        """The parent's line is the one to change, and so it is told there too."""
        for side in SIDES:
            for how in ("sleep", "socket"):
                with self.subTest(side=side, how=how):
                    run = self.begin(side, UNREAD, how, "/usr/bin/python3", "-c", self.WRITER)
                    child = int(os.read(run.readers[0], 20))
                    events = run.wait_for("finding", 2 if side == "both" else 1)
                    self.assertEqual({e["kind"] for e in events}, {"reader_away"})
                    self.assertEqual({e["pid"] for e in events}, self.watched(run, side, child))
                    self.assertEqual(len({e["id"] for e in events}), 1)
                    parent = events[0]["chain"][1]
                    self.assertRegex(parent["where"], r"/parent\.py:[0-9]+ <module>$")

    def test_who_inherited_the_reading_end_is_named_too(self):
        """"only bash can read it" is not true of one that has started another with it."""
        for others, words in ((1, r" and sleep \(\d+\) can read it, and neither does"),
                              (2, " and 2 more can read it, and none does")):
            with self.subTest(others=others):
                run = self.begin("both", INHERITED, self.WRITER, str(others))
                event = run.wait_for("finding")[0]
                self.assertRegex(event["words"], r"only parent\.py \(%d\)%s: parent\.py waits in wait4"
                                 % (run.process.pid, words))

    def test_a_sleeper_whose_child_says_little(self):
        run = self.begin("both", UNREAD, "sleep", "/usr/bin/python3", "-c",
                         "import os; os.write(1, bytes(20000)); os.read(0, 1)")
        child = int(os.read(run.readers[0], 20))
        wait_until(lambda: thread_count(child) > 1, "a watchdog there")
        run.process.stdin.close()
        wait_until(lambda: "(zombie)" in read_text("/proc/%d/status" % child), "its end")
        self.assertEqual(run.events("finding"), [])


if __name__ == "__main__":
    unittest.main()
