#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A line of the log neither holds a program, nor sends it a signal."""
import glob
import os
import pty
import resource
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from frozen_disk import frozen_disk
from pipeshim_case import DEADLINE_S, LIBRARY, PipeshimCase, read_text, victim, wait_until
from silent_disk import silent_disk
from stuck_writer import StuckWriter, environment, kinds

ROOT = os.geteuid() == 0


class NeverWaits(PipeshimCase):
    def runs_at_once(self, settings, **options):
        done = subprocess.run(["/bin/sh", "-c", "/bin/true; exit 7"], env=environment(**settings),
                              timeout=DEADLINE_S, **options)
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
            stuck = StuckWriter(self, PIPESHIM_LOG=log, PIPESHIM_FORMAT="json")
            held = wait_until(lambda: self.held_writer(stuck.process.pid), "held writer of the log")
            _, status = stuck.go_on()
            self.assertEqual(status, 0)
            self.assertTrue(os.path.exists(held))  # and the disk still hangs
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
        stuck = StuckWriter(self, ["/usr/bin/python3", "-c", code], PIPESHIM_LOG=log)
        wait_until(lambda: "BLOCKED" in read_text(log), "report")
        text, status = stuck.go_on()
        self.assertEqual((text, status), ("left []", 0))


class WithoutProc(PipeshimCase):
    def check(self, *namespaces, before=""):
        """It is said before the program gets stuck, once, and not by what is never stuck."""
        away = ["unshare", *namespaces, "sh", "-c", before + 'exec env LD_PRELOAD=%s "$0" "$@"' % LIBRARY]
        if subprocess.run(away + ["/bin/true"], capture_output=True).returncode != 0:
            self.skipTest("no such namespaces here")
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

    @unittest.skipUnless(ROOT, "needs root to take /proc away")
    def test_a_word_instead_of_silence(self):
        # One may lie over another.
        self.check("-m", before="while umount -l /proc 2>/dev/null; do :; done; ")

    @unittest.skipUnless(ROOT, "needs root for a namespace")
    def test_that_of_another_pid_namespace(self):
        self.check("-p", "-f", "--kill-child")


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


if __name__ == "__main__":
    sys.exit(unittest.main())
