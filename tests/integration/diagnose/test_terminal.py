#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a terminal is shown: no line that is longer than it is wide, verdicts in colour. A pipe gets
the same words in whole lines, and no escape sequence."""
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import PIPESHIM  # noqa: E402
from pipeshim_case import wait_until  # noqa: E402
from waits_case import PYTHON, WaitsCase  # noqa: E402

COLUMNS = 80
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
HANGS = """
import subprocess, sys
subprocess.Popen([sys.executable, '-c', 'import os; os.write(1, bytes(200000))'],
                 stdout=subprocess.PIPE).wait()
"""
# In a call of the standard library, which another one of it makes.
SLOW_LOOP = """
import asyncio, subprocess
async def main():
    for _ in range(30):
        await asyncio.sleep(0.02)
    subprocess.run(["sleep", "2"])  # on the loop
asyncio.run(main())
"""


def words(text):
    return ESCAPE.sub("", text).split()


def without_time(text):
    """Two diagnoses of one deadlock say another duration."""
    return re.sub(r"at least [0-9.]+ s", "at least N s", text)


class Terminal(WaitsCase):
    def start(self, *command, columns=COLUMNS, **environment):
        """The command, its stdout and stderr a terminal: it and what it writes, as bytes."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        settings = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                                   env=dict(settings, TERM="xterm", **environment),
                                   start_new_session=True)
        os.close(slave)
        self.addCleanup(os.close, master)

        def end():
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        self.addCleanup(end)
        return process, master

    def read_until(self, master, pattern):
        text = ""
        while not re.search(pattern, text):
            piece = os.read(master, 65536)
            self.assertTrue(piece, text)
            text += piece.decode().replace("\r\n", "\n")
        return text

    def read_all(self, master):
        text = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # EIO: all have closed it
                break
            if not piece:
                break
            text += piece
        return text.decode().replace("\r\n", "\n")

    def assert_narrow(self, text):
        for line in ESCAPE.sub("", text).splitlines():
            if len(line.split()) > 1:
                self.assertLessEqual(len(line), COLUMNS, line)

    def hung(self):
        """A program that hangs, once diagnose knows it."""
        run = self.begin("child", HANGS)
        def known():
            done = subprocess.run([PIPESHIM, "diagnose", str(run.process.pid)],
                                  capture_output=True, text=True, timeout=60)
            return done.returncode == 2 and done.stdout
        return run, wait_until(known, "deadlock")

    def test_diagnose(self):
        run, plain = self.hung()
        self.assertNotIn("\x1b", plain)
        self.assertTrue(any(len(line) > COLUMNS for line in plain.splitlines()))
        first = plain.splitlines()[0]
        self.assertRegex(first, r"^pipeshim: DEADLOCK \S+\[\d+\] <-> \S+\[\d+\]")
        _, master = self.start(PIPESHIM, "diagnose", str(run.process.pid))
        shown = self.read_all(master)
        self.assert_narrow(shown)
        self.assertIn("\x1b[1;31mpipeshim: DEADLOCK\x1b[0m", shown)
        self.assertEqual(words(shown)[:8], words(plain)[:8])
        _, master = self.start(PIPESHIM, "diagnose", str(run.process.pid), NO_COLOR="1")
        shown = self.read_all(master)
        self.assertNotIn("\x1b", shown)
        self.assert_narrow(shown)
        _, master = self.start(PIPESHIM, "diagnose", str(run.process.pid), columns=1000)
        whole = ESCAPE.sub("", self.read_all(master))
        self.assertIn(without_time(first), without_time(whole).splitlines())

    def test_a_note(self):
        _, master = self.start(PIPESHIM, "diagnose", "999999999", columns=40)
        shown = ESCAPE.sub("", self.read_all(master))
        self.assertIn("999999999", shown)
        self.assertLessEqual(max(map(len, shown.splitlines())), 40, shown)

    def test_run(self):
        _, master = self.start(PIPESHIM, "run", "--", PYTHON, "-c", HANGS)
        shown = self.read_until(master, r"DEADLOCK[\s\S]*now: ")
        self.assert_narrow(shown)
        self.assertIn("\x1b[1;31mpipeshim: DEADLOCK\x1b[0m", shown)
        done = subprocess.Popen([PIPESHIM, "run", "--", PYTHON, "-c", HANGS],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, start_new_session=True)
        lines = []
        while not any(line.startswith("  now: ") for line in lines):
            lines.append(done.stderr.readline())
        os.killpg(done.pid, signal.SIGKILL)
        done.wait()
        done.stderr.close()
        self.assertNotIn("\x1b", "".join(lines))
        self.assertTrue(any(len(line) > COLUMNS for line in lines))

    def test_run_at_the_end_of_its_time(self):
        _, master = self.start(PIPESHIM, "run", "--timeout", "300ms", "--", "/bin/sleep", "60",
                               columns=40)
        shown = ESCAPE.sub("", self.read_all(master))
        self.assertIn("has not ended within", " ".join(shown.split()))
        for line in shown.splitlines():
            if len(line.split()) > 1:
                self.assertLessEqual(len(line), 40, line)

    def test_frames_of_a_library_are_one_line(self):
        path = os.path.join(self.temporary_folder(), "slow.py")
        with open(path, "w") as file:
            file.write(SLOW_LOOP)
        done = subprocess.run([PIPESHIM, "run", "--", PYTHON, path], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120)
        frames = re.search(r"Python, innermost first:\n((?:    .*\n)*)", done.stderr).group(1)
        lines = [line.strip() for line in frames.splitlines()]
        self.assertRegex(lines[0], r"^\(\d+ frames of subprocess(, \w+)*\)$")
        self.assertEqual(lines[1], "main  %s:6" % path)
        self.assertRegex(lines[2], r"^\(\d+ frames of asyncio\)$")


if __name__ == "__main__":
    sys.exit(unittest.main())
