# SPDX-License-Identifier: MIT
"""What was queued outlives the descriptor, the program and its image; every byte is compared."""
import glob
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import DEADLINE_S, PipeshimCase, victim, wait_until  # noqa: E402

AMOUNT = 200000


def helpers_of(inode):
    """The processes that write to the pipe for a program."""
    found = []
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(folder + "/comm", "rb") as file:  # anybody's: of any bytes
                if file.read() == b"pipeshim-drain\n" and \
                        os.readlink(folder + "/fd/0") == "pipe:[%d]" % inode:
                    found.append(folder)
        except OSError:
            continue
    return found


AS_INIT = """
import os, sys, time
os.write(2, b"a" * 200000)
try:
    os.waitpid(-1, os.WNOHANG)
    print("a child", flush=True)
except ChildProcessError:
    print("none", flush=True)
sys.stdin.readline()
def stat_of(pid):
    try:
        return open("/proc/%s/stat" % pid).read()
    except OSError:  # it ended between the list and the look: the helper does
        return ""
def helper_lives():
    stats = [stat_of(pid) for pid in os.listdir("/proc") if pid.isdigit()]
    return any("(pipeshim-drain) " in stat and "(pipeshim-drain) Z" not in stat for stat in stats)
while helper_lives():
    time.sleep(0.01)
try:
    os.wait()
    print("a child", flush=True)
except ChildProcessError:
    print("none", flush=True)
"""
MAY_UNSHARE = subprocess.run(["unshare", "-p", "-f", "--mount-proc", "true"],
                             stderr=subprocess.DEVNULL).returncode == 0


class DrainLife(PipeshimCase):
    def victim(self, how, drain_exit="0", **settings):
        settings = {"PIPESHIM_" + key: value for key, value in settings.items()}
        return self.start(victim("drain_life"), how,
                          settings={"PIPESHIM_DRAIN": "stderr", "PIPESHIM_DRAIN_EXIT": drain_exit,
                                    **settings})

    def ends_first(self, how, expected, **settings):
        """The program ends while nobody reads; then all of it is there, and then the end."""
        run = self.victim(how, **settings)
        run.process.stdin.close()
        self.assertEqual(run.process.wait(DEADLINE_S), 0)
        inode = os.fstat(run.readers[1]).st_ino
        run.begin_drain()
        for thread in run.threads:
            thread.join(DEADLINE_S)
            self.assertFalse(thread.is_alive(), "a writer is left behind")
        self.assertEqual(run.contents[1], expected)
        wait_until(lambda: not helpers_of(inode), "end of the helper")
        return run

    def test_descriptor_is_closed(self):
        for how in ("close", "close_range", "dup2"):
            self.ends_first(how, b"a" * AMOUNT)

    def test_two_descriptors_are_one_stream(self):
        self.ends_first("dup", b"a" * AMOUNT + b"b" * 1000 + b"c" * 1000, DRAIN="all")

    def test_exits(self):
        for how in ("return", "_exit", "quick_exit"):
            for mode in ("full", "behind"):
                self.ends_first(how, b"a" * AMOUNT, DRAIN_MODE=mode)

    def test_children(self):
        for how in ("vfork", "spawn"):
            self.ends_first(how, b"a" * AMOUNT + b"b" * 1000)
        self.ends_first("forks", b"a" * AMOUNT + b"c" * 150000 + b"b" * 1000)

    def test_daemon(self):
        self.ends_first("daemon", b"a" * AMOUNT + b"b" * 1000)

    def test_calls_that_are_not_queued(self):
        run = self.victim("others")
        out, err, status = run.drain()
        self.assertEqual((err, status), (b"a" * AMOUNT + b"s" * 2000 + b"b" * 1000, 0))

    def test_stdio(self):
        self.ends_first("stdio", b"a" * AMOUNT + b"fprintf fputs dprintf 1 perror: No such file or "
                        b"directory\nflushed by exit")

    def test_exec_lets_the_queue_out_first(self):
        run = self.victim("exec", drain_exit="wait")
        run.wait_for("drain_start")
        out, err, status = run.drain()
        self.assertEqual((err, status), (b"a" * AMOUNT + b"b" * 1000, 0))

    def test_exec_hands_over(self):
        run = self.victim("exec")
        self.assertEqual(run.process.wait(DEADLINE_S) if run.process.stdin.close() is None
                         and run.wait_for("drain_handoff") and run.begin_drain() is None
                         else None, 0)
        for thread in run.threads:
            thread.join(DEADLINE_S)
        self.assertEqual(run.contents[1].count(b"a"), AMOUNT)
        self.assertEqual(run.contents[1].count(b"b"), 1000)

    def test_exit_waits_as_told(self):
        for how in ("return", "_exit", "quick_exit", "stdio"):
            run = self.victim(how, drain_exit="wait")
            run.wait_for("drain_start")
            self.assertEqual(len(os.read(run.readers[1], 1)), 1)
            self.assertIsNone(run.process.poll())
            out, err, status = run.drain()
            self.assertEqual(status, 0)
            self.assertEqual(err[:AMOUNT - 1], b"a" * (AMOUNT - 1))
            self.assertEqual(run.events("drain_handoff"), [])

    @unittest.skipUnless(MAY_UNSHARE, "no new pid namespace is allowed")
    def test_first_process_of_a_container(self):
        """Orphans become its children: its wait() must not see the helper."""
        run = self.start("unshare", "-p", "-f", "--mount-proc", "/usr/bin/python3", "-S", "-c",
                         AS_INIT, settings={"PIPESHIM_DRAIN": "stderr", "PIPESHIM_ONLY": "python3*"})
        said = b""
        while not said.endswith(b"\n"):
            said += os.read(run.readers[0], 100)
        self.assertEqual(said, b"none\n")
        run.begin_drain()
        run.process.stdin.write(b"go on\n")
        out, err, status = run.finish()
        self.assertEqual((out, err, status), (b"none\n", b"a" * AMOUNT, 0))

    def test_helper_holds_the_pipe_and_nothing_else(self):
        run = self.victim("return")
        run.process.stdin.close()
        self.assertEqual(run.process.wait(DEADLINE_S), 0)
        self.assertEqual(os.read(run.readers[0], 1), b"", "stdout is at its end already")
        inode = os.fstat(run.readers[1]).st_ino
        helper, = helpers_of(inode)
        links = [os.readlink(helper + "/fd/" + fd).split(":")[0] for fd in
                 sorted(os.listdir(helper + "/fd"))]
        self.assertEqual(links, ["pipe"])
        self.assertNotEqual(os.getsid(int(os.path.basename(helper))), os.getsid(0))
        with open(helper + "/status") as file:
            self.assertIn("PPid:\t1\n", file.read())


if __name__ == "__main__":
    unittest.main()
