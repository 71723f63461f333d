#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Whoever is at the other end may not be read: another user's, one that is not dumpable, or one whose
calls Yama (kernel.yama.ptrace_scope) keeps from everybody but its ancestors. The report says that and
why, and guesses nothing; of a peer that may be read it says nothing of the kind."""
import ctypes
import json
import os
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import BUILD, PipeshimCase, Run, read_text, wait_until  # noqa: E402

PYTHON = "/usr/bin/python3"
NOBODY = 65534
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
WITHOUT_PTRACE = ["setpriv", "--bounding-set", "-sys_ptrace"]
PR_SET_DUMPABLE = 4
WRITER = "import os; os.write(1, bytes(200000))"
# A loop that stands still in a call, and goes on when its stdin ends.
LOOP = """
import asyncio, os, socket, subprocess, sys, time
if sys.argv[1] == "child":
    child = subprocess.Popen(sys.argv[2:])
    while open("/proc/%d/comm" % child.pid).read().strip() != sys.argv[-1]:
        time.sleep(0.01)  # until it has become who it is to be
def held():
    if sys.argv[1] == "socket":
        with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as server:
            server.recv(1)
    else:
        child.wait()
async def main():
    for _ in range(30):
        await asyncio.sleep(0.01)
    held()
asyncio.run(main())
"""


def become_nobody(dumpable=True):
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    if dumpable is not None:
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)


def may_mount():
    done = subprocess.run(["unshare", "-m", "mount", "--bind", "/dev/null", "/proc/self/mem"],
                          capture_output=True, check=False)
    return os.geteuid() == 0 and done.returncode == 0


def hide_calls(pid, nothing):
    """In a mount namespace of its own, what Yama refuses of a process that is no descendant: whose
    descriptors these are, and in what kind of wait it is, may still be read."""
    for name in ("syscall", "mem", "task/%d/syscall" % pid):
        subprocess.run(["mount", "--bind", nothing, "/proc/%d/%s" % (pid, name)], check=True)


@unittest.skipUnless(os.geteuid() == 0, "needs root, who may become another user")
class UnreadablePeer(PipeshimCase):
    def reader(self, how):
        """A forked process that alone holds the reading end of a pipe, and reads when it is told to;
        how to tell it, and the writing end. `how`: as "root", as the writer's "same user", as that
        "not dumpable"."""
        read_end, write_end = os.pipe()
        ready, go = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                for end in (ready[0], go[1], write_end):
                    os.close(end)
                if how != "root":
                    become_nobody(dumpable=how == "same user")
                os.write(ready[1], b"x")
                os.read(go[0], 1)
                while os.read(read_end, 65536):
                    pass
            finally:
                os._exit(0)
        self.addCleanup(os.waitpid, pid, 0)
        for end in (ready[1], go[0], read_end):
            os.close(end)
        os.read(ready[0], 1)
        os.close(ready[0])
        self.addCleanup(os.close, go[1])
        return pid, go[1], write_end

    def stuck_writer(self, how, prepare=lambda reader: None, **settings):
        """Its log's folder, its reader's pid, and how to let it go on: which waits for its end. The
        reader is the only process that holds the reading end."""
        pid, go, write_end = self.reader(how)

        def begin():
            prepare(pid)
            become_nobody(dumpable=None)
        folder = self.temporary_folder()
        run = Run.__new__(Run)
        run.folder, run.readers = folder, []
        run.process = subprocess.Popen(
            [PYTHON, "-c", WRITER], stdin=subprocess.PIPE, stdout=write_end, cwd="/",
            preexec_fn=begin, env={
                "LD_PRELOAD": os.path.abspath(os.path.join(BUILD, "libpipeshim.so")),
                "PIPESHIM_FORMAT": "json", "PIPESHIM_LOG": os.path.join(folder, "log.%p"),
                "PIPESHIM_THRESHOLD": "50ms", "PIPESHIM_SUMMARY": "on", **settings})
        os.close(write_end)
        self.addCleanup(run.close)

        def go_on():
            os.write(go, b"x")
            self.assertEqual(run.process.wait(), 0)
        return run, pid, go_on

    def blocked_pipe(self, how, prepare=lambda reader: None):
        run, reader, go_on = self.stuck_writer(how, prepare)
        pipe = run.wait_for("blocked")[0]["pipe"]
        run.wait_for("still", 2)  # a finding takes half the time
        go_on()
        run.wait_for("summary")
        self.assertEqual(run.events("deadlock"), [])
        return run, reader, pipe

    def test_another_users(self):
        run, _, pipe = self.blocked_pipe("root")
        self.assertEqual(pipe["peers"], [])
        self.assertGreaterEqual(pipe["peers_unreadable_other_users"], 1)
        self.assertGreaterEqual(pipe["peers_unreadable"], pipe["peers_unreadable_other_users"])

    def test_not_dumpable(self):
        run, _, pipe = self.blocked_pipe("not dumpable")
        self.assertEqual(pipe["peers"], [])
        self.assertGreater(pipe["peers_unreadable"], pipe["peers_unreadable_other_users"])

    WORDS = (r"no process that can be seen holds its read end; [0-9]+ may not be read \(([0-9]+ of other "
             r"users, [0-9]+ )?not dumpable or of more rights; root may, with CAP_SYS_PTRACE: "
             r"pipeshim diagnose [0-9]+\)")

    def test_in_text(self):
        run, _, go_on = self.stuck_writer("not dumpable", PIPESHIM_FORMAT="text")
        text = os.path.join(run.folder, "log.%d" % run.process.pid)
        found = wait_until(lambda: "fix:" in read_text(text) and read_text(text), "report")
        self.assertRegex(found, self.WORDS)
        go_on()

    def test_by_run(self):
        """The tool reads the event, and says the same."""
        _, go, write_end = self.reader("not dumpable")
        with open(os.path.join(self.temporary_folder(), "said"), "w") as said:
            run = subprocess.Popen([*AS_NOBODY, os.path.abspath(os.path.join(BUILD, "pipeshim")),
                                    "run", "--threshold", "50ms", "--", PYTHON, "-c", WRITER],
                                   stdin=subprocess.DEVNULL, stdout=write_end, stderr=said, cwd="/")
            os.close(write_end)
            self.addCleanup(run.wait)
            self.addCleanup(run.kill)
            found = wait_until(lambda: "fix:" in read_text(said.name) and read_text(said.name),
                               "report")
            self.assertRegex(found, self.WORDS)
            os.write(go, b"x")
            self.assertEqual(run.wait(), 0)

    def test_one_that_may_be_read(self):
        run, reader, pipe = self.blocked_pipe("same user")
        self.assertEqual([peer["pid"] for peer in pipe["peers"]], [reader])
        self.assertNotIn("unreadable", pipe["peers"][0])
        self.assertNotIn("peers_unreadable", pipe)
        self.assertRegex(pipe["peers"][0]["waits_in"], "^read fd ")

    @unittest.skipUnless(may_mount(), "needs mount namespaces")
    def test_yama(self):
        """Who holds the pipe, and that it reads from something; not from what."""
        with open(os.path.join(self.temporary_folder(), "nothing"), "w") as nothing:
            os.chmod(nothing.name, 0)
        unshare = ctypes.CDLL(None, use_errno=True).unshare

        def hide(reader):
            assert unshare(0x20000) == 0  # CLONE_NEWNS
            subprocess.run(["mount", "--make-rprivate", "/"], check=True)
            hide_calls(reader, nothing.name)
        run, reader, pipe = self.blocked_pipe("same user", hide)
        self.assertEqual([peer["pid"] for peer in pipe["peers"]], [reader])
        self.assertEqual(pipe["peers"][0]["unreadable"], "protected")
        self.assertIn(pipe["peers"][0].get("waits_in", ""), ("", "read"))
        self.assertNotIn("peers_unreadable", pipe)
        for finding in run.events("finding"):
            self.assertIn("may not be read", json.dumps(finding["chain"]), finding)

    def test_a_pipeline_of_two_users(self):
        """A minute for what takes a moment: nothing is told of it."""
        read_end, write_end = os.pipe()
        folder = self.temporary_folder()
        writer = subprocess.Popen(
            [*AS_NOBODY, PYTHON, "-c", "import os\nfor _ in range(500): os.write(1, bytes(10000))"],
            stdout=write_end, cwd="/", env={
                **os.environ, "LD_PRELOAD": os.path.abspath(os.path.join(BUILD, "libpipeshim.so")),
                "PIPESHIM_FORMAT": "json", "PIPESHIM_LOG": os.path.join(folder, "log.%p"),
                "PIPESHIM_THRESHOLD": "60s"})
        os.close(write_end)
        size = 0
        while chunk := os.read(read_end, 65536):
            size += len(chunk)
        os.close(read_end)
        self.assertEqual((writer.wait(), size), (0, 5000000))
        events = [json.loads(line) for name in os.listdir(folder)
                  for line in read_text(os.path.join(folder, name)).splitlines()]
        self.assertLessEqual({e["event"] for e in events}, {"start", "summary"})

    def held_loop(self, before, kind, *arguments):
        """What is told of the call's `child` or `socket`."""
        run = self.start(*before, PYTHON, "-c", LOOP, kind, *arguments,
                         settings={"PIPESHIM_ONLY": "python3*"}, cwd="/")
        return run, wait_until(lambda: [e[kind] for e in run.events("blocked") if kind in e],
                               "report of a " + kind)[0]

    def test_a_child_of_another_user(self):
        """Root in a container, without CAP_SYS_PTRACE."""
        run, child = self.held_loop(WITHOUT_PTRACE, "child", *AS_NOBODY, "cat")
        self.assertEqual(child["unreadable"], "other_user", child)
        self.assertNotIn("waits_in", child)
        self.assertEqual(run.drain()[2], 0)

    def test_a_child_that_may_be_read(self):
        run, child = self.held_loop(AS_NOBODY, "child", "cat")
        self.assertNotIn("unreadable", child)
        self.assertEqual(run.drain()[2], 0)

    def test_a_server_of_another_user(self):
        for before, unseen in ((AS_NOBODY, True), ([], False)):
            with self.subTest(unseen=unseen), socket.create_server(("127.0.0.1", 0)) as server:
                run, told = self.held_loop(before, "socket", str(server.getsockname()[1]))
                connection = server.accept()[0]
                self.assertEqual("peers_unreadable" in told, unseen, told)
                self.assertEqual("peer_pid" in told, not unseen, told)
                connection.close()
                self.assertEqual(run.drain()[2], 0)


if __name__ == "__main__":
    unittest.main()
