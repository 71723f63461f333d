#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The log writes only where it may, and follows its file: rotation, a full disk, a planted link."""
import array
import fcntl
import json
import os
import subprocess
import sys
import termios
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import BUILD, DEADLINE_S, PipeshimCase, read_text, wait_until
from stuck_writer import StuckWriter, environment, kinds, run

NOBODY = 65534
TOOL = os.path.join(BUILD, "pipeshim")
ROOT = os.geteuid() == 0


class WritesWhereItMay(PipeshimCase):
    def full_disk(self, size):
        """A file system of that size without space: a file `fill` takes all of it."""
        if not ROOT:
            self.skipTest("needs root to mount a file system")
        folder = self.temporary_folder()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "none", folder]).returncode:
            self.skipTest("mount refused")
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=True)
        with open(folder + "/fill", "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        return folder

    def test_mode(self):
        log = self.temporary_folder() + "/log"
        run("/bin/true", settings={"PIPESHIM_LOG": log, "PIPESHIM_RATE": "wrong"})
        self.assertEqual(os.stat(log).st_mode & 0o7777, 0o600)

    def test_short_lived_programs_leave_none(self):
        folder = self.temporary_folder()
        for form in ("json", "text"):
            begun = time.monotonic()
            done = run("/bin/bash", "-c", "for i in {1..20}; do x=$(echo $i | cat); ls / | wc; done",
                       settings={"PIPESHIM_LOG": folder + "/%e.%p", "PIPESHIM_FORMAT": form})
            self.assertEqual(done.returncode, 0)
            left = os.listdir(folder)
            if time.monotonic() - begun > 10:  # a slow machine: the shell was no short-lived program
                left = [name for name in left if not name.startswith("bash.")]
            self.assertEqual(left, [])

    def test_one_file_has_the_summary_of_each(self):
        """In JSON: its name has no %p."""
        folder = self.temporary_folder()
        for path in (folder + "/%e.jsonl", "log"):
            with self.subTest(path):
                done = run("/bin/true", cwd=folder, settings={"PIPESHIM_LOG": path,
                                                              "PIPESHIM_FORMAT": "json"})
                self.assertEqual(done.returncode, 0)
                log = os.path.join(folder, path.replace("%e", "true"))
                wait_until(lambda: read_text(log).count("\n") == 2, "its two lines")
                self.assertEqual([json.loads(line)["event"] for line in read_text(log).splitlines()],
                                 ["start", "summary"])

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
        stuck = StuckWriter(self, ["/usr/bin/python3", "-c",
                             "import os; os.chdir(%r); os.write(1, bytes(200000))" % other],
                      PIPESHIM_LOG=os.path.relpath(folder + "/log"))
        wait_until(lambda: "BLOCKED" in read_text(folder + "/log"), "report")
        self.assertEqual(stuck.go_on()[1], 0)
        self.assertEqual(os.listdir(other), [])

    def test_it_is_opened_again_after_a_rotation(self):
        log = self.temporary_folder() + "/log"
        stuck = StuckWriter(self, PIPESHIM_LOG=log, PIPESHIM_FORMAT="json")
        wait_until(lambda: "blocked" in kinds(read_text(log)), "report")
        os.rename(log, log + ".1")
        self.assertEqual(stuck.go_on()[1], 0)
        self.assertEqual(kinds(read_text(log)), ["unblocked", "summary"])

    def test_a_rotation_by_copying(self):
        """copytruncate: what comes next stands at the beginning, with no hole before it."""
        log = self.temporary_folder() + "/log"
        stuck = StuckWriter(self, PIPESHIM_LOG=log, PIPESHIM_FORMAT="json")
        wait_until(lambda: "blocked" in kinds(read_text(log)), "report")
        os.truncate(log, 0)
        self.assertEqual(stuck.go_on()[1], 0)
        self.assertEqual(kinds(read_text(log)), ["unblocked", "summary"])
        self.assertNotIn("\0", read_text(log))

    def test_a_full_disk_is_told_when_there_is_room(self):
        """A report waits in memory while its log has no room, and comes first when it has."""
        folder = self.full_disk("64k")
        stuck = StuckWriter(self, PIPESHIM_LOG=folder + "/log", PIPESHIM_FORMAT="json")
        wait_until(lambda: self.is_waited_for(stuck), "word on stderr")
        self.assertEqual(os.path.getsize(folder + "/log"), 0)
        os.unlink(folder + "/fill")
        wait_until(lambda: "blocked" in kinds(read_text(folder + "/log")), "report")
        text, status = stuck.go_on()
        self.assertEqual(status, 0)
        self.assertRegex(text, r"\A\S*pipeshim: WARNING python3[^\n]*PIPESHIM_LOG=%s/log: cannot be "
                               r"written: no space left; [^\n]*\n\Z" % folder)
        numbers = [json.loads(line)["seq"] for line in read_text(folder + "/log").splitlines()]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)), "no number went to stderr")
        self.assertEqual(kinds(read_text(folder + "/log")),
                         ["start", "blocked", "unblocked", "summary"])

    def test_a_log_that_never_takes_anything(self):
        """/dev/full can be opened: one line, however much is reported, and by a short program too."""
        stuck = StuckWriter(self, PIPESHIM_LOG="/dev/full")
        wait_until(lambda: self.is_waited_for(stuck), "word on stderr")
        text, status = stuck.go_on()
        self.assertEqual(status, 0)
        self.assertEqual(text.count("PIPESHIM_LOG=/dev/full: cannot be written: no space left"), 1)
        self.assertEqual(text.count("\n"), 1)

    def test_a_log_that_takes_nothing_and_a_stderr_on_a_disk(self):
        path = os.path.join(self.temporary_folder(), "stderr")
        with open(path, "wb") as file:
            process = subprocess.Popen(
                ["/usr/bin/python3", "-Sc", "import os; os.write(1, bytes(200000))"],
                stdout=subprocess.PIPE, stderr=file, env=environment(PIPESHIM_LOG="/dev/full"))
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_until(lambda: read_text(path), "word on stderr")
        process.stdout.read()
        self.assertEqual(process.wait(DEADLINE_S), 0)
        self.assertRegex(read_text(path), r"\A\S*pipeshim: WARNING [^\n]*PIPESHIM_LOG=/dev/full: "
                                          r"cannot be written: no space left[^\n]*\n\Z")

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
        folder = self.full_disk("4m")
        log = folder + "/log"
        stuck = StuckWriter(self, ("/usr/bin/python3", "-Sc", self.DEEP), PIPESHIM_LOG=log,
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
                stuck = StuckWriter(self, PIPESHIM_LOG=log)
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
                stuck = StuckWriter(self, PIPESHIM_LOG="/nonexistent/x.log", PIPESHIM_FORMAT=form)
                wait_until(lambda: self.is_waited_for(stuck), "report on stderr")
                text, status = stuck.go_on()
                self.assertEqual(status, 0)
                self.assertIn(reported, text)
                self.assertEqual(text.count("PIPESHIM_LOG=/nonexistent/x.log: cannot be opened: "
                                            "no such file or directory"), 1)

    def test_what_else_is_no_log(self):
        """A descriptor that is not open, or for reading only; a name that no file can have."""
        writer = "exec /usr/bin/python3 -Sc 'import os; os.write(1, bytes(200000))' 3</dev/null"
        for log in ("fd:99", "fd:3", self.temporary_folder() + "/" + 300 * "x"):
            with self.subTest(log):
                stuck = StuckWriter(self, ("/bin/sh", "-c", writer), PIPESHIM_LOG=log)
                wait_until(lambda: self.is_waited_for(stuck), "report on stderr")
                text, status = stuck.go_on()
                self.assertEqual(status, 0)
                self.assertIn("BLOCKED python3", text)
                self.assertEqual(text.count("PIPESHIM_LOG=%s: cannot be opened: " % log), 1, text)

    def test_no_log_daemon(self):
        if os.path.exists("/dev/log"):
            self.skipTest("there is one")
        stuck = StuckWriter(self, PIPESHIM_LOG="syslog")
        wait_until(lambda: self.is_waited_for(stuck), "report on stderr")
        text, status = stuck.go_on()
        self.assertEqual(status, 0)
        self.assertIn("BLOCKED python3", text)
        self.assertEqual(text.count("PIPESHIM_LOG=syslog: cannot be opened"), 1)


if __name__ == "__main__":
    sys.exit(unittest.main())
