#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A deadlock is told by each of its members that runs the library: by the one whose write is stuck,
and by the one that only waits."""
import glob
import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import BUILD, Run, wait_until  # noqa: E402
from waits_case import PRELUDE, PYTHON, SIDES, WaitsCase  # noqa: E402

# The child fills its stdout, which nobody reads before it has ended.
POPEN_WAIT = """
child = subprocess.Popen([sys.executable, "-c", "import os; os.write(1, bytes(200000))"],
                         stdout=subprocess.PIPE, env=environment())
child.wait()
"""
POPEN_WAIT_LINES = (PRELUDE + POPEN_WAIT).splitlines()
# The server logs to a stderr that is never read.
STDERR_UNREAD = """
code = '''
import sys
for line in sys.stdin:
    sys.stderr.write("x" * 3000)
    print("ok", flush=True)
'''
child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, env=environment(),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
while True:
    child.stdin.write("go\\n")
    child.stdin.flush()
    child.stdout.readline()
"""
# Both write more than a pipeful before they read.
BOTH_WRITE_FIRST = """
code = "import os; os.write(1, bytes(200000)); os.read(0, 1)"
child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, env=environment())
os.write(child.stdin.fileno(), bytes(200000))
"""
# Both wait for the other to speak first.
BOTH_READ_FIRST = """
code = "import os; os.read(0, 1); os.write(1, b'x')"
child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, env=environment())
os.read(child.stdout.fileno(), 1)
"""
# An event loop that waits for the end of a child whose stdout it does not read.
ASYNCIO_WAIT = """
import asyncio
async def main():
    child = await asyncio.create_subprocess_exec(*sys.argv[1:], stdout=asyncio.subprocess.PIPE,
                                                 env=environment())
    await child.wait()
asyncio.run(main())
"""
ASYNCIO_HOLDS_STDIN = ASYNCIO_WAIT.replace("stdout=", "stdin=asyncio.subprocess.PIPE, stdout=", 1)
ASYNCIO_READS = """
import asyncio
async def main():
    child = await asyncio.create_subprocess_exec(*sys.argv[1:], stdout=asyncio.subprocess.PIPE,
                                                 env=environment(), limit=8192)
    while await child.stdout.read(16384):
        await asyncio.sleep(0.05)
    await child.wait()
asyncio.run(main())
"""
FILL = "import os; os.write(1, bytes(900000))"
FILL_NODE = "process.stdout.write('x'.repeat(900000), () => process.exit(0))"
STDERR_OF_NODE = """
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=environment())
child.stdout.readline()
"""
# The lock's holder waits for a child that needs it.
LOCK = """
import fcntl
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
code = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'w'), fcntl.LOCK_EX)"
child = subprocess.Popen([sys.executable, "-c", code, sys.argv[1]], stdout=subprocess.PIPE,
                         env=environment())
child.stdout.read()
"""


# A shell has ended and left a process behind that holds its stdout: by read, poll and epoll.
LEFT_BEHIND = {
    "read": "subprocess.Popen(command, stdout=subprocess.PIPE).stdout.read()",
    "poll": "subprocess.run(command, capture_output=True)",
    "epoll_wait fd [0-9]+ ": """
import asyncio
async def main():
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    await child.communicate()
asyncio.run(main())
""",
    "epoll_wait": """
import asyncio
async def main():
    command[2] += "; read line"  # it ends when asyncio knows of its pipe
    child = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE,
                                                 stdout=asyncio.subprocess.PIPE)
    await child.stdout.readline()
    child.stdin.close()
    await child.wait()
asyncio.run(main())
""",
}

LEAKED = """
subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()).communicate()
"""

NODE_READS = {
    "spawn": "spawn('sh', ['-c', 'exec sleep 60 & echo hi']).stdout.resume()",
    "execSync": "execSync('exec sleep 60 & echo hi')",
}
NODE_IN_PEACE = {
    "a slow child": "spawn('sh', ['-c', 'sleep 2.5; echo hi']).stdout.resume()",
    "execSync": "execSync('sleep 2.5')",
    # The starter ends, who answers was left behind: a conversation.
    "a server whose starter has ended": """
