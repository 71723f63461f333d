# SPDX-License-Identifier: MIT
"""Shared by the tests of pipeshim report: the tool on a log, and two processes to report of."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from log_maker import Process, frame, pipe

TOOL = os.path.join(os.environ.get("PIPESHIM_BUILD", "build"), "pipeshim")
LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pipeshim-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as out:
            out.write(content)
        return self.path(name)

    def run_tool(self, *arguments, status=0, **more):
        done = subprocess.run([TOOL, "report", *arguments], capture_output=True, timeout=120, **more)
        allowed = status if isinstance(status, tuple) else (status,)
        self.assertIn(done.returncode, allowed, done.stderr.decode(errors="replace"))
        return done.stdout.decode(), done.stderr.decode()

    def json_report(self, form, *logs):
        return json.loads(self.run_tool("--format", form, *logs)[0])


def engine_and_reader():
    """An engine that blocks on its stderr and a Python that waits for it, as two processes."""
    engine, python = Process(2707, "engine"), Process(2210, "python3")
    engine.start(0)
    python.start(0)
    write_stack = [frame("__write", 0x10e280, LIBC), frame("log_line", 0x1180), frame("main", 0x1500)]
    flush_stack = [frame("__write", 0x10e280, LIBC), frame("flush", 0x1190), frame("main", 0x1510)]
    reader = {"pid": 2210, "comm": "python3", "fd": 5, "state": "S", "waits_in": "read fd 3"}
    for i, milliseconds in enumerate([150, 250, 1000]):
        engine.call(1 + 2 * i, milliseconds, stack=write_stack, fd=2, object="pipe:[81723]",
                    pipe=pipe(peers=[reader]), advice="drain stderr in parallel")
    engine.call(8, 500, stack=flush_stack, fd=2, object="pipe:[81723]", pipe=pipe(peers=[reader]))
    python.call(0.9, 2500, call="read", class_="pipe_read", loop=True, fd=3, object="pipe:[81724]",
                stack=[frame("__read", 0x10e200, LIBC),
                       frame("_PyEval_EvalFrameDefault", 0x9999, "/usr/bin/python3.11"),
                       frame("Py_RunMain", 0x99, "/usr/bin/python3.11")],
                python=[{"file": "/app/orchestrator.py", "line": 41, "function": "Worker.collect"},
                        {"file": "/app/orchestrator.py", "line": 99, "function": "<module>"}],
                pipe=pipe(81724, 0, 65536, "reader",
                          [{"pid": 2707, "comm": "engine", "fd": 1, "state": "S"}]))
    return engine, python
