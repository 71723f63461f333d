# SPDX-License-Identifier: MIT
"""Names from the perf maps that real runtimes write, and from a container's own /tmp."""
import glob
import os
import random
import shutil
import subprocess
import tempfile
import time
import unittest

BUILD = os.environ.get("PIPESHIM_BUILD", os.path.join(os.getcwd(), "build"))
TOOL = os.path.join(BUILD, "tests", "tools", "perf_map_names")
DEADLINE_S = 120
NAME_BYTES = 127  # SYMBOL_NAME_LIMIT without the NUL

NODE_PROGRAM = """
function auditLog(x) { return x * 2; }
function handle(n) { let s = 0; for (let i = 0; i < n; i++) s += auditLog(i); return s; }
handle(1e6);
process.stdout.write('ready\\n');
process.stdin.resume();
"""
PYTHON_PROGRAM = """
import sys
def inner(): sys.stdout.write('ready\\n'); sys.stdout.flush(); sys.stdin.read()
inner()
"""


def names_of(pid, addresses):
    answer = subprocess.run([TOOL, str(pid), *["%x" % address for address in addresses]],
                            capture_output=True, check=True)
    return answer.stdout.split(b"\n")[:-1]


def parse(path):
    """[(start, size, name)] of the whole lines."""
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")[:-1]
    fields = [line.split(b" ", 2) for line in lines]
    return [(int(start, 16), int(size, 16), name) for start, size, name in fields]


def cut(name):
    return name[:NAME_BYTES].decode("utf-8", "ignore").encode()


class PerfMapFiles(unittest.TestCase):
    def check_program(self, command, function):
        with tempfile.TemporaryDirectory() as folder, subprocess.Popen(
                command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                self.assertEqual(process.stdout.readline(), b"ready\n")
                path = "/tmp/perf-%d.map" % process.pid
                entries = parse(path)
                random.seed(1)
                addresses = [start + size // 2 for start, size, _ in random.sample(
                    entries, min(200, len(entries))) if size > 0]
                addresses += [start for start, size, name in entries if function in name and size]
                expected = [next(cut(name) for start, size, name in reversed(entries)
                                 if start <= address < start + size) for address in addresses]
                self.assertEqual(names_of(process.pid, addresses), expected)
                self.assertTrue(any(function in name for name in expected))
            finally:
                process.kill()
                if os.path.exists("/tmp/perf-%d.map" % process.pid):
                    os.unlink("/tmp/perf-%d.map" % process.pid)

    def test_node(self):
        node = shutil.which("node")
        if not node:
            self.skipTest("no node here")
        self.check_program([node, "--perf-basic-prof", "--interpreted-frames-native-stack",
                            "-e", NODE_PROGRAM], b"auditLog")

    def test_python(self):
        pythons = [path for path in glob.glob("/root/.pyenv/versions/3.1[2-9]*/bin/python3")
                   + ["/usr/bin/python3"]
                   if subprocess.run([path, "-c", "import sys; sys.exit(sys.version_info < (3, 12))"],
                                     check=False).returncode == 0]
        if not pythons:
            self.skipTest("no Python 3.12 or later here")
        for path in pythons:
            with self.subTest(python=path):
                self.check_program([path, "-X", "perf", "-c", PYTHON_PROGRAM], b"inner")

    def test_a_container_with_its_own_tmp_and_pids(self):
        script = ("mount -t tmpfs tmpfs /tmp && "
                  "echo '1000 10 inside the container' > /tmp/perf-$$.map && echo ready && read line")
        command = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", script]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as process:
            try:
                if process.stdout.readline() != b"ready\n":
                    self.skipTest("not allowed to make namespaces")
                deadline = time.monotonic() + DEADLINE_S
                children = ""
                while not children and time.monotonic() < deadline:
                    with open("/proc/%d/task/%d/children" % (process.pid, process.pid),
                              encoding="ascii") as file:
                        children = file.read()
                self.assertEqual(names_of(int(children), [0x1008]), [b"inside the container"])
            finally:
                process.stdin.close()  # the shell inside ends, then unshare


if __name__ == "__main__":
    unittest.main(verbosity=2)
