#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A line of the log neither holds a program, nor sends it a signal, nor writes where it must not."""
import array
import fcntl
import glob
import json
import os
import pty
import resource
import subprocess
import sys
import termios
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from frozen_disk import frozen_disk
from pipeshim_case import (BUILD, DEADLINE_S, LIBRARY, PipeshimCase, read_text, sleeps_in_write,
                           victim, wait_until)
from silent_disk import silent_disk

NOBODY = 65534
TOOL = os.path.join(BUILD, "pipeshim")
ROOT = os.geteuid() == 0
# What a run may take that waits for nothing: the machine is slow, but a disk that hangs is slower.
PROMPT_S = 10


def environment(**settings):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
    kept.update(LD_PRELOAD=LIBRARY, PIPESHIM_THRESHOLD="50ms")
    kept.update(settings)
    return kept


def run(*command, settings, **options):
    return subprocess.run(command, env=environment(**settings), capture_output=True, text=True,
                          timeout=DEADLINE_S, **options)


def kinds(text):
    return [json.loads(line)["event"] for line in text.splitlines() if line.startswith("{")]


class Stuck:
    """A program whose write to stdout is stuck, and which ends with 0 when it is read."""

    def __init__(self, case, command=("/usr/bin/python3", "-Sc", "import os; os.write(1, bytes(200000))"),
                 **settings):
        self.reader, writer = os.pipe()
        self.process = subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE,
                                        env=environment(**settings))
        os.close(writer)
        case.addCleanup(self.close)
        wait_until(lambda: sleeps_in_write(self.process.pid), "stuck write")

    def go_on(self):
        """Reads all; what the program and the library wrote to stderr, and the status."""
        while os.read(self.reader, 65536):
            pass
        text = self.process.stderr.read().decode()
        return text, self.process.wait(DEADLINE_S)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.reader)




