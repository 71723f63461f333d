# SPDX-License-Identifier: MIT
"""Shared by the tests of pipeshim run: the tool as a child, with a library that does nothing."""
import os
import shutil
import subprocess
import tempfile
import time
import unittest

BUILD = os.path.abspath(os.environ.get("PIPESHIM_BUILD", "build"))
TOOL = os.path.join(BUILD, "pipeshim")
LIBRARY = os.path.join(BUILD, "libpipeshim.so")
DEADLINE = 120.0


class RunTest(unittest.TestCase):
    """`library`: what is preloaded; by default one that does nothing, as run itself is tested without
    the real one, so that a failure points at one of the two. In a program that is preloaded with it
    nothing but LD_PRELOAD differs."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="pipeshim-test-")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.empty = os.path.join(folder, "empty.so")
        subprocess.run(["cc", "-shared", "-o", cls.empty, "-x", "c", "/dev/null"], check=True)

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pipeshim-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.temporary = os.path.join(self.folder, "tmp")
        os.mkdir(self.temporary)
        self.environment = {key: value for key, value in os.environ.items()
                            if not key.startswith("PIPESHIM") and key != "LD_PRELOAD"}
        self.environment["TMPDIR"] = self.temporary

    def arguments(self, *arguments, library=None):
        return [TOOL, "run", "--library", library or self.empty, *arguments]

    def start(self, *arguments, library=None, **more):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                   "env": self.environment, "text": True, **more}
        process = subprocess.Popen(self.arguments(*arguments, library=library), **options)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def run_tool(self, *arguments, library=None, **more):
        options = {"stdin": subprocess.DEVNULL, "env": self.environment, "text": True, **more}
        return subprocess.run(self.arguments(*arguments, library=library), capture_output=True,
                              timeout=60, **options)

    def wait_until(self, condition, what):
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.01)
        self.fail(f"not within {DEADLINE} s: {what}")

    def only_child_of(self, pid):
        def look():
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
                found = children.read().split()
            return int(found[0]) if found else None
        return self.wait_until(look, "the child's start")


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return None
