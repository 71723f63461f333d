#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A program that closes its stderr, which is its log: what there is to tell is told before."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import DEADLINE_S, LIBRARY, PipeshimCase, read_text, victim  # noqa: E402

PYTHON = "/usr/bin/python3"
LARGER_THAN_A_PIPE = 300000


class Closed(PipeshimCase):
    def start(self, *command, **settings):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update({"LD_PRELOAD": LIBRARY, "PIPESHIM_FORMAT": "json",
                            "PIPESHIM_THRESHOLD": "50ms", **settings})
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for stream in (process.stdin, process.stdout, process.stderr):
            self.addCleanup(stream.close)
        return process

    def kinds(self, process, until=None):
        """The events on its stderr, up to the first of a kind, or to the end."""
        kinds = []
        for line in process.stderr:
            kinds.append(json.loads(line)["event"])
            if kinds[-1] == until:
                break
        return kinds

    def test_coreutils_close_stderr_before_they_end(self):
        folder = self.temporary_folder()
        path = os.path.join(folder, "large")
        with open(path, "wb") as file:
            file.truncate(LARGER_THAN_A_PIPE)
        cat = self.start("cat", path)
        self.kinds(cat, "blocked")
        self.assertEqual(len(cat.stdout.read()), LARGER_THAN_A_PIPE)
        self.assertEqual(self.kinds(cat)[-2:], ["unblocked", "summary"])
        self.assertEqual(cat.wait(DEADLINE_S), 0)

    def test_one_that_was_quiet(self):
        self.assertEqual(self.kinds(self.start("sleep", "0.01")), ["start", "summary"])
        self.assertEqual(self.kinds(self.start("sleep", "0.01", PIPESHIM_FORMAT="text")), [])

    def test_it_goes_on_and_is_watched(self):
        """One summary; and nothing of ours in the file that it opens next."""
        folder = self.temporary_folder()
        path = os.path.join(folder, "own")
        process = self.start(
            PYTHON, "-c", "import os, sys\n"
            "os.write(1, b'x' * %d)\n"
            "os.close(2)\n"
            "assert os.open(%r, os.O_CREAT | os.O_WRONLY) == 2\n"
            "os.write(1, b'x' * %d)\n" % (LARGER_THAN_A_PIPE, path, LARGER_THAN_A_PIPE))
        self.kinds(process, "blocked")
        self.assertEqual(len(process.stdout.read()), 2 * LARGER_THAN_A_PIPE)
        self.assertEqual(self.kinds(process)[-2:], ["unblocked", "summary"])
        self.assertEqual(process.wait(DEADLINE_S), 0)
        self.assertEqual(read_text(path), "")

    def test_a_child_that_closes_its_own(self):
        """It has told nothing, and says nothing; as the child that becomes a command does."""
        process = self.start(PYTHON, "-c", "import os\n"
                             "if os.fork() == 0:\n"
                             "    os.close(2)\n"
                             "    os._exit(0)\n"
                             "os.wait()\n"
                             "os.write(1, b'x' * %d)\n" % LARGER_THAN_A_PIPE)
        seen = self.kinds(process, "blocked")
        process.stdout.read()
        seen += self.kinds(process)
        self.assertEqual((seen.count("start"), seen.count("summary")), (1, 1), seen)

    def test_stdout_is_flushed_after_the_last_line(self):
        """What the log's writer was lent is a descriptor of the watchdog's, by the number of the
        program's stdout: the exit reaps the writer, and must not close that."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_THRESHOLD="1ms",
                           PIPESHIM_LOG="/nonexistent/log")  # so it goes to stderr
        for _ in range(30):
            with tempfile.TemporaryFile() as log:
                done = subprocess.run(victim("buffered_exit"), env=environment, check=False,
                                      stdout=subprocess.PIPE, stderr=log, timeout=DEADLINE_S)
            self.assertEqual((done.stdout, done.returncode), (b"last words", 0))


if __name__ == "__main__":
    unittest.main()
