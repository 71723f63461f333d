#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`diagnose` and `rescue` as an unprivileged user, with what Yama (kernel.yama.ptrace_scope=1) refuses refused:
the calls, registers, memory and descriptors of others; their kind of wait and whose pipes these are
can be seen. What follows is told, with what is missing; what does not is not guessed."""
import ctypes
import os
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import CLEAR, DEADLOCK, PIPESHIM  # noqa: E402
from pipeshim_case import read_text, wait_until  # noqa: E402

NOBODY = 65534
UNREADABLE = 4
# process_vm_readv, pidfd_getfd
CALLS = {"x86_64": (310, 438), "aarch64": (270, 438)}[os.uname().machine]
# The child is stuck on what nobody but its parent could read, or on what the test could.
STUCK = {"stdout": "import os; os.write(1, bytes(200000))",
         "stderr": "import os; os.write(2, bytes(200000))"}
PARENT = "import subprocess, sys; subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE).wait()"


def refuse():
    """A seccomp filter: the two calls fail with EPERM."""
    def one(code, value, yes=0, no=0):
        return struct.pack("HBBI", code, yes, no, value)
    text = (one(0x20, 0) + one(0x15, CALLS[0], 2) + one(0x15, CALLS[1], 1) +
            one(0x06, 0x7fff0000) + one(0x06, 0x00050001))
    code = ctypes.create_string_buffer(text, len(text))

    class Filter(ctypes.Structure):
        _fields_ = [("count", ctypes.c_ushort), ("code", ctypes.c_void_p)]
    libc = ctypes.CDLL(None)
    whole = Filter(len(text) // 8, ctypes.addressof(code))
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, ctypes.byref(whole), 0, 0) == 0


def become_nobody():
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def main(command, pids):
    """In a mount namespace of its own: hides what Yama would, and is that command then."""
    with tempfile.NamedTemporaryFile() as nothing:
        os.chmod(nothing.name, 0)
        for pid in pids:
            for name in ("syscall", "mem", "task/%s/syscall" % pid):
                subprocess.run(["mount", "--bind", nothing.name, "/proc/%s/%s" % (pid, name)],
                               check=True)
    become_nobody()
    refuse()
    os.execv(PIPESHIM, [PIPESHIM, command, pids[0]])


def may_mount():
    done = subprocess.run(["unshare", "-m", "mount", "--bind", "/dev/null", "/proc/self/mem"],
                          capture_output=True, check=False)
    return os.geteuid() == 0 and done.returncode == 0


@unittest.skipUnless(may_mount(), "needs root, and mount namespaces")
class Yama(unittest.TestCase):
    def diagnose(self, stream):
        """Status, text and notes of a parent whose child is stuck on that stream."""
        return self.look("diagnose", *self.stuck(stream))

    def stuck(self, stream):
        """The pids of the two."""
        unread = subprocess.PIPE if stream == "stderr" else subprocess.DEVNULL
        parent = subprocess.Popen(["/usr/bin/python3", "-c", PARENT, "/usr/bin/python3", "-c",
                                   STUCK[stream]], stdin=subprocess.DEVNULL, stderr=unread,
                                  stdout=subprocess.DEVNULL, cwd="/", start_new_session=True,
                                  preexec_fn=become_nobody)

        def end():
            os.killpg(parent.pid, signal.SIGKILL)
            parent.wait()
            if parent.stderr:
                parent.stderr.close()
        self.addCleanup(end)
        children = "/proc/%d/task/%d/children" % (parent.pid, parent.pid)
        child = wait_until(lambda: read_text(children).split(), "child")[0]
        wait_until(lambda: read_text("/proc/%s/syscall" % child).startswith(
            "%d " % {"x86_64": 1, "aarch64": 64}[os.uname().machine]), "stuck write")
        wait_until(lambda: read_text("/proc/%d/syscall" % parent.pid).startswith(
            "%d " % {"x86_64": 61, "aarch64": 260}[os.uname().machine]), "a parent that waits")
        return str(parent.pid), child

    @staticmethod
    def look(command, *pids):
        """At the first, as one who may not read the others either."""
        done = subprocess.run(["unshare", "-m", "/usr/bin/python3", os.path.abspath(__file__),
                               command, *pids], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=100, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_what_follows_is_told_and_what_is_missing(self):
        status, out, notes = self.diagnose("stdout")
        self.assertEqual(status, DEADLOCK, out + notes)
        self.assertRegex(out.splitlines()[0], r"^pipeshim: DEADLOCK \S+\[\d+\] <-> \S+\[\d+\]  "
                                               r"stuck for at least [0-9.]+ s  seen twice")
        self.assertIn("its stack may not be read", out)
        self.assertIn("kernel.yama.ptrace_scope", notes)
        self.assertNotRegex(out, r"FULL \d")  # how full it is cannot be asked

    def test_what_does_not_follow_is_not_guessed(self):
        """The child may be stuck on its stderr, which a process reads that cannot be seen."""
        status, out, notes = self.diagnose("stderr")
        self.assertIn(status, (CLEAR, UNREADABLE), out + notes)
        self.assertNotIn("DEADLOCK", out)
        self.assertNotIn("STUCK", out)
        self.assertIn("may not be read", out + notes)

    def test_rescue_of_what_follows_needs_no_force(self):
        parent, child = self.stuck("stdout")
        status, out, notes = self.look("rescue", child, parent)
        self.assertEqual(status, 0, out + notes)
        self.assertIn("nothing was taken from it", out)

    def test_rescue_says_what_to_do_where_it_does_not(self):
        parent, child = self.stuck("stderr")
        status, out, notes = self.look("rescue", child, parent)
        self.assertEqual((status, out), (1, ""), notes)
        self.assertRegex(notes, r"^pipeshim rescue: process %s waits for space, and nothing proves that "
                         r"it is stuck: [^\n]*kernel\.yama\.ptrace_scope[^\n]*; nothing was done: run "
                         r"this as root, or with --force --fd N if you know that it is\n$" % child)

    def test_rescue_of_one_that_writes_nothing(self):
        """The twin."""
        parent, child = self.stuck("stderr")
        status, out, notes = self.look("rescue", parent, child)
        self.assertEqual((status, notes), (1, ""), out)
        self.assertIn("not stuck on a full pipe", out)


if __name__ == "__main__":
    if sys.argv[1:2] in (["diagnose"], ["rescue"]):
        main(sys.argv[1], sys.argv[2:])
    sys.exit(unittest.main())
