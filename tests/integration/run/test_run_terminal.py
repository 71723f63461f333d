# SPDX-License-Identifier: MIT
"""pipeshim run as the foreground job of a terminal."""
import errno
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from run_case import DEADLINE, RunTest, state_of  # noqa: E402


class Terminal(RunTest):
    """Job control and window size, with run as the foreground job of a terminal."""

    def start_in_terminal(self, *arguments):
        """Returns (pid, master); the tool leads the terminal's foreground group, a shell in place of
        this test leads the session, as in real life: an orphaned group would ignore ^Z."""
        pid, master = pty.fork()
        if pid == 0:
            try:
                os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"],
                          dict(self.environment, PS1="prompt> ", TERM="dumb", HISTFILE=""))
            finally:
                os._exit(127)
        self.addCleanup(self.end_terminal, pid, master)
        self.unread = ""
        self.read_until(master, "prompt> ")
        words = " ".join("'" + word.replace("'", "'\\''") + "'" for word in self.arguments(*arguments))
        os.write(master, words.encode() + b"\n")
        return pid, master

    def end_terminal(self, pid, master):
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.close(master)  # hangs up whatever is left of the session
        os.waitpid(pid, 0)

    def read_until(self, master, wanted):
        """What the terminal shows up to and with `wanted`; what follows is left for the next call."""
        deadline = time.monotonic() + DEADLINE
        while wanted not in self.unread:
            if not select.select([master], [], [], max(0, deadline - time.monotonic()))[0]:
                self.fail(f"no {wanted!r} within {DEADLINE} s, but {self.unread!r}")
            try:
                self.unread += os.read(master, 4096).decode(errors="replace")
            except OSError as error:
                self.assertEqual(error.errno, errno.EIO)
                self.fail(f"the terminal is gone; {self.unread!r}")
        end = self.unread.index(wanted) + len(wanted)
        seen, self.unread = self.unread[:end], self.unread[end:]
        return seen

    def test_interrupt_reaches_the_program_once(self):
        # The program counts: a second copy, passed on by run, would come a moment after the first.
        script = ("import signal\n"
                  "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
                  "print('rea' + 'dy', flush=True)\n"
                  "came = [signal.sigwaitinfo([signal.SIGINT])]\n"
                  "while more := signal.sigtimedwait([signal.SIGINT], 0.5):\n"
                  "    came.append(more)\n"
                  "print('ca' + 'me', [one.si_pid for one in came])\n")
        path = os.path.join(self.folder, "count.py")
        with open(path, "w", encoding="utf-8") as out:
            out.write(script)
        _, master = self.start_in_terminal("/usr/bin/python3", path)
        self.read_until(master, "ready")
        os.write(master, b"\x03")
        self.read_until(master, "came [0]")  # one, and from the kernel
        self.read_until(master, "prompt> ")

    def test_stop_and_continue(self):
        script = "trap 'echo co''ntinued' CONT; echo re''ady $$; while :; do sleep 0.05; done"
        _, master = self.start_in_terminal("bash", "-c", script)
        self.read_until(master, "ready ")
        program = int(self.read_until(master, "\n"))
        with open(f"/proc/{program}/stat", encoding="ascii") as stat:
            tool = int(stat.read().rsplit(")", 1)[1].split()[1])
        os.write(master, b"\x1a")
        self.read_until(master, "Stopped")
        self.assertEqual((state_of(tool), state_of(program)), ("T", "T"))
        os.write(master, b"fg\n")
        self.read_until(master, "continued")
        self.wait_until(lambda: state_of(tool) != "T", "run goes on")
        os.write(master, b"\x03")
        self.read_until(master, "prompt> ")
        self.wait_until(lambda: state_of(tool) is None and state_of(program) is None, "both end")

    def test_the_program_owns_the_terminal(self):
        script = ("trap 'stty size' WINCH; read -r line; echo \"got $line\"; while :; do sleep 0.05; done")
        _, master = self.start_in_terminal("bash", "-c", script)
        os.write(master, b"hello\n")
        self.read_until(master, "got hello")
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 88, 0, 0))
        self.read_until(master, "44 88")


if __name__ == "__main__":
    unittest.main(verbosity=2)
