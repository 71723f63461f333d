# SPDX-License-Identifier: MIT
"""Order across images: what was written before an exec, by a parent before it started a child, or
by a child before it was waited for, comes first, though each image has a queue of its own."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import read_text  # noqa: E402
from drain_case import DrainCase, helpers_of, wait_until  # noqa: E402

EXEC = """
import os, sys
os.write(2, b"a" * 200000)
if len(sys.argv) > 1:
    os.execv(sys.executable, [sys.executable, "-S", "-c", "import os; os.write(2, b'b' * %d)"])
""" % 100000
CHILD = """
import os, subprocess, sys
PUT = "import os, sys; os.write(2, sys.argv[1].encode() * int(sys.argv[2]))"
def child(letter, amount):
    subprocess.run([sys.executable, "-S", "-c", PUT, letter, amount], check=True)
os.write(2, b"a" * 200000)
child("b", "100")
os.write(2, b"c" * 100)
child("d", "90000")
os.write(2, b"e" * 100)
"""
LATE = """
import os, subprocess, sys
PUT = "import os, sys; os.write(2, sys.argv[1].encode() * int(sys.argv[2]))"
os.write(2, b"a" * 100)
subprocess.run([sys.executable, "-S", "-c", PUT, "b", "200000"], check=True)
os.write(2, b"c" * 100)
"""
LINES = """
import os, subprocess, sys
os.write(2, b"a" * 200000)
subprocess.run([sys.executable, "-S", "-c", "import os; os.write(2, b'b' * 100)"], check=True)
for _ in range(50):
    os.write(2, b"c" * 100)
print("written", flush=True)
sys.stdin.read()
"""
SHELL = """
for letter in a b c d e f g h; do
    /usr/bin/python3 -S -c 'import os, sys; os.write(2, sys.argv[1].encode() * 70000)' $letter
done
"""


@unittest.skipIf("Seccomp:\t0" not in read_text("/proc/self/status"),
                 "under a seccomp filter helpers take no turns")
class Order(DrainCase):
    def arrives(self, command, expected):
        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                run = self.drained(command, DRAIN_MODE=mode)
                self.assertEqual(run.wait(), 0)
                data = run.read()
                self.assertEqual(self.runs_of(data), self.runs_of(expected))
                self.assert_helper_leaves(run)

    @staticmethod
    def runs_of(data):
        """[(letter, how many), …]: two hundred thousand letters make no good message."""
        runs = []
        for byte in data:
            if not runs or runs[-1][0] != chr(byte):
                runs.append([chr(byte), 0])
            runs[-1][1] += 1
        return runs

    def python(self, program, *arguments, **options):
        return ["/usr/bin/python3", "-S", "-E", "-c", program, *arguments]

    def test_exec(self):
        self.arrives(self.python(EXEC, "exec"), b"a" * 200000 + b"b" * 100000)

    def test_children(self):
        self.arrives(self.python(CHILD),
                     b"a" * 200000 + b"b" * 100 + b"c" * 100 + b"d" * 90000 + b"e" * 100)

    def test_a_child_that_queues_when_its_parent_does_not(self):
        self.arrives(self.python(LATE), b"a" * 100 + b"b" * 200000 + b"c" * 100)

    def test_one_helper_more_for_one_child(self):
        for mode in ("full", "behind"):
            run = self.drained(self.python(LINES), DRAIN_MODE=mode)
            self.assertEqual(run.process.stdout.readline(), b"written\n")
            wait_until(lambda run=run: len(helpers_of(run.inode)) >= 3, "the third helper's name")
            self.assertEqual(len(helpers_of(run.inode)), 3, "ours, the child's, ours after it")
            run.process.stdin.close()
            self.assertEqual(run.wait(), 0)
            self.assertEqual(self.runs_of(run.read()), [["a", 200000], ["b", 100], ["c", 5000]])

    def test_one_after_the_other(self):
        self.arrives(["/bin/sh", "-c", SHELL], b"".join(bytes([x]) * 70000 for x in b"abcdefgh"))


if __name__ == "__main__":
    unittest.main()