class NeverWaits(PipeshimCase):
    def runs_at_once(self, settings, **options):
        done = subprocess.run(["/bin/sh", "-c", "/bin/true; exit 7"], env=environment(**settings),
                              timeout=PROMPT_S, **options)
        self.assertEqual(done.returncode, 7)

    def test_path(self):
        with frozen_disk(self) as disk:
            log = disk.mount + "/log"
            disk.freeze()
            for settings in ({"PIPESHIM_RATE": "wrong"}, {"PIPESHIM_SUMMARY": "always"},
                             {"PIPESHIM_SUMMARY": "always", "PIPESHIM_FORMAT": "json"}):
                with self.subTest(settings):
                    self.runs_at_once(dict(settings, PIPESHIM_LOG=log))
            disk.unfreeze()
            # Nothing is lost by it: each writer had its record in hand.
            wait_until(lambda: kinds(read_text(log)).count("summary") == 2,
                       "what was written when the disk was back")
            wait_until(lambda: read_text(log).count("WARNING") == 2, "warnings")

    def test_stderr_is_a_file(self):
        with frozen_disk(self) as disk:
            path = disk.mount + "/stderr"
            with open(path, "ab") as file:
                disk.freeze()
                for settings in ({"PIPESHIM_RATE": "wrong"}, {"PIPESHIM_FORMAT": "json"}):
                    with self.subTest(settings):
                        self.runs_at_once(settings, stderr=file)
                disk.unfreeze()
            wait_until(lambda: kinds(read_text(path)).count("summary") == 2,
                       "what was written when the disk was back")

    def test_a_program_that_was_reported(self):
        with frozen_disk(self) as disk:
            log = disk.mount + "/log"
            disk.freeze()
            stuck = Stuck(self, PIPESHIM_LOG=log, PIPESHIM_FORMAT="json")
            held = wait_until(lambda: self.held_writer(stuck.process.pid), "held writer of the log")
            begin = time.monotonic()
            _, status = stuck.go_on()
            self.assertEqual(status, 0)
            self.assertLess(time.monotonic() - begin, PROMPT_S)
            self.assertTrue(os.path.exists(held))
            disk.unfreeze()
            wait_until(lambda: kinds(read_text(log)) ==
                       ["start", "blocked", "unblocked", "summary"], "all that was told")
            wait_until(lambda: not os.path.exists(held), "end of the writer")

    @staticmethod
    def held_writer(pid):
        for task in os.listdir("/proc/%d/task" % pid):
            for child in read_text("/proc/%d/task/%s/children" % (pid, task)).split():
                if "\nState:\tD" in read_text("/proc/%s/status" % child):
                    return "/proc/" + child
        return None

    def test_rules_that_cannot_be_read_in_time(self):
        log = self.temporary_folder() + "/log"
        with silent_disk(self) as folder:
            self.runs_at_once({"PIPESHIM_SUPPRESS": folder + "/rules", "PIPESHIM_LOG": log})
            wait_until(lambda: "PIPESHIM_SUPPRESS=%s/rules: was not read within 50 ms" % folder
                       in read_text(log), "warning")
            wait_until(lambda: "pipeshim-rules\n" not in
                       [read_text(path) for path in glob.glob("/proc/[0-9]*/comm")],
                       "end of the process that reads them")

    def test_no_child_is_left_to_the_program(self):
        """The writer is no child that a wait finds, and no zombie beside it."""
        log = self.temporary_folder() + "/log"
        code = """
import glob, os, sys, time
def children():
    try:
        return [child for path in glob.glob("/proc/self/task/*/children")
                for child in open(path).read().split()]
    except OSError:  # a thread has gone
        return ["?"]
os.write(1, bytes(200000))
try:
    os.waitpid(-1, 0)
    sys.stderr.write("a child ")
except ChildProcessError:
    pass
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    told = "RESOLVED" in open(os.environ["PIPESHIM_LOG"]).read()  # the last that is written
    left = children()
    if told and not left:
        break
    time.sleep(0.01)
sys.stderr.write("left %s" % left)
"""
        stuck = Stuck(self, ["/usr/bin/python3", "-c", code], PIPESHIM_LOG=log)
        wait_until(lambda: "BLOCKED" in read_text(log), "report")
        text, status = stuck.go_on()
        self.assertEqual((text, status), ("left []", 0))


