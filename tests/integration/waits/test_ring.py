#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Three programs in a ring of pipes: each waits for the next. Whichever of them run the library tell
the same deadlock, and all who read their logs see one."""
import json
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import BUILD, DEADLINE_S, LIBRARY, read_text, wait_until  # noqa: E402
from waits_case import PRELUDE, PYTHON, WaitsCase  # noqa: E402

PIPESHIM = os.path.join(BUILD, "pipeshim")
MEMBERS = ("a.py", "b.py", "c.py")
# Starts the members in a folder, each with a pipe to the next and one from the one before. Those
# that TEST_MEMBERS names run the library; without that all inherit it.
START = """
def start(folder, *names, chosen=os.environ.get("TEST_MEMBERS"), full=False):
    pipes = [os.pipe() for _ in names]
    children = []
    for number, name in enumerate(names):
        fds = pipes[number - 1][0], pipes[number][1]
        env = environment()
        if chosen is not None:
            env["LD_PRELOAD"] = os.environ["TEST_LIBRARY"] if name in chosen else ""
        children.append(subprocess.Popen([sys.executable, os.path.join(folder, name),
                                          *map(str, fds)], pass_fds=fds,
                                         env=env if chosen is not None else None))
    while full and not all(in_pipe(reads) for reads, _ in pipes):
        time.sleep(0.01)
    for pair in pipes:
        for fd in pair:
            os.close(fd)
    return children
"""
STARTER = START + """
sys.exit(max(child.wait() for child in start(*sys.argv[1:])))
"""
# Beside another ring, which was stuck before: all have one stdout, whose reader waits for them.
BESIDE_STRANGERS = START + """
import fcntl, termios, time
def in_pipe(fd):
    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, b"0000"), sys.byteorder) == 65536
reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          env=environment())
os.dup2(reader.stdin.fileno(), 1)
reader.stdin.close()
strangers = start(*sys.argv[1:], chosen="", full=True)
start(*sys.argv[1:])[0].wait()
"""
OPENING = "import os, sys, threading, time\nreads, writes = map(int, sys.argv[1:])\n"
# Nobody reads before it has written more than a pipeful.
WRITE_FIRST = OPENING + """
os.write(writes, bytes(200000))
while os.read(reads, 65536):
    pass
"""
# Nobody speaks before it has been spoken to.
READ_FIRST = OPENING + """
os.read(reads, 1)
os.write(writes, b"x")
"""
# The same two, each as it should be.
WRITE_AND_READ = OPENING + """
def read():
    while os.read(reads, 65536):
        pass
reader = threading.Thread(target=read)
reader.start()
for _ in range(50):
    os.write(writes, bytes(4000))
    time.sleep(0.05)
os.close(writes)
reader.join()
"""
ONE_SPEAKS_FIRST = OPENING + """
if sys.argv[0].endswith("a.py"):
    time.sleep(2.5)
    os.write(writes, b"x")
    os.read(reads, 1)
else:
    os.write(writes, os.read(reads, 1))
"""
SHAPES = {"write": WRITE_FIRST, "read": READ_FIRST}


class Ring(WaitsCase):
    def members_folder(self, text):
        folder = self.temporary_folder()
        for name in MEMBERS:
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        return folder

    def begin_ring(self, text, members=MEMBERS):
        return self.begin("child", STARTER, self.members_folder(text), *MEMBERS,
                          TEST_MEMBERS=",".join(members), TEST_LIBRARY=LIBRARY)

    def told_by_each(self, run, members):
        """The `deadlock` of each member that runs the library: the one that all tell."""
        events = run.wait_for("deadlock", len(members))
        self.assertEqual(len(events), len(members), events)
        self.assertEqual(len({e["id"] for e in events}), 1)
        for event in events:
            self.assert_closed(event)
            self.assertEqual(sorted(link["name"] for link in event["chain"]), list(MEMBERS))
            own = [link for link in event["chain"] if link["pid"] == event["pid"]]
            self.assertEqual(event["where"], own[0]["where"])
        told = {link["name"] for event in events for link in event["chain"]
                if link["pid"] == event["pid"]}
        self.assertEqual(told, set(members))
        return events

    def test_each_member_alone(self):
        for shape, text in SHAPES.items():
            runs = {name: self.begin_ring(text, [name]) for name in MEMBERS}
            for name, run in runs.items():
                with self.subTest(shape=shape, member=name):
                    event = self.told_by_each(run, [name])[0]
                    self.assertEqual(event["certainty"], "proven")
                    self.assertEqual({link["waits_in"].split()[0] for link in event["chain"]},
                                     {shape})
                    for link in event["chain"]:  # each one's line, the library in it or not
                        self.assertRegex(link["where"], r"/[abc]\.py:4 <module>$")

    def test_all_members(self):
        for shape, text in SHAPES.items():
            with self.subTest(shape=shape):
                run = self.begin_ring(text)
                self.told_by_each(run, MEMBERS)
                logs = sorted(os.path.join(run.folder, name) for name in os.listdir(run.folder)
                              if name.startswith("log."))
                self.assertEqual(len(logs), len(MEMBERS))
                report = subprocess.run([PIPESHIM, "report", *logs], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, timeout=60, check=False)
                self.assertEqual(report.stdout.count("DEADLOCK"), 1, report.stdout + report.stderr)

    def test_run_shows_one(self):
        """Its log has that of each, and of the starter too, which waits for one that cannot end."""
        for shape, text in SHAPES.items():
            with self.subTest(shape=shape):
                self.run_ring(text)

    def run_ring(self, text):
        folder = self.temporary_folder()
        log, path = os.path.join(folder, "log"), os.path.join(folder, "parent.py")
        with open(path, "w") as file:
            file.write(PRELUDE + STARTER)
        with open(os.path.join(folder, "err"), "w") as err:
            run = subprocess.Popen([PIPESHIM, "run", "--json", "--log", log, "--", PYTHON, path,
                                    self.members_folder(text), *MEMBERS], stderr=err,
                                   stdin=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(self.end_group, run)

        def told():
            events = [json.loads(line) for line in read_text(log).splitlines(True)
                      if line.endswith("\n")]
            ids = [e["id"] for e in events if e["event"] == "deadlock"]
            return ids if len(ids) > len(MEMBERS) else None
        ids = wait_until(told, "a deadlock of four logs")
        self.assertEqual(len(set(ids)), 1)
        run.terminate()  # it passes that on to the starter, and ends with it
        run.wait(DEADLINE_S)
        shown = read_text(os.path.join(folder, "err"))
        self.assertRegex(shown, r"^pipeshim: 4 processes watched, .*; 1 DEADLOCK\n")

    def end_group(self, process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def test_not_the_ring_of_strangers(self):
        """A starter that waits in vain tells why it does, not what it comes across."""
        run = self.begin("parent", BESIDE_STRANGERS, self.members_folder(WRITE_FIRST), *MEMBERS,
                         TEST_MEMBERS=",".join(MEMBERS), TEST_LIBRARY=LIBRARY)
        events = run.wait_for("deadlock", len(MEMBERS) + 1)
        self.assertEqual(len({event["id"] for event in events}), 1, events)
        self.assertIn(run.process.pid, {event["pid"] for event in events})

    def test_rings_that_go_on(self):
        runs = {text: self.begin_ring(text) for text in (WRITE_AND_READ, ONE_SPEAKS_FIRST)}
        for text, run in runs.items():
            with self.subTest(shape=text):
                self.assertEqual(run.drain()[2], 0)
                self.assertEqual(run.events("deadlock") + run.events("finding"), [])


if __name__ == "__main__":
    sys.exit(unittest.main())
