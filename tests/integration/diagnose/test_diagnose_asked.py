#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""pipeshim diagnose answers for what was asked, and for nothing else; and says whose line it is."""
import json
import os
import pwd
import re
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import LIBRARY, wait_until  # noqa: E402
from diagnose_support import CLEAR, DEADLOCK, PIPESHIM, PYTHON, DiagnoseTest, main  # noqa: E402

INCOMPLETE = 4
NOBODY = 65534
WAITS_BEFORE_READING = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE)
child.wait()
"""


def children(parent):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name, errors="replace") as file:  # names of any bytes
                comm, rest = file.read().split("(", 1)[1].rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(rest.split()[1]) == parent:
            found.append((comm, rest.split()[0]))
    return found


class Asked(DiagnoseTest):
    def script(self, name, code, **options):
        folder = tempfile.mkdtemp()
        self.addCleanup(subprocess.run, ["rm", "-rf", folder], check=True)
        path = os.path.join(folder, name)
        with open(path, "w") as file:
            file.write(code)
        return self.spawn([PYTHON, path], **options)

    def test_a_healthy_neighbour_on_the_same_pipe(self):
        """All of a container write to one stdout: a deadlock of one is none of the others."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        stuck = self.python(WAITS_BEFORE_READING, stdout=writer)
        healthy = self.python("import time; time.sleep(1000)", stdout=writer)
        os.close(writer)
        self.until_status(DEADLOCK, stuck.pid)
        status, report = self.diagnose(healthy.pid)
        self.assertEqual((status, report["verdict"], report["findings"]), (CLEAR, "clear", []))

    def test_whoever_waits_for_a_member_is_told(self):
        shell = self.spawn(["/bin/sh", "-c", '"$@"; :', "sh", PYTHON, "-c", WAITS_BEFORE_READING])
        finding = self.the_finding(self.until_status(DEADLOCK, shell.pid), "deadlock")
        self.assertNotIn(shell.pid, [link["pid"] for link in finding["chain"]])

    def test_a_deadlock_elsewhere_is_one_line(self):
        """A reader of a pipe whose other holder is deadlocked, but that is served by a third."""
        reader, writer = os.pipe()
        stuck = self.python(WAITS_BEFORE_READING, stdout=writer)
        feeder = self.python("import time; time.sleep(1000)", stdout=writer)
        cat = self.spawn(["cat"], stdin=reader)
        os.close(reader)
        os.close(writer)
        self.until_status(DEADLOCK, stuck.pid)
        status, out, _ = self.text(cat.pid)
        self.assertEqual(status, CLEAR, out)
        self.assertRegex(out, r"nearby: 1 more stuck, .*pipeshim diagnose \d+")
        self.assertNotIn("DEADLOCK", out)
        self.assertIsNone(feeder.poll())

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_what_may_not_be_read_is_not_called_clear(self):
        victim = self.python("import time; time.sleep(1000)")
        done = subprocess.run([PIPESHIM, "diagnose", str(victim.pid)], user=NOBODY, group=NOBODY,
                              extra_groups=[], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, INCOMPLETE, done)
        self.assertRegex(done.stdout.decode(), r"nothing seen stuck in 0 of 1 processes; 1 may not")
        done = subprocess.run([PIPESHIM, "diagnose", "--all"], user=NOBODY, group=NOBODY,
                              extra_groups=[], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, INCOMPLETE, done)
        self.assertRegex(done.stdout.decode(), r"nothing seen stuck in \d+ of \d+ processes; \d+ may")

    def test_by_tree(self):
        shell = self.spawn(["/bin/sh", "-c", 'sleep 1000 & "$@" & wait', "sh", PYTHON, "-c",
                            WAITS_BEFORE_READING])

        def asked():
            """A child that is forked while the tree is looked at is no part of it yet."""
            report = self.until_status(DEADLOCK, "--tree", shell.pid)
            found = [p["pid"] for p in report["processes"] if "pipes" in p]
            return found if len(found) == 4 else None  # the shell, sleep, both Pythons
        self.assertIn(shell.pid, wait_until(asked, "all four in its tree"))

    def test_the_librarys_own_are_not_told(self):
        """What wrote the log of a program that has no watchdog is waited for at its next line."""
        log = tempfile.NamedTemporaryFile(suffix=".jsonl")
        self.addCleanup(log.close)
        quiet = self.spawn(["sleep", "1000"], env={
            **os.environ, "LD_PRELOAD": LIBRARY, "PIPESHIM_LOG": log.name,
            "PIPESHIM_FORMAT": "json", "PIPESHIM_SUMMARY": "always"})
        wait_until(lambda: children(quiet.pid) == [("pipeshim-log", "Z")], "its writer to end")
        status, out, err = self.text("--tree", quiet.pid)
        self.assertEqual((status, err), (CLEAR, ""))
        self.assertNotIn("pipeshim-log", out)

    def test_by_name(self):
        parent = self.script("orchestrator_of_a_test.py", WAITS_BEFORE_READING)
        report = self.until_status(DEADLOCK, "--name", "orchestrator_of_*")
        self.assertEqual([p["pid"] for p in report["processes"] if "pipes" in p], [parent.pid])
        status, _, err = self.text("--name", "no_such_program_*")
        self.assertEqual(status, 3)
        self.assertIn("no_such_program_*", err)

    def start_s(self, pid):
        """When it was started, in seconds since the machine was."""
        with open("/proc/%d/stat" % pid, encoding="utf-8") as file:
            return int(file.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")

    def test_the_line_of_each(self):
        parent = self.script("orchestrator.py", WAITS_BEFORE_READING)
        finding = self.the_finding(self.until_status(DEADLOCK, parent.pid), "deadlock")
        link = [link for link in finding["chain"] if link["pid"] == parent.pid][0]
        self.assertEqual(link["name"], "orchestrator.py")
        self.assertRegex(link["where"], r"/orchestrator\.py:4 <module>$")
        self.assertEqual(link["source"], "child.wait()")
        _, out, _ = self.text(parent.pid)
        self.assertRegex(out, r"^pipeshim: DEADLOCK python3\[\d+\] <-> orchestrator\.py\[%d\]"
                         % parent.pid)
        self.assertRegex(out, r"> \S+/orchestrator\.py:4 <module> +child\.wait\(\)")
        self.assertRegex(out, r"now: pipeshim rescue \d+ --fd 1")
        self.assertNotIn("subprocess.py", out)
        with open("/proc/%d/cmdline" % parent.pid, encoding="utf-8") as file:
            command = file.read().rstrip("\0").replace("\0", " ")
        since = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + self.start_s(parent.pid)
        told = re.search(r"^    %s  \(user %s, since (.*)\)$"
                         % (re.escape(command), pwd.getpwuid(os.geteuid()).pw_name), out, re.M)
        self.assertTrue(told, out)
        self.assertAlmostEqual(time.mktime(time.strptime(told[1], "%Y-%m-%d %H:%M:%S")), since, delta=2)
        _, out, _ = self.text("--stacks", parent.pid)
        self.assertIn("/subprocess.py:", out)

    @unittest.skipUnless(os.geteuid() == 0, "needs root for a PID namespace")
    def test_a_container_seen_from_outside(self):
        """The pid that wait4 was called with is the one inside."""
        try:
            subprocess.run(["unshare", "-pf", "--mount-proc", "true"], check=True,
                           stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):
            self.skipTest("PID namespaces are not allowed here")
        outer = self.spawn(["unshare", "-pf", "--mount-proc", PYTHON, "-c", WAITS_BEFORE_READING])
        inner = self.child_of(outer.pid, "python3")
        finding = self.the_finding(self.until_status(DEADLOCK, inner), "deadlock")
        self.assert_closed(finding)
        self.assertEqual(finding["chain"][1]["where"], "<string>:4 <module>")

    def test_watch_gives_signs_of_life_and_ends(self):
        victim = self.python("import time; time.sleep(1000)")
        command = [PIPESHIM, "diagnose", "--watch", "--interval", "50ms"]
        watch = subprocess.Popen(command + [str(victim.pid)], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
        self.addCleanup(watch.stderr.close)
        self.addCleanup(watch.wait)
        self.addCleanup(watch.kill)
        self.assertRegex(watch.stderr.readline(),
                         r"\d\d:\d\d:\d\d pipeshim diagnose: nothing stuck in 1")
        done = subprocess.run(command + ["--timeout", "400ms", str(victim.pid)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertEqual(done.returncode, CLEAR)

    def test_wrong_use(self):
        for options in (["--tree", "x"], ["--interval", "soon", "1"], ["--all", "--name", "x"],
                        ["--timeout", "-1", "1"], ["--tree", "1", "2"]):
            with self.subTest(options=options):
                status, _, err = self.text(*options)
                self.assertEqual(status, 64)
                self.assertEqual(err.count("\n"), 1)

    def test_json_is_one_line(self):
        done = subprocess.run([PIPESHIM, "diagnose", "--json", str(os.getpid())],
                              stdout=subprocess.PIPE)
        self.assertEqual(done.stdout.count(b"\n"), 1)
        json.loads(done.stdout)


if __name__ == "__main__":
    main()