class WithoutProc(PipeshimCase):
    @unittest.skipUnless(ROOT, "needs root to take /proc away")
    def test_a_word_instead_of_silence(self):
        """It is said before the program gets stuck, once, and not by what is never stuck."""
        away = ["unshare", "-m", "sh", "-c", 'umount -l /proc; exec env LD_PRELOAD=%s "$0" "$@"'
                % LIBRARY]
        if subprocess.run(away + ["/bin/true"], capture_output=True).returncode != 0:
            self.skipTest("no mount namespaces here")
        reader, writer = os.pipe()
        process = subprocess.Popen(away + [victim("life"), "plain"], stdout=writer,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        os.close(writer)
        try:
            line = process.stderr.readline().decode()
            self.assertRegex(line, "pipeshim: WARNING life.*/proc.*this process is not watched")
            while os.read(reader, 65536):
                pass
            self.assertEqual(process.stderr.read(), b"done\n")
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
            os.close(reader)
        quiet = subprocess.run(away + ["/bin/ls", "/"], capture_output=True)
        self.assertEqual((quiet.returncode, quiet.stderr), (0, b""))


class SendsNoSignal(PipeshimCase):
    def test_largest_file(self):
        for settings in ({"PIPESHIM_RATE": "wrong"},
                         {"PIPESHIM_FORMAT": "json", "PIPESHIM_SUMMARY": "always"}):
            for target in ("path", "stderr"):
                with self.subTest(settings, target=target):
                    path = self.temporary_folder() + "/log"
                    with open(path, "wb") as file:
                        done = subprocess.run(
                            ["/bin/sh", "-c", "exit 7"], stderr=file, timeout=DEADLINE_S,
                            env=environment(PIPESHIM_LOG=path if target == "path" else "stderr",
                                            **settings),
                            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)))
                    self.assertEqual(done.returncode, 7)
                    self.assertEqual(os.path.getsize(path), 0)

    def test_terminal_that_stops_background_jobs(self):
        code = """
import os, signal, subprocess, sys, termios
attributes = termios.tcgetattr(0)
attributes[3] |= termios.TOSTOP
termios.tcsetattr(0, termios.TCSANOW, attributes)
job = subprocess.Popen(["/bin/true"], process_group=0, env={**os.environ, **%r})
_, status = os.waitpid(job.pid, os.WUNTRACED)
print("status", status)
job.kill()
""" % {"LD_PRELOAD": LIBRARY, "PIPESHIM_FORMAT": "json", "PIPESHIM_LOG": "stderr"}
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(sys.executable, [sys.executable, "-c", code])
        self.addCleanup(os.close, terminal)
        shown = b""
        while True:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:  # the last holder is gone
                break
            if not chunk:
                break
            shown += chunk
        os.waitpid(pid, 0)
        self.assertIn(b"status 0", shown)
        self.assertIn(b'"summary"', shown)

    def test_pipe_without_a_reader(self):
        """Also where SIGPIPE is blocked, and pending: it is the program's, and stays."""
        code = """
import os, signal
os.close(int(os.environ["READER"]))
kind = os.environ["KIND"]
if kind != "default":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPIPE])
else:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
if kind == "pending":
    os.kill(os.getpid(), signal.SIGPIPE)
pid = os.fork()
if pid == 0:
    os._exit(5)  # its start and summary go to a pipe that nobody reads
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
os.write(1, b"%d %d" % (status, signal.SIGPIPE in signal.sigpending()))
os._exit(0)
"""
        for kind, expected in (("default", b"5 0"), ("blocked", b"5 0"), ("pending", b"5 1")):
            with self.subTest(kind):
                reader, writer = os.pipe()
                done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE,
                                      pass_fds=(reader, writer), timeout=DEADLINE_S,
                                      env=environment(PIPESHIM_LOG="fd:%d" % writer, KIND=kind,
                                                      PIPESHIM_FORMAT="json", READER=str(reader)),
                                      close_fds=True)
                os.close(reader)
                os.close(writer)
                self.assertEqual((done.stdout, done.returncode), (expected, 0))


