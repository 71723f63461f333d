# SPDX-License-Identifier: MIT
"""pipeshim top on a real terminal: tmux types the keys and reads the screen."""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import BUILD, DEADLINE_S, LIBRARY, PipeshimCase, wait_until  # noqa: E402

TOOL = os.path.abspath(os.path.join(BUILD, "pipeshim"))
PYTHON = "/usr/bin/python3"
# It waits for a child whose output it does not read.
WAITS = """
import os, subprocess, sys
def ask():
    child = subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE,
                             env=dict(os.environ, LD_PRELOAD=sys.argv[1]))
    child.wait()
ask()
"""
READS = "import sys; sys.stdin.readline()"
WRITES = "import os, sys; os.write(1, b'x' * 70000); sys.stdin.readline()"


@unittest.skipUnless(shutil.which("tmux"), "no tmux")
class Screen(PipeshimCase):
    def setUp(self):
        self.folder = self.temporary_folder()
        self.server = os.path.join(self.folder, "tmux")
        self.addCleanup(self.tmux, "kill-server", check=False)

    def tmux(self, *arguments, check=True):
        return subprocess.run(["tmux", "-S", self.server, "-f", "/dev/null", *arguments], check=check,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=DEADLINE_S).stdout

    def launch(self, *command, library=LIBRARY):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(PIPESHIM_THRESHOLD="50ms", PIPESHIM_LOG="/dev/null")
        if library:
            environment["LD_PRELOAD"] = library
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        for stream in (process.stdin, process.stdout):
            self.addCleanup(stream.close)
        self.addCleanup(process.wait)
        self.addCleanup(self.kill_group, process.pid)
        return process

    def kill_group(self, pid):
        try:
            os.killpg(pid, 9)
        except ProcessLookupError:
            pass

    def named(self, name, code, **options):
        """A program with that name: what `top` calls a script."""
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(code)
        return self.launch(PYTHON, path, LIBRARY, **options)

    def open(self, *arguments, columns=80, rows=24, environment="TERM=screen"):
        """`pipeshim top` under a shell, so that what it leaves behind can be seen."""
        command = "env -u NO_COLOR %s %s top --interval 100ms %s; echo status $?; exec cat" % (
            environment, TOOL, " ".join(str(a) for a in arguments))
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), command)

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def screen(self):
        return self.tmux("capture-pane", "-p").rstrip("\n").split("\n")

    def wait_for(self, pattern, what):
        def found():
            lines = self.screen()
            return lines if re.search(pattern, "\n".join(lines), re.M) else None
        try:
            return wait_until(found, what)
        except AssertionError as error:
            raise AssertionError("%s; the screen:\n%s" % (error, "\n".join(self.screen())))

    def deadlock(self):
        """Both run the library."""
        process = self.named("parent.py", WAITS)
        return process

    def test_worst_first_and_quit(self):
        stuck, idle = self.deadlock(), self.named("idle.py", READS)
        self.open(idle.pid, stuck.pid)
        # The sentence at the foot is drawn after the rows.
        lines = self.wait_for(r"(?s)^ *%d parent.py +DEADLOCK.*cannot finish its write.*^q quit" % stuck.pid,
                              "a deadlock")
        self.assertRegex(lines[0], r"^pipeshim top .* 2 watched.* 1 DEADLOCK")
        self.assertRegex(lines[1], r"^ +PID NAME +STATE +SINCE CALL +ON")
        self.assertIn(" DEADLOCK ", lines[2])
        self.assertRegex(lines[3], r"^ *%d idle.py +(ok|new)" % idle.pid)
        self.assertTrue(all(len(line) <= 80 for line in lines))
        self.assertEqual(len(lines), 24)
        self.assertIn("q quit", lines[23])
        # The sentence about the row that is selected: the first.
        self.assertIn("cannot finish its write", lines[22])
        self.keys("q")
        lines = self.wait_for("^status 0$", "its end")
        self.assertNotIn("DEADLOCK", "\n".join(lines))  # the screen is as it was before

    def test_detail(self):
        stuck = self.deadlock()
        self.open(stuck.pid)
        self.wait_for("DEADLOCK", "a deadlock")
        self.keys("Enter")
        lines = self.wait_for(r"^  parent.py\[%d\]  .* for \[\d+\]$" % stuck.pid, "its chain")
        self.assertRegex(lines[0], r"^parent.py\[%d\]  python3.*  user root|user" % stuck.pid)
        self.assertRegex(lines[1], "^DEADLOCK  ")
        text = "\n".join(lines)
        self.assertIn("Chain: deadlock, found ", text)
        self.wait_for("q back", "the keys")
        # What does not fit is scrolled to: the stacks are the last.
        self.keys("End")
        self.wait_for(r"#\d+ ask  .*parent.py:6", "the stack of the thread that waits")
        self.keys("g")
        self.wait_for(r"^parent.py\[%d\]" % stuck.pid, "the top again")
        self.keys("d")
        self.wait_for("q back", "another look")
        self.keys("q")
        self.wait_for("q quit", "the rows again")
        self.keys("Escape")
        self.keys("q")
        self.wait_for("^status 0$", "its end")

    def test_detail_of_pipes_and_of_one_that_ends(self):
        writes = self.named("writes.py", WRITES)
        self.open(writes.pid)
        self.wait_for("BLOCKED|STUCK", "a blocked call")
        self.keys("Enter")
        lines = self.wait_for("^  stdout: 65536 of 65536 bytes", "its pipes")
        text = "\n".join(lines)
        self.assertRegex(text, r"Blocked now\n  python3\[%d\]  write fd 1  .*pipe_write" % writes.pid)
        self.keys("End")
        self.wait_for("^  pipe_write: 1 blocked, none returned$", "its count")
        self.keys("g")
        os.killpg(writes.pid, 9)
        writes.wait()
        self.wait_for("the process has ended", "its end")
        self.keys("q")
        self.wait_for(" 0 watched", "the rows without it")

    def test_sort_filter_and_help(self):
        runs = {name: self.named(name, READS) for name in ("zebra.py", "apple.py", "mango.py")}
        self.open(*(run.pid for run in runs.values()))
        self.wait_for("3 watched(.*\n)*.*s sort: worst", "three rows")
        for _ in range(6):
            self.keys("s")
        lines = self.wait_for("s sort: name", "another order")
        names = [line.split()[1] for line in lines[2:5]]
        self.assertEqual(names, ["apple.py", "mango.py", "zebra.py"])
        self.keys("s")
        lines = self.wait_for("s sort: pid", "another order")
        pids = [int(line.split()[0]) for line in lines[2:5]]
        self.assertEqual(pids, sorted(run.pid for run in runs.values()))
        self.keys("/", "MANGO")
        lines = self.wait_for(r"filter: MANGO_.*Enter", "a filter")
        self.assertIn("mango.py", lines[2])
        self.assertEqual(lines[3], "")
        self.keys("Enter")
        self.wait_for("/ filter: MANGO", "the filter is kept")
        self.keys("Escape")
        self.wait_for("apple.py", "all rows")
        self.keys("?")
        self.wait_for("^Keys$", "help")
        self.keys("q")
        self.wait_for("apple.py", "the rows again")
        self.keys("a")
        lines = self.wait_for("ok hidden", "no rows that are ok")
        self.assertEqual(lines[2], "")

    def test_resized(self):
        stuck = self.deadlock()
        self.open(stuck.pid, columns=130, rows=30)
        lines = self.wait_for("DEADLOCK", "a wide screen")
        self.assertRegex(lines[1], "PID USER .*THREAD")
        for columns, rows in ((60, 12), (80, 24), (20, 5)):
            self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

            def redrawn():
                lines = self.screen()
                return len(lines) == rows and lines[-1].startswith("q quit") and \
                    all(len(line) <= columns for line in lines) and "pipeshim top" in lines[0]
            wait_until(redrawn, "picture of %d by %d" % (columns, rows))
        self.keys("Enter")
        self.tmux("resize-window", "-x", "70", "-y", "20")
        self.wait_for("q back", "the detail, resized")
        self.keys("q", "q")
        self.wait_for("^status 0$", "its end")

    def test_colours(self):
        stuck = self.deadlock()
        self.open(stuck.pid)
        self.wait_for("DEADLOCK", "a deadlock")
        red = "\033[1m\033[7m\033[31m"

        def is_red():  # the head says it first, and may be seen while the rest is being painted
            painted = self.tmux("capture-pane", "-p", "-e")
            return re.search("\033\\[[0-9;]*31m[^\n]*DEADLOCK", painted) or red in painted
        wait_until(is_red, "a deadlock in red")
        self.tmux("kill-server")
        self.server += "2"
        self.open(stuck.pid, environment="TERM=screen NO_COLOR=1")
        self.wait_for("DEADLOCK", "a deadlock")
        painted = self.tmux("capture-pane", "-p", "-e")
        self.assertNotRegex(painted, "\033\\[[0-9;]*3[0-7]m")

    def test_one_that_does_not_run_the_library(self):
        """The parent is named by its child's finding: a row of its own."""
        parent = self.named("parent.py", WAITS, library=None)
        done = wait_until(lambda: (t := subprocess.run(
            [TOOL, "top", "-b", "-n", "1"], stdout=subprocess.PIPE, text=True).stdout) and
            re.search(r"^ *%d .*\(not watched\)$" % parent.pid, t, re.M) and t, "a row for the parent")
        row = re.search(r"^ *%d .*$" % parent.pid, done, re.M).group()
        self.assertRegex(row, r"parent.py +DEADLOCK .* wait")
        self.open("'p*'")
        self.wait_for(r"^ *%d parent.py +DEADLOCK" % parent.pid, "its row on the screen")
        lines = self.screen()
        row = next(i for i, line in enumerate(lines) if line.split()[:1] == [str(parent.pid)])
        for _ in range(row - 2):
            self.keys("j")
        self.keys("Enter")
        self.wait_for("It does not run the library", "its detail")
        self.wait_for(r"parent.py\[%d\]" % parent.pid, "its name")

    def test_a_terminal_that_is_not_known(self):
        run = self.named("idle.py", READS)
        self.open(run.pid, environment="TERM=nobody-has-this")
        self.wait_for("the terminal 'nobody-has-this'.*is not known", "a line that says so")
        self.wait_for(r"^ *%d .*idle.py" % run.pid, "a table in plain text")
        self.wait_for("^status 0$", "its end")


if __name__ == "__main__":
    unittest.main()
