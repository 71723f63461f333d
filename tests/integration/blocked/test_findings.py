#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the library says of pipes beyond the stuck call: that they fill, and why nobody reads."""
import os
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import PipeshimCase, wait_until  # noqa: E402

PYTHON = "/usr/bin/python3"
# Writes SIZE bytes to stdout each DELAY seconds, COUNT times, then one byte each, MORE times, until
# its stdin ends, which it waits for.
DRIBBLE = """
import os, select, sys, time
size, delay, count, more = (kind(text) for kind, text in zip((int, float, int, int), sys.argv[1:]))
for _ in range(count):
    os.write(1, b"x" * size)
    time.sleep(delay)
while more > 0 and not select.select([0], [], [], delay)[0]:
    os.write(1, b"x")
    more -= 1
sys.stdin.read()
"""
# An asyncio program that reads its child line by line, but for a synchronous call to argv[1].
PARENT = """
import asyncio, sys, urllib.request
CHILD = "import sys\\nfor i in range(100000): sys.stdout.write('line %d\\\\n' % i)"
async def main():
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD,
                                                 stdout=asyncio.subprocess.PIPE)
    lines = 0
    async def read():
        nonlocal lines
        while await child.stdout.readline():
            lines += 1
            await asyncio.sleep(0)
    task = asyncio.create_task(read())
    while lines < 100: # it is a loop by then
        await asyncio.sleep(0.01)
    try:
        urllib.request.urlopen(sys.argv[1], timeout=60)
    except OSError:
        pass
    await task
asyncio.run(main())
"""


