# SPDX-License-Identifier: MIT
"""Shared by the tests of JavaScript frames: a Node that is stuck on a full pipe, and what V8 itself
says of the same stack in another run."""
import json
import os
import subprocess
import tempfile
import unittest

from nodes import find_nodes
from pipeshim_case import LIBRARY, wait_until

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../victims/javascript")
NODES, LEFT_OUT = find_nodes()
PIPE_FD = 9
SITES_S = 60

# Too long to be inlined, as whatever calls `f` has to stay a frame of its own.
GATE = "'use strict';\nmodule.exports = function gate(x, f) {\nlet s = 0;\n%sif (x === true) {\n" \
    "  return f();\n}\nreturn s;\n};\n" % "".join(
        "if (x === -%d) { s += x * %d; s ^= (s << %d); }\n" % (i + 2, i, i % 7) for i in range(120))


def full_pipe():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(writer, True)
    return reader, writer


class JavascriptCase(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        for reason in LEFT_OUT:
            print("left out: %s" % reason)
        if not NODES:
            raise unittest.SkipTest("there is no Node")
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(subprocess.run, ["rm", "-rf", cls.folder], check=True)
        cls.gate = os.path.join(cls.folder, "gate.js")
        with open(cls.gate, "w", encoding="utf-8") as file:
            file.write(GATE)

    def environment(self, **more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        return dict(kept, GATE=self.gate, NODE_NO_WARNINGS="1", **more)

    def sites(self, node, program, flags=(), **more):
        """The stack as V8 describes it, innermost first, without what only awaits."""
        path = os.path.join(self.folder, "sites.json")
        process = subprocess.run([node.path, *flags, program], cwd=PROGRAMS, timeout=SITES_S,
                                 env=self.environment(SITES=path, **more), stdin=subprocess.DEVNULL,
                                 capture_output=True, check=False)
        self.assertTrue(os.path.exists(path), "%s: %s" % (program, process.stderr.decode()))
        with open(path, encoding="utf-8") as file:
            found = [site for site in json.load(file) if not site["async"]]
        os.unlink(path)
        return found

    def stuck(self, node, program, flags=(), settings=None, depth="256", **more):
        """The process, and its `blocked` event on the full pipe."""
        log = tempfile.mktemp(dir=self.folder)
        reader, writer = full_pipe()
        self.addCleanup(os.close, reader)
        environment = self.environment(
            LD_PRELOAD=os.path.abspath(LIBRARY), PIPESHIM_FORMAT="json", PIPESHIM_LOG=log, PIPESHIM_ONLY="node*",
            PIPESHIM_THRESHOLD="50ms", PIPESHIM_LOOP_THRESHOLD="3600s", PIPESHIM_STACK_DEPTH=depth,
            **(settings or {}), **more)

        # The shell moves the pipe to its number: a pass_fds keeps the number that it has here.
        process = subprocess.Popen(
            ["/bin/sh", "-c", "exec %d>&%d; exec \"$@\"" % (PIPE_FD, writer), "sh", node.path, *flags,
             program], cwd=PROGRAMS, env=environment, pass_fds=[writer], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(writer)

        def end():
            process.kill()
            process.wait()
        self.addCleanup(end)

        def told():
            for event in self.events(log):
                if event["event"] == "blocked" and event.get("fd") == PIPE_FD:
                    return event
            self.assertIsNone(process.poll(), "%s ended" % program)
            return None
        event = wait_until(told, "report on %s" % program)
        self.addCleanup(lambda: os.path.exists(log) and os.unlink(log))
        process.log = log
        return process, event

    def events(self, log):
        try:
            with open(log, encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []


def after_stuck(frames):
    """The frames outside of `stuck`, which is where the two runs part."""
    names = [frame.get("function") for frame in frames]
    return frames[names.index("stuck") + 1:]
