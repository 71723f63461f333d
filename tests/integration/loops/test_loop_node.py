#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What blocks a Node loop: reported while it lasts."""
import os
import shutil
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from loop_case import LoopCase  # noqa: E402
from pipeshim_case import symbols_of  # noqa: E402

VICTIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../victims/node_loop.js")
NODE = shutil.which("node")


@unittest.skipUnless(NODE, "node is not installed")
class NodeLoop(LoopCase):
    def start_way(self, way):
        self.fifo = fifo = os.path.join(self.temporary_folder(), "fifo")
        os.mkfifo(fifo)
        # Children have the library as well; what is looked at is Node's own.
        return self.start(NODE, VICTIM, way, fifo)

    def check_call(self, way, event, expected):
        self.assertEqual(event["class"], expected[0])
        self.assertIs(event["loop"], True)
        if expected[0] == "child":
            self.assertIn(event["child"]["comm"], ("sleep", "sh"))
        if way == "fifo":
            self.assertRegex(event["file"]["path"], "/fifo$")

    def release(self, run, event):
        if event["class"] == "child":
            os.kill(event["child"]["pid"], signal.SIGKILL)
        elif event["class"] == "file":
            os.close(os.open(event["file"]["path"], os.O_WRONLY))

    def test_calls(self):
        self.check_ways({"execSync": ("child",), "spawnSync": ("child",), "fifo": ("file",),
                         "atomics": ("lock",)})

    def test_computing(self):
        for way in ("cpu", "pbkdf2"):
            with self.subTest(way):
                run = self.start_way(way)
                lag = run.wait_for("lag")[0]
                self.assertIn(lag["cause"], ("cpu", "starved"))
                self.assertIsNone(run.process.poll())
                names = " ".join(name or "" for name in symbols_of(lag))
                self.assertRegex(names, {"cpu": ".", "pbkdf2": "pbkdf2|PBKDF2|HMAC|sha512|EVP"}[way])
                open(self.fifo + ".go", "w").close()
                self.assertEqual(run.drain()[2], 0)
                self.check_story(run, lag, "cpu")

    def test_silent_without_the_block(self):
        run = self.start_way("none")
        self.assertEqual(run.drain()[2], 0)
        self.assert_silent(run)


if __name__ == "__main__":
    sys.exit(unittest.main())