const child = spawn('sh', ['-c', 'exec 3<&0; (while read x; do sleep 1.5; echo $x; done) <&3 &'])
let left = 2
child.stdout.on('data', () => --left ? child.stdin.write('go\\n') : child.stdin.end())
child.stdin.write('go\\n')
""",
}


class BothSides(WaitsCase):
    def each_side(self, script, *arguments, **options):
        for side in SIDES:
            with self.subTest(side=side):
                run = self.begin(side, script, *arguments)
                event = self.assert_told_by_each(run, side, **options)
                self.assertEqual(len(run.events("deadlock")), 2 if side == "both" else 1)
                yield event

    def test_wait_before_read(self):
        for event in self.each_side(POPEN_WAIT):
            self.assertRegex(event["words"], r"its stdout\): full.*waits in wait4")
            self.assertIn("do not wait before reading", event["advice"])

    def test_where_each_member_stands(self):
        """From either side: the parent's line is the one to change."""
        for event in self.each_side(POPEN_WAIT):
            child, parent = event["chain"]
            self.assertEqual(parent["name"], "parent.py")
            line = POPEN_WAIT_LINES.index("child.wait()") + 1
            self.assertRegex(parent["where"], r"/parent\.py:%d <module>$" % line)
            self.assertEqual(parent["source"], "child.wait()")
            self.assertEqual(parent["python"][-1]["line"], line)
            self.assertEqual(child["where"], "<string>:1 <module>")
            self.assertEqual(child["pipe"]["slots_used"], child["pipe"]["slots"])
            own = parent if event["pid"] == parent["pid"] else child
            self.assertEqual(event["where"], own["where"])
            self.assertTrue(any(f.get("symbol", "").startswith(("wait", "write", "__GI___w"))
                                for f in own["stack"][:2]), own["stack"][:2])
            self.assertEqual(event["rescue"], "pipeshim rescue %d --fd 1" % child["pid"])
            self.assertGreater(event["blocked_ms"], 100)

    def test_stderr_that_is_never_read(self):
        for event in self.each_side(STDERR_UNREAD):
            self.assertRegex(event["words"], r"its stderr\): full.*waits in read")

    def test_both_write_first(self):
        for event in self.each_side(BOTH_WRITE_FIRST):
            self.assertEqual([link["waits_in"] for link in event["chain"]][1][:5], "write")

    def test_both_read_first(self):
        """No write is stuck anywhere: only the side that waits can tell."""
        for side in SIDES:
            with self.subTest(side=side):
                run = self.begin(side, BOTH_READ_FIRST)
                self.assert_told_by_each(run, side)

    def test_an_end_that_does_not_come(self):
        """However the reader waits for it."""
        for call, script in LEFT_BEHIND.items():
            with self.subTest(call=call):
                run = self.begin("parent", "command = ['sh', '-c', 'sleep 60 & echo hi']\n" + script)
                event = run.wait_for("finding")[0]
                self.assertEqual((event["kind"], event["pid"]), ("eof_never", run.process.pid))
                self.assertRegex(event["words"], "waits in %s.*but sleep .* still holds" % call)
                likely = "likely" if call.startswith("epoll_wait") else "proven"
                self.assertEqual(event["certainty"], likely)

    def test_who_tells_of_an_end_that_does_not_come(self):
        """The one who waits for it; the one who is left behind waits for nobody, and is silent."""
        script = "command = ['sh', '-c', 'sleep 1000 & echo hi']\n" + LEAKED
        for side in SIDES:
            with self.subTest(side=side):
                run = self.begin(side, script)
                if side == "child":
                    self.wait_for_diagnose(run, "eof_never")
                else:
                    event = run.wait_for("finding")[0]
                    self.assertEqual((event["kind"], event["pid"]), ("eof_never", run.process.pid))
                    self.assertRegex(event["where"], r"/parent\.py:\d+ <module>$")
                told = run.events("finding") + run.events("deadlock")
                self.assertEqual(len(told), side != "child", told)

    def wait_for_diagnose(self, run, kind):
        def found():
            done = subprocess.run([os.path.join(BUILD, "pipeshim"), "diagnose", "--json",
                                   str(run.process.pid)], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60, check=False)
            return done.returncode == 1 and kind in [
                finding.get("finding") or finding.get("kind")
                for finding in json.loads(done.stdout)["findings"]]
        wait_until(found, "%s by diagnose" % kind)

    @unittest.skipUnless(shutil.which("node"), "no node")
    def test_an_end_that_does_not_come_to_node(self):
        """Its children's stdio are socketpairs; its other threads only wait to be woken."""
        for how, script in NODE_READS.items():
            with self.subTest(how=how):
                run = self.begin_node(script)
                event = run.wait_for("finding")[0]
                self.assertEqual((event["kind"], event["pid"]), ("eof_never", run.process.pid))
                self.assertRegex(event["words"], r"waits in epoll_wait.*for the end of socket.*"
                                 r"but sleep \(\d+\) still holds")
                self.assertEqual(event["certainty"], "likely")
                if how == "execSync":
                    self.assertRegex(event["where"], r"/parent\.js:2 ")

    def begin_node(self, script):
        folder = self.temporary_folder()
        path = os.path.join(folder, "parent.js")
        with open(path, "w") as file:
            file.write("const { spawn, execSync } = require('child_process')\n" + script)
        run = Run(folder, [shutil.which("node"), path], start_new_session=True)
        self.addCleanup(self.end, run)
        return run

    @unittest.skipUnless(shutil.which("node"), "no node")
    def test_node_reads_in_peace(self):
        runs = {how: self.begin_node(script) for how, script in NODE_IN_PEACE.items()}
        for how, run in runs.items():
            with self.subTest(how=how):
                self.assertEqual(run.drain()[2], 0)
                self.assertEqual(run.events("finding") + run.events("deadlock"), [])

    def test_file_lock(self):
        for side in SIDES:
            with self.subTest(side=side):
                path = os.path.join(self.temporary_folder(), "lock")
                run = self.begin(side, LOCK, path)
                event = self.assert_told_by_each(run, side)
                self.assertIn("the lock on", event["words"])

    @unittest.skipUnless(shutil.which("node"), "no node")
    def test_node_that_waits_for_room_in_its_event_loop(self):
        """Node's stdout does not block: no write is stuck, it polls for room."""
        for event in self.each_side(ASYNCIO_WAIT, shutil.which("node") or "", "-e", FILL_NODE):
            self.assertRegex(event["words"], r"waits in epoll_wait for room in \w+ \d+")

    @unittest.skipUnless(shutil.which("node"), "no node")
    def test_node_that_waits_for_room_and_gets_it(self):
        """Of a parent that reads in its own time nothing is told."""
        run = self.begin("both", ASYNCIO_READS, shutil.which("node") or "", "-e", FILL_NODE)
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual(run.events("finding") + run.events("deadlock"), [])

    def test_asyncio_waits_for_no_stdin(self):
        """Its loop watches the writing end of its child's stdin as well, for its close."""
        for event in self.each_side(ASYNCIO_HOLDS_STDIN, PYTHON, "-c", FILL):
            self.assertRegex(event["words"], r"which waits in (wait4|epoll_wait) for .* to exit")
            self.assertIn("await communicate()", event["advice"])
            self.assertNotIn("likely", event["words"])

    def test_each_node(self):
        """From Node 22 on libuv keeps rings (io_uring): idle ones are no way on."""
        nodes = sorted(glob.glob(os.path.join(BUILD, "nodes/*/node_modules/node/bin/node")))
        if not nodes:
            self.skipTest("no Node from npm: test_javascript_frames installs them")
        code = "for (let i = 0; i < 1000; i++) require('fs').writeSync(2, 'x'.repeat(1000))"
        for node in nodes:
            with self.subTest(node=node):
                run = self.begin("parent", STDERR_OF_NODE, node, "-e", code)
                self.assert_told_by_each(run, "parent")

    def test_a_writer_that_polls_with_a_timeout_again_and_again(self):
        """Bun polls for 999 ms at a time: what comes round to the same full pipe is one wait."""
        code = ("import os, select\n"
                "os.set_blocking(1, False)\n"
                "left = bytes(900000)\n"  # asyncio itself takes 196,608
                
                "while left:\n"
                "    select.select([], [1], [], 0.999)\n"
                "    try: left = left[os.write(1, left):]\n"
                "    except BlockingIOError: pass\n")
        for event in self.each_side(ASYNCIO_WAIT, PYTHON, "-c", code):
            self.assertIn("likely", event["words"])

    def test_a_child_that_runs_no_libc(self):
        """Nobody but the parent can tell."""
        busybox = shutil.which("busybox")
        if not busybox:
            self.skipTest("no busybox (a static program)")
        run = self.begin("parent", ASYNCIO_WAIT, busybox, "dd", "if=/dev/zero", "bs=900000",
                         "count=1")
        self.assert_told_by_each(run, "parent")


