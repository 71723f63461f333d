# SPDX-License-Identifier: MIT
"""pipeshim top: what it shows of processes that run the library, read from outside."""
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import BUILD, DEADLINE_S, LIBRARY, PipeshimCase, wait_until  # noqa: E402

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
# It writes to a pipe of its own that it reads when it is told to.
HEALTHY = """
import os, sys
print("ready", flush=True)
sys.stdin.readline()
"""
FAKE = """
#include <stdint.h>
#include <string.h>
#include <unistd.h>
struct { char magic[8]; uint32_t version, size; uint64_t sequence; unsigned char rest[16384]; } pipeshim_status;
__attribute__((constructor)) static void fill(void)
{
    memset(&pipeshim_status, 0xff, sizeof pipeshim_status);
    memcpy(pipeshim_status.magic, "PIPESHIM", 8);
    pipeshim_status.version = VERSION;
    pipeshim_status.size = 0xffffffff;
    pipeshim_status.sequence = SEQUENCE;
    int pid = getpid();
    memcpy(pipeshim_status.rest, &pid, sizeof pid);
}
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
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            return [{"pid": int(word)} for word in file.read().split()]

    def test_a_deadlock_while_it_lasts(self):
        process = self.launch([PYTHON, "-c", WAITS])
        seen = wait_until(lambda: (s := shown(process.pid)) and s["state"] == "DEADLOCK" and s,
                          "deadlock in top")
        self.assertEqual(seen["findings"]["deadlock"], {"told": 1, "active": True})
        self.assertIn("cannot finish its write", seen["words"])
        child = self.children(process.pid)[0]["pid"]
        seen = wait_until(lambda: (s := shown(child)) and s["state"] == "DEADLOCK" and s,
                          "the child's side")
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

    def fake(self, version, sequence):
        folder = self.temporary_folder()
        path = os.path.join(folder, "libpipeshim.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-DVERSION=%d" % version,
                        "-DSEQUENCE=%d" % sequence, "-x", "c", "-o", path, "-"], input=FAKE,
                       text=True, check=True)
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
        for version, sequence in ((9, 2), (1, 3)):
            pid = self.fake(version, sequence)
            self.assertNotIn("threads", shown(pid))

    def test_wrong_use(self):
        for arguments in (["-n", "0"], ["-n", "x"], ["--interval", "soon"], ["--nonsense"]):
            done = top(*arguments)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (64, 1), arguments)

    def in_terminal(self, rows, columns, **environment):
        pid, master = pty.fork()
        if pid == 0:
            os.execve(TOOL, [TOOL, "top", "--interval", "100ms"],
                      dict(os.environ, TERM="xterm", **environment))
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.addCleanup(os.close, master)
        return pid, master

    def read_until(self, master, wanted, text=b""):
        deadline = time.monotonic() + DEADLINE_S
        while wanted not in text and time.monotonic() < deadline:
            if select.select([master], [], [], 0.1)[0]:
                text += os.read(master, 65536)
        self.assertIn(wanted, text)
        return text

    def test_the_screen(self):
        """80 by 24: no line is longer, space pauses, q leaves the terminal as it was."""
        process = self.launch([PYTHON, "-c", HEALTHY])
        self.assertEqual(process.stdout.readline(), b"ready\n")
        wait_until(lambda: shown(process.pid), "a page")
        pid, master = self.in_terminal(24, 80, NO_COLOR="1")
        # A picture, and the bottom line of the next: the size is known by then.
        self.read_until(master, b"\033[24;1Hq quits")
        text = self.read_until(master, b"\033[24;1Hq quits", b"")
        picture = text.split(b"\033[H\033[2J")[-1].split(b"\033[24;1H")[0]
        for line in picture.decode().splitlines():
            self.assertLessEqual(len(line), 80)
        self.assertIn(b"pipeshim top", picture)
        self.assertNotIn(b"\033[33m", picture)
        os.write(master, b" ")
        self.read_until(master, b"paused")
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 40, 0, 0))
        self.read_until(master, b"\033[12;1Hpaused")
        os.write(master, b"q")
        self.read_until(master, b"\033[?1049l")
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        cooked = termios.ICANON | termios.ECHO
        self.assertEqual(termios.tcgetattr(master)[3] & cooked, cooked)


if __name__ == "__main__":
    unittest.main()
