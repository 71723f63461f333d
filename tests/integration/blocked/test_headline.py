#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""By which name the text log, and `run`, call the process that a line is about."""
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import BUILD, LIBRARY, PipeshimCase, read_text, wait_until  # noqa: E402

PYTHON = "/usr/bin/python3"
STUCK = """
import os
os.write(2, bytes(65536))
os.write(2, b"x")
"""
# What setproctitle does: over all arguments, of which the name was one.
TITLE = """
with open("/proc/self/stat") as file:
    start, end = map(int, file.read().rpartition(")")[2].split()[45:47])
with open("/proc/self/mem", "r+b", buffering=0) as memory:
    memory.seek(start)
    memory.write(b"worker of all that came before it "[:end - start - 1].ljust(end - start, b"%s"))
"""


class Headline(PipeshimCase):
    def blocked(self, *command, program=STUCK):
        """The name in the line BLOCKED of the text log, of "server.py" in the arguments, or of none."""
        folder = self.temporary_folder()
        with open(os.path.join(folder, "server.py"), "w", encoding="utf-8") as file:
            file.write(program)
        log = os.path.join(folder, "log")
        process = subprocess.Popen([PYTHON, *command], cwd=folder, stdin=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE,
                                   env={**os.environ, "LD_PRELOAD": LIBRARY, "PIPESHIM_LOG": log})
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return wait_until(lambda: re.search(r"^pipeshim: BLOCKED (\S+)\[%d\] " % process.pid,
                                            read_text(log) or "", re.M), "BLOCKED")[1]

    def test_a_script_has_its_name(self):
        self.assertEqual(self.blocked("server.py"), "server.py")
        self.assertEqual(self.blocked("-u", "./server.py", "--port=1"), "server.py")

    def test_what_is_no_script_has_the_programs(self):
        self.assertRegex(self.blocked("-c", STUCK, "server.py"), r"^python3[.0-9]*$")

    def test_a_title_over_the_arguments_is_no_name(self):
        for rest in r"\0", "y":
            with self.subTest(rest=rest):
                self.assertRegex(self.blocked("server.py", program=TITLE % rest + STUCK), r"^python3[.0-9]*$")

    def test_run(self):
        """It has the name from another line of the log."""
        folder = self.temporary_folder()
        path, said = os.path.join(folder, "server.py"), os.path.join(folder, "said")
        with open(path, "w", encoding="utf-8") as file:
            file.write("import os\nread, write = os.pipe()\nos.write(write, bytes(65536))\nos.write(write, b'x')\n")
        with open(said, "w", encoding="utf-8") as stderr:
            process = subprocess.Popen([os.path.join(BUILD, "pipeshim"), "run", "--", PYTHON, path],
                                       stdin=subprocess.DEVNULL, stderr=stderr)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        found = wait_until(lambda: re.search(r"^pipeshim: BLOCKED (\S+)\[\d+\] ", read_text(said) or "", re.M),
                           "BLOCKED")
        self.assertEqual(found[1], "server.py")


if __name__ == "__main__":
    sys.exit(unittest.main())