class Findings(PipeshimCase):
    def dribble(self, size, delay, count, more=0, **settings):
        """Writes of one size; then, to a pipe that is not quite full, `more` of one byte."""
        return self.start(PYTHON, "-c", DRIBBLE, str(size), str(delay), str(count), str(more),
                          settings={"PIPESHIM_RATE": "1000/s", **settings})

    def test_a_pipe_that_fills(self):
        run = self.dribble(1000, 0.03, 58, more=2000)
        event = run.wait_for("filling")[0]
        self.assertEqual(run.events("blocked"), [], "it is told before the pipe is full")
        self.assertEqual(event["fd"], 1)
        pipe = event["pipe"]
        self.assertGreaterEqual(pipe["used"], 0.75 * pipe["capacity"])
        self.assertLess(pipe["used"], pipe["capacity"])
        self.assertIn(os.getpid(), [peer["pid"] for peer in pipe["peers"]])
        self.assertGreater(event["bytes_per_s"], 0)
        self.assertLess(event["bytes_per_s"], 110000)
        self.assertAlmostEqual(event["full_in_s"],
                               (pipe["capacity"] - pipe["used"]) / event["bytes_per_s"], delta=0.2)
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual(len(run.events("filling")), 1)

    def test_a_pipe_that_is_read_does_not_fill(self):
        run = self.dribble(3000, 0.01, 150)
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual(run.events("filling"), [])

    def test_a_reader_that_waits_for_it(self):
        """It sleeps in an epoll that has the pipe (edge-triggered here, so that it is seen to): it
        is about to be woken, and the pipe is no forgotten one."""
        reader = ("import array, fcntl, os, select, termios\n"
                  "epoll, unread = select.epoll(), array.array('i', [0])\n"
                  "epoll.register(0, select.EPOLLIN | select.EPOLLET)\n"
                  "while unread[0] < 59000: epoll.poll(); fcntl.ioctl(0, termios.FIONREAD, unread)\n"
                  "while os.read(0, 1 << 16): pass\n")
        run = self.start("/bin/bash", "-c", "\"$0\" -c \"$1\" 1000 0.03 60 0 | \"$0\" -c \"$2\"",
                         PYTHON, DRIBBLE, reader, settings={"PIPESHIM_RATE": "1000/s"})
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual(run.events("filling"), [])

    def test_a_pipe_that_is_emptied_each_time(self):
        """bzip2 | wc: nothing for a while, then nearly a pipe full, which is read soon."""
        reader = ("import os, select, time\n"
                  "while True:\n"
                  "    select.select([0], [], [])\n"
                  "    time.sleep(0.25)\n"
                  "    if not os.read(0, 1 << 16): break\n")
        run = self.start("/bin/bash", "-c", "\"$0\" -c \"$1\" 58000 0.8 6 0 | \"$0\" -c \"$2\"",
                         PYTHON, DRIBBLE, reader, settings={"PIPESHIM_RATE": "1000/s"})
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual(run.events("filling"), [])

    def piped(self, writer, reader):
        """What is told of `writer | reader`."""
        run = self.start("/bin/bash", "-c", "\"$0\" -c \"$1\" | \"$0\" -c \"$2\"", PYTHON, writer,
                         reader, settings={"PIPESHIM_RATE": "1000/s"})
        self.assertEqual(run.drain()[2], 0)
        return run.events("filling")

    def test_a_reader_that_never_waits(self):
        """It takes what there is and computes, again and again: more than half full and then empty
        a thousand times a second, and some looks in a row find more each time."""
        writer = "import os\nfor _ in range(20000): os.write(1, bytes(4096))"
        reader = ("import os, time\n"
                  "while os.read(0, 65536):\n"
                  "    end = time.monotonic() + 0.0001\n"
                  "    while time.monotonic() < end: pass\n")
        self.assertEqual(self.piped(writer, reader), [])

    def test_a_reader_in_step(self):
        """It is 56,320 bytes behind, and takes 512 for each 512 that come."""
        writer = ("import os, time\n"
                  "for count in [110] + [1] * 200: os.write(1, bytes(512 * count)); time.sleep(0.01)")
        reader = ("import array, fcntl, os, termios, time\n"
                  "unread, taken = array.array('i', [0]), 0\n"
                  "while taken < 200 * 512:\n"
                  "    fcntl.ioctl(0, termios.FIONREAD, unread)\n"
                  "    if unread[0] > 56320: taken += len(os.read(0, 512))\n"
                  "    else: time.sleep(0.002)\n"
                  "while os.read(0, 65536): pass\n")
        self.assertEqual(self.piped(writer, reader), [])

    def times_told(self, pause):
        """Of a writer whose reader makes the pause between its reads, 24 times."""
        writer = "import os\nfor _ in range(24): os.write(1, bytes(65536))"
        reader = ("import os, sys, time\n"
                  "def compute(seconds):\n"
                  "    end = time.monotonic() + seconds\n"
                  "    while time.monotonic() < end: pass\n"
                  "while os.read(0, 65536): %s(0.25)\n" % pause)
        run = self.start("/bin/bash", "-c", "\"$0\" -c \"$1\" | \"$0\" -c \"$2\"", PYTHON, writer,
                         reader, settings={"PIPESHIM_RATE": "1000/s", "PIPESHIM_THRESHOLD": "100ms"})
        self.assertEqual(run.drain()[2], 0)
        blocked = run.events("blocked")
        self.assertEqual({e["class"] for e in blocked}, {"pipe_write"})
        return len(blocked)

    def test_a_reader_that_computes_is_told_once(self):
        """head | bzip2 -9. Twice where the first look met it in a call."""
        self.assertLessEqual(self.times_told("compute"), 3)

    def test_a_reader_that_hands_on_is_told_once(self):
        """head | bzip2 -9 | wc, where wc gets no CPU: bzip2 computes, then it is held up itself."""
        writer = "import os\nfor _ in range(24): os.write(1, bytes(65536))"
        relay = ("import os, time\n"
                 "os.dup2(1, 9)\n"
                 "for turn in range(24):\n"
                 "    end = time.monotonic() + 0.25\n"
                 "    while turn < 12 and time.monotonic() < end: pass\n"
                 "    for _ in range(turn >= 12): os.write(9, bytes(65536))\n"
                 "    os.read(0, 65536)\n")
        reader = "import os, time\nwhile os.read(0, 65536): time.sleep(0.25)"
        run = self.start("/bin/bash", "-c", "\"$0\" -c \"$1\" | \"$0\" -c \"$2\" | \"$0\" -c \"$3\"", PYTHON,
                         writer, relay, reader,
                         settings={"PIPESHIM_RATE": "1000/s", "PIPESHIM_THRESHOLD": "100ms"})
        self.assertEqual(run.drain()[2], 0)
        blocked = run.events("blocked")
        self.assertLessEqual(len([e for e in blocked if e["fd"] == 1]), 3, blocked)
        self.assertEqual({e["class"] for e in blocked}, {"pipe_write"})

    def test_a_reader_that_sleeps_is_told_each_time(self):
        """Not where the watchdog lacked a CPU, which may be often: but more than a computing one."""
        self.assertGreaterEqual(self.times_told("time.sleep"), 5)

    def test_a_pipe_that_gets_another_reader(self):
        """Who was found to hold its other end a moment ago may have passed it on."""
        run = self.start(PYTHON, "-c", "import os\nfor _ in range(2): os.write(1, bytes(65537))")
        first = run.wait_for("blocked")[0]
        self.assertEqual([(peer["pid"], peer["name"]) for peer in first["pipe"]["peers"]],
                         [(os.getpid(), os.path.basename(sys.argv[0]))])
        waits, goes_on = os.pipe()
        other = subprocess.Popen([PYTHON, "-c", "import os; os.read(0, 65536); os.read(%d, 1)\n"
                                  "while os.read(0, 65536): pass" % waits],
                                 stdin=run.readers[0], pass_fds=(waits,))
        os.close(waits)
        os.close(run.readers[0])
        run.readers[0] = os.open("/dev/null", os.O_RDONLY)
        second = run.wait_for("blocked", 2)[1]
        self.assertEqual([peer["pid"] for peer in second["pipe"]["peers"]], [other.pid])
        os.close(goes_on)
        self.assertEqual((other.wait(60), run.process.wait(60)), (0, 0))

    def test_from_where_on(self):
        early = self.dribble(100, 0.05, 10000, PIPESHIM_FILL_WARN="10%")
        late = self.dribble(1000, 0.02, 55, PIPESHIM_FILL_WARN="95%")
        self.assertLess(early.wait_for("filling")[0]["pipe"]["used"], 45000)
        early.process.kill()
        early.drain()
        self.assertEqual(late.drain()[2], 0)
        self.assertEqual(late.events("filling"), [])

    def test_loop_that_is_away_in_an_http_call(self):
        """No circle: the child's stuck write names the call that keeps its reader away."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            parent = self.start(PYTHON, "-c", PARENT, "http://127.0.0.1:%d/" % server.getsockname()[1])
            findings = parent.wait_for("finding", 2)
            finding = findings[0]
            self.assertEqual({e["finding"] for e in findings}, {"reader_away"})
            writer = finding["chain"][0]["pid"]
            self.assertEqual({e["pid"] for e in findings}, {writer, parent.process.pid})
            self.assertEqual([link["pid"] for link in finding["chain"]],
                             [writer, parent.process.pid])
            self.assertRegex(finding["words"], r"its stdout\): full.*, and does not: it waits in poll")
            self.assertIn("asynchronous client", finding["advice"])
            away = [e for e in parent.events("blocked") if e["pid"] == parent.process.pid][0]
            self.assertEqual((away["class"], away["loop"]), ("socket_read", True))
            self.assertEqual(parent.events("deadlock"), [])
            server.accept()[0].close()
        self.assertEqual(parent.drain()[2], 0)

    def test_a_reader_that_is_stopped(self):
        run = self.start("/bin/bash", "-c", "yes | (read line; kill -STOP $BASHPID; cat >/dev/null)")
        finding = run.wait_for("finding")[0]
        self.assertEqual(finding["finding"], "reader_stopped")
        writer, reader = finding["chain"]
        self.assertEqual((writer["waits_for"], reader.get("waits_for")), ("room", None))
        os.kill(finding["chain"][1]["pid"], signal.SIGKILL)
        run.drain()

    def computing_reader(self, seconds, times):
        """What is found of a writer whose reader computes so long, in CPU time, before each read."""
        writer = "import os\nfor _ in range(%d): os.write(1, bytes(65536))" % times
        reader = ("import os, time\n"
                  "while True:\n"
                  "    end = time.process_time() + %f\n"
                  "    while time.process_time() < end: pass\n"
                  "    if not os.read(0, 65536): break\n" % seconds)
        run = self.start("/bin/bash", "-c", "\"$0\" -c \"$1\" | \"$0\" -c \"$2\"", PYTHON, writer,
                         reader)
        self.assertEqual(run.drain()[2], 0)
        self.assertTrue(run.events("blocked"))
        return [e["finding"] for e in run.events("finding") + run.events("deadlock")]

    def test_a_reader_that_computes_between_its_reads(self):
        """head | bzip2 -9: however little CPU it gets."""
        self.assertEqual(self.computing_reader(0.3, 8), [])

    def test_a_reader_that_only_computes(self):
        run = self.start("/bin/bash", "-c", "\"$0\" -c \"$1\" | \"$0\" -c \"$2\"", PYTHON,
                         "import os; os.write(1, bytes(100000))", "while True: pass")
        finding = run.wait_for("finding")[0]
        self.assertEqual(finding["finding"], "reader_away")
        os.kill(finding["chain"][1]["pid"], signal.SIGKILL)
        run.drain()
        self.assertEqual(run.events("deadlock"), [])

    def test_only_oneself_can_read(self):
        code = ("import os, threading\n"
                "ends = os.pipe()\n"
                "threading.Timer(60, print).start()\n"
                "os.write(ends[1], bytes(100000))\n")
        run = self.start(PYTHON, "-c", code)
        told = wait_until(lambda: run.events("finding") + run.events("deadlock"), "finding")[0]
        self.assertRegex(told["words"], "it itself")
        run.process.kill()

    def test_nobody_reads(self):
        run = self.start(PYTHON, "-c", "import os; os.write(1, bytes(1000000))")
        finding = run.wait_for("finding")[0]
        self.assertEqual(finding["finding"], "reader_away")
        self.assertEqual(finding["chain"][0]["for_pid"], os.getpid())
        self.assertEqual(run.drain()[2], 0)

    def test_a_slow_reader_is_no_finding(self):
        code = ("import os, subprocess, sys, time\n"
                "child = subprocess.Popen(['dd', 'if=/dev/zero', 'bs=300000', 'count=10', 'status=none'],\n"
                "                         stdout=subprocess.PIPE)\n"
                "while os.read(child.stdout.fileno(), 30000): time.sleep(0.02)\n"
                "child.wait()\n")
        run = self.start(PYTHON, "-c", code)
        self.assertEqual(run.drain()[2], 0)
        self.assertTrue(run.events("blocked"))
        self.assertEqual(run.events("finding") + run.events("deadlock"), [])


if __name__ == "__main__":
    sys.exit(unittest.main())