# The same shapes, read properly.
QUIET = {
    "communicate": """
child = subprocess.Popen([sys.executable, "-c",
    "import os, time; time.sleep(2.5); os.write(1, bytes(200000))"],
    stdout=subprocess.PIPE, env=environment())
child.communicate()
""",
    "both write, and read meanwhile": """
import threading
code = '''
import os, threading, time
def read():
    while os.read(0, 65536):
        pass
threading.Thread(target=read).start()
for _ in range(50):
    os.write(1, bytes(4000))
    time.sleep(0.05)
'''
child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, env=environment())
threading.Thread(target=child.stdout.read).start()
os.write(child.stdin.fileno(), bytes(200000))
child.stdin.close()
child.wait()
""",
    "stderr, read by a thread in its own time": """
import threading, time
code = '''import os, sys
for _ in range(60): os.write(2, bytes(3000))
print("ok", flush=True)'''
child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=environment())
def read():
    while os.read(child.stderr.fileno(), 4096):
        time.sleep(0.05)
threading.Thread(target=read).start()
child.stdout.readline()
""",
    "a writer that is left behind, and not waited for": """
child = subprocess.Popen(["sh", "-c", "sleep 3 >/dev/null & echo hi"], stdout=subprocess.PIPE,
                         env=environment())
child.communicate()
subprocess.Popen(["sleep", "2.5"], env=environment()).wait()
""",
    "a slow child": """
child = subprocess.Popen(["sleep", "3"], stdout=subprocess.PIPE, env=environment())
child.wait()
""",
    "a server that thinks": """
code = '''
import sys, time
for line in sys.stdin:
    time.sleep(3)
    print("ok", flush=True)
'''
child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, env=environment(),
                         stdout=subprocess.PIPE, text=True)
child.stdin.write("go\\n")
child.stdin.flush()
child.stdout.readline()
""",
    "an idle server": """
import threading
code = "import sys\\nfor line in sys.stdin: print(line, flush=True)"
child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, env=environment(),
                         stdout=subprocess.PIPE, text=True)
threading.Timer(3, child.stdin.close).start()
child.stdout.readline()
""",
    "asyncio that reads": """
import asyncio
async def main():
    child = await asyncio.create_subprocess_exec(sys.executable, "-c",
        "import os, time; time.sleep(2.5); os.write(1, bytes(900000))",
        stdout=asyncio.subprocess.PIPE, env=environment())
    await child.communicate()
asyncio.run(main())
""",
    "a server whose starter has ended": """
import asyncio
server = "exec python3 -uc 'import time\\nfor _ in range(3): print(input()); time.sleep(1.5)'"
async def main():
    child = await asyncio.create_subprocess_exec("sh", "-c", "exec 3<&0; (%s <&3) &" % server,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment())
    for _ in range(3):
        child.stdin.write(b"go\\n")
        assert await child.stdout.readline() == b"go\\n"
asyncio.run(main())
""",
    "a lock that comes free": """
import fcntl, tempfile, time
file = tempfile.NamedTemporaryFile("w")
fcntl.flock(file, fcntl.LOCK_EX)
code = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'w'), fcntl.LOCK_EX)"
child = subprocess.Popen([sys.executable, "-c", code, file.name], stdout=subprocess.PIPE,
                         env=environment())
time.sleep(3)
fcntl.flock(file, fcntl.LOCK_UN)
child.wait()
""",
}


class Quiet(WaitsCase):
    def test_nothing_is_told(self):
        runs = [(name, self.begin("both", script)) for name, script in QUIET.items()]
        for name, run in runs:
            with self.subTest(shape=name):
                self.assertEqual(run.drain()[2], 0)
                told = [e for e in run.events() if e["event"] in ("deadlock", "finding")]
                self.assertEqual(told, [])


if __name__ == "__main__":
    sys.exit(unittest.main())
