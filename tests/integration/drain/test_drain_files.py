# SPDX-License-Identifier: MIT
"""Named descriptors that are files, terminals and devices: the drainer has no part in them."""
import os
import pty
import subprocess
import sys
import tempfile
import termios
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DEADLINE_S, LIBRARY, read_soon  # noqa: E402

WRITES = """
import os, sys
for i in range(200):
    os.write(1, b"line %d\\n" % i)
    os.writev(1, [b"vector ", b"%d\\n" % i])
print("printed")
"""
CONTENT = b"".join(b"line %d\nvector %d\n" % (i, i) for i in range(200)) + b"printed\n"
# Field 7 of stat, the terminal that controls the process, after a write to one.
CONTROLLED = """
import os
os.write(1, b"x" * 100)
fields = open("/proc/self/stat").read().rsplit(")", 1)[1].split()
os.write(2, b"controlled" if int(fields[4]) else b"free")
"""
CASES = [(drain, mode) for drain in ("stdio", "all", "1") for mode in ("full", "behind")]


class Files(unittest.TestCase):
    def run_program(self, program, drain, mode, **streams):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_DRAIN=drain, PIPESHIM_DRAIN_MODE=mode,
                           PIPESHIM_LOG="/dev/null")
        return subprocess.run(["/usr/bin/python3", "-S", "-E", "-c", program], env=environment,
                              timeout=DEADLINE_S, check=True, **streams)

    def test_file(self):
        """It shares its place with us, who write before and after."""
        for drain, mode in CASES:
            with self.subTest(drain=drain, mode=mode), tempfile.TemporaryFile() as file:
                os.write(file.fileno(), b"before\n")
                self.run_program(WRITES, drain, mode, stdout=file)
                os.write(file.fileno(), b"after\n")
                self.assertEqual(os.pread(file.fileno(), 1 << 20, 0),
                                 b"before\n" + CONTENT + b"after\n")

    def test_appended_file(self):
        for drain, mode in CASES:
            with self.subTest(drain=drain, mode=mode), tempfile.NamedTemporaryFile() as file:
                file.write(b"before\n")
                file.flush()
                for _ in range(2):
                    with open(file.name, "ab") as end:
                        self.run_program(WRITES, drain, mode, stdout=end)
                self.assertEqual(os.pread(file.fileno(), 1 << 20, 0),
                                 b"before\n" + CONTENT + CONTENT)

    def test_terminal(self):
        for drain, mode in CASES:
            with self.subTest(drain=drain, mode=mode):
                ours, theirs = pty.openpty()
                attributes = termios.tcgetattr(theirs)
                attributes[1] &= ~termios.OPOST
                termios.tcsetattr(theirs, termios.TCSANOW, attributes)
                self.run_program(WRITES.replace("200", "50"), drain, mode, stdout=theirs)
                expected = b"".join(b"line %d\nvector %d\n" % (i, i) for i in range(50))
                data = b""
                while len(data) < len(expected) + len(b"printed\n"):
                    data += read_soon(ours)
                self.assertEqual(data, expected + b"printed\n")
                os.close(ours)
                os.close(theirs)

    def test_terminal_does_not_become_the_controlling_one(self):
        for drain, mode in CASES:
            with self.subTest(drain=drain, mode=mode):
                ours, theirs = pty.openpty()
                done = self.run_program(CONTROLLED, drain, mode, stdin=subprocess.DEVNULL,
                                        stdout=theirs, stderr=subprocess.PIPE,
                                        start_new_session=True)
                self.assertEqual(done.stderr, b"free")
                os.close(ours)
                os.close(theirs)


if __name__ == "__main__":
    unittest.main()