class WritesWhereItMay(PipeshimCase):
    def test_mode(self):
        log = self.temporary_folder() + "/log"
        run("/bin/true", settings={"PIPESHIM_LOG": log, "PIPESHIM_RATE": "wrong"})
        self.assertEqual(os.stat(log).st_mode & 0o7777, 0o600)

    def test_short_lived_programs_leave_none(self):
        folder = self.temporary_folder()
        for form in ("json", "text"):
            done = run("/bin/bash", "-c", "for i in {1..20}; do x=$(echo $i | cat); ls / | wc; done",
                       settings={"PIPESHIM_LOG": folder + "/%e.%p", "PIPESHIM_FORMAT": form})
            self.assertEqual(done.returncode, 0)
            self.assertEqual(os.listdir(folder), [])

    def test_a_program_that_was_watched_leaves_one(self):
        """What it has to tell is that there was nothing."""
        folder = self.temporary_folder()
        loop = "import asyncio\nasync def main():\n  for _ in range(60): await asyncio.sleep(.03)\n"
        settings = {"PIPESHIM_LOG": folder + "/log", "PIPESHIM_THRESHOLD": "10s"}
        run("/usr/bin/python3", "-c", loop + "asyncio.run(main())", settings=settings)
        self.assertEqual(os.listdir(folder), [])
        until = ("import asyncio, os\nasync def main():\n"
                 "  while not os.path.exists(%r): await asyncio.sleep(.03)\n" % (folder + "/log"))
        run("/usr/bin/python3", "-c", until + "asyncio.run(main())",
            settings={"PIPESHIM_FORMAT": "json", **settings})
        self.assertEqual(kinds(read_text(folder + "/log")), ["start", "summary"])

    def test_it_follows_no_chdir(self):
        folder, other = self.temporary_folder(), self.temporary_folder()
        run("/bin/sh", "-c", "cd %s; exec 2>&-; kill -9 $$" % other, cwd=folder,
            settings={"PIPESHIM_LOG": "log"})
        stuck = Stuck(self, ["/usr/bin/python3", "-c",
                             "import os; os.chdir(%r); os.write(1, bytes(200000))" % other],
                      PIPESHIM_LOG=os.path.relpath(folder + "/log"))
        wait_until(lambda: "BLOCKED" in read_text(folder + "/log"), "report")
        self.assertEqual(stuck.go_on()[1], 0)
        self.assertEqual(os.listdir(other), [])

    def test_it_is_opened_again_after_a_rotation(self):
        log = self.temporary_folder() + "/log"
        stuck = Stuck(self, PIPESHIM_LOG=log, PIPESHIM_FORMAT="json")
        wait_until(lambda: "blocked" in kinds(read_text(log)), "report")
        os.rename(log, log + ".1")
        self.assertEqual(stuck.go_on()[1], 0)
        self.assertEqual(kinds(read_text(log)), ["unblocked", "summary"])

    def test_a_rotation_by_copying(self):
        """copytruncate: what comes next stands at the beginning, with no hole before it."""
        log = self.temporary_folder() + "/log"
        stuck = Stuck(self, PIPESHIM_LOG=log, PIPESHIM_FORMAT="json")
        wait_until(lambda: "blocked" in kinds(read_text(log)), "report")
        os.truncate(log, 0)
        self.assertEqual(stuck.go_on()[1], 0)
        self.assertEqual(kinds(read_text(log)), ["unblocked", "summary"])
        self.assertNotIn("\0", read_text(log))

    def test_a_full_disk_is_told_when_there_is_room(self):
        """A report waits in memory while its log has no room, and comes first when it has."""
        if not ROOT:
            self.skipTest("needs root to mount a file system")
        folder = self.temporary_folder()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]).returncode:
            self.skipTest("mount refused")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        with open(folder + "/fill", "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        stuck = Stuck(self, PIPESHIM_LOG=folder + "/log", PIPESHIM_FORMAT="json")
        wait_until(lambda: os.path.exists(folder + "/log"), "empty log")
        os.unlink(folder + "/fill")
        wait_until(lambda: "blocked" in kinds(read_text(folder + "/log")), "report")
        self.assertEqual(stuck.go_on()[1], 0)
        told = kinds(read_text(folder + "/log"))
        self.assertEqual([kind for kind in told if kind != "still"],  # on a slow machine
                         ["start", "blocked", "unblocked", "summary"])

    # Reports of some 40 KB each.
    DEEP = """
import os, sys
sys.setrecursionlimit(2000)
def down(n):
    if n:
        return down(n - 1)
    while True:
        os.write(1, bytes(70000))
down(250)
"""

    def test_what_a_full_disk_has_cost_is_counted(self):
        if not ROOT:
            self.skipTest("needs root to mount a file system")
        folder = self.temporary_folder()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder]).returncode:
            self.skipTest("mount refused")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        log = folder + "/log"
        with open(folder + "/fill", "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        stuck = Stuck(self, ("/usr/bin/python3", "-Sc", self.DEEP), PIPESHIM_LOG=log,
                      PIPESHIM_FORMAT="json", PIPESHIM_REPEAT="0", PIPESHIM_RATE="1000/s",
                      PIPESHIM_THRESHOLD="20ms", PIPESHIM_STACK_DEPTH="256")

        def live():
            shown = subprocess.run([TOOL, "top", "--json", "-n", "1", str(stuck.process.pid)],
                                   capture_output=True, text=True).stdout
            return json.loads(shown)["processes"][0]

        def one_more():
            """The next report was made, and what it costs is known."""
            if not live().get("threads"):  # none either before its first call
                return False
            for _ in range(2):
                os.read(stuck.reader, 65536)
            return live().get("dropped", 0) > 0
        wait_until(one_more, "record that found no space")
        os.unlink(folder + "/fill")

        def counted():
            one_more()
            return [e for e in map(json.loads, read_text(log).splitlines(True)[:-1])
                    if e.get("dropped")]
        found = wait_until(counted, "event that counts them")
        self.assertGreaterEqual(found[0]["dropped"], 1)
        numbers = [json.loads(line)["seq"] for line in read_text(log).splitlines()[:-1]]
        self.assertIn(found[0]["seq"] - found[0]["dropped"] - 1, numbers)

    @unittest.skipUnless(ROOT, "needs root to plant what belongs to another user")
    def test_what_another_user_planted(self):
        folder = self.temporary_folder()
        os.chmod(folder, 0o1777)
        secret = os.path.join(self.temporary_folder(), "secret")
        planted = {
            "link": lambda path: os.symlink(secret, path),
            "folder": lambda path: os.symlink(os.path.dirname(secret), path),
            "file": lambda path: open(path, "wb").close(),
            "fifo": lambda path: os.mkfifo(path, 0o666),
        }
        for kind, plant in planted.items():
            with self.subTest(kind):
                open(secret, "wb").close()
                path = os.path.join(folder, kind)
                plant(path)
                os.lchown(path, NOBODY, NOBODY)
                fifo = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if kind == "fifo" else None
                log = path + "/secret" if kind == "folder" else path
                stuck = Stuck(self, PIPESHIM_LOG=log)
                wait_until(lambda: self.is_waited_for(stuck), "look of the watchdog")
                text, status = stuck.go_on()
                self.assertEqual(status, 0)
                # The kernel may refuse it first (fs.protected_symlinks and its kin).
                self.assertRegex(text, "WARNING python3.*PIPESHIM_LOG=%s: cannot be opened: "
                                       ".*(another user|denied).*stderr" % log)
                self.assertIn("BLOCKED python3", text)
                self.assertIn("SUMMARY python3", text)
                self.assertEqual(os.path.getsize(secret), 0)
                if fifo is not None:
                    self.assertEqual(os.read(fifo, 100), b"")
                    os.close(fifo)
                elif kind == "file":
                    self.assertEqual(os.path.getsize(path), 0)

    @staticmethod
    def is_waited_for(stuck):
        """It is reported: the process's stderr has it, which a read would take."""
        size = array.array("i", [0])
        fcntl.ioctl(stuck.process.stderr.fileno(), termios.FIONREAD, size)
        return size[0] > 0

    def test_a_log_that_cannot_be_opened(self):
        """One line on stderr, and all that is told after it, in either format."""
        for form, reported in (("text", "BLOCKED python3"), ("json", '"event":"blocked"')):
            with self.subTest(form):
                stuck = Stuck(self, PIPESHIM_LOG="/nonexistent/x.log", PIPESHIM_FORMAT=form)
                wait_until(lambda: self.is_waited_for(stuck), "report on stderr")
                text, status = stuck.go_on()
                self.assertEqual(status, 0)
                self.assertIn(reported, text)
                self.assertEqual(text.count("PIPESHIM_LOG=/nonexistent/x.log: cannot be opened: "
                                            "no such file or directory"), 1)

    def test_no_log_daemon(self):
        if os.path.exists("/dev/log"):
            self.skipTest("there is one")
        stuck = Stuck(self, PIPESHIM_LOG="syslog")
        wait_until(lambda: self.is_waited_for(stuck), "report on stderr")
        text, status = stuck.go_on()
        self.assertEqual(status, 0)
        self.assertIn("BLOCKED python3", text)
        self.assertEqual(text.count("PIPESHIM_LOG=syslog: cannot be opened"), 1)


if __name__ == "__main__":
    sys.exit(unittest.main())
