#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The JavaScript frames of a thread that runs: from a sample of its registers and stack, its heap
read while it changes. Nothing may be wrong; what is not certain is left out."""
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from javascript_case import NODES, PROGRAMS, JavascriptCase  # noqa: E402
from pipeshim_case import LIBRARY, wait_until  # noqa: E402

PATIENCE = 4  # times as long as elsewhere: a thread that gets no CPU is not sampled

SECONDS = int(os.environ.get("PIPESHIM_TEST_COLLECTING_SECONDS", "5"))
SPIN_LINES, HANDLER_LINE = {4, 5, 6}, 11
CALLER = {"churn": "inner", "inner": "middle", "middle": "outer", "outer": "turn"}
LINE = {"inner": {8}, "middle": {4}, "outer": {2}}  # of its only call


class Running(JavascriptCase):
    def run_program(self, node, program, *flags, **settings):
        log = tempfile.mktemp(dir=self.folder)
        environment = self.environment(
            LD_PRELOAD=os.path.abspath(LIBRARY), PIPESHIM_FORMAT="json", PIPESHIM_LOG=log,
            PIPESHIM_RATE="100000/s", PIPESHIM_REPEAT="0", **settings)
        process = subprocess.Popen([node.path, *flags, program], cwd=PROGRAMS, env=environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)

        def end():
            process.kill()
            process.wait()
        self.addCleanup(end)
        return process, log

    def wait_for_samples(self, condition, what):
        for _ in range(PATIENCE - 1):
            try:
                return wait_until(condition, what)
            except AssertionError:
                pass
        return wait_until(condition, what)

    def stacks(self, log):
        return [event["javascript"] for event in self.events(log)
                if event["event"] == "lag" and event.get("javascript")]

    def check_spinning(self, node, tiers, *flags, optimized=False):
        process, log = self.run_program(node, "spin.js", *flags, PIPESHIM_THRESHOLD="50ms")

        def enough():
            if process.poll() is not None:
                raise RuntimeError("%s has ended" % node)
            found = [stack for stack in self.stacks(log)
                     if (stack[0].get("function") == "spin" and "line" in stack[0]) or
                     (optimized and stack[0].get("unreadable"))]
            return found if len(found) >= 4 else None
        for stack in self.wait_for_samples(enough, "samples of spin()"):
            if optimized and stack[1].get("unreadable"):
                continue
            self.assertEqual(stack[1]["function"], "handler")
            self.assertEqual(stack[1]["line"], HANDLER_LINE)
            # What cannot be proven of a sample that is older than the memory is left out.
            if stack[0].get("unreadable"):
                continue
            self.assertIn(stack[0]["line"], SPIN_LINES)
            self.assertIn(stack[0]["tier"], tiers)
            # The optimizing compilers keep the positions of calls only.
            if stack[0]["tier"] == "interpreted":
                self.assertNotIn("near", stack[0])
        # On the way in and out of a call there is no frame of it: its caller is the innermost then.
        for stack in self.stacks(log):
            for frame in stack:
                if frame.get("function") == "handler" and "line" in frame:
                    self.assertEqual(frame["line"], HANDLER_LINE)

    def test_interpreted(self):
        for node in NODES:
            with self.subTest(str(node)):
                flags = ["--no-opt", "--no-sparkplug"] + ["--no-maglev"] * (node.major >= 20)
                self.check_spinning(node, {"interpreted"}, *flags)

    def test_optimized(self):
        for node in NODES:
            with self.subTest(str(node)):
                self.check_spinning(node, {"interpreted", "baseline", "maglev", "turbofan"},
                                    optimized=True)

    # optimized.js: the lines that an instruction of each function can be near to.
    NEAR = {"mixed": range(3, 6), "hot": range(6, 16)}
    HOT_CALL_LINE = 19

    def check_optimized(self, node, tier, *flags):
        """A line is said of it, and that it is one nearby; of its caller the very line."""
        process, log = self.run_program(node, "optimized.js", *flags, PIPESHIM_THRESHOLD="50ms")

        def enough():
            if process.poll() is not None:
                raise RuntimeError("%s has ended" % node)
            found = [stack for stack in self.stacks(log) if stack[0].get("tier") == tier]
            return found if len([s for s in found if "line" in s[0]]) >= 4 else None
        for stack in self.wait_for_samples(enough, "samples of hot() in %s code" % tier):
            names = [frame.get("function") for frame in stack]
            depth = names.index("handler")
            self.assertIn(names[:depth], (["hot"], ["mixed", "hot"]))
            for frame in stack[:depth]:
                self.assertEqual(frame.get("near", False), "line" in frame, frame)
                if "line" in frame:
                    self.assertIn(frame["line"], self.NEAR[frame["function"]])
            self.assertEqual(stack[depth]["line"], self.HOT_CALL_LINE)
            self.assertNotIn("near", stack[depth])
            self.assertEqual(stack[0].get("inlined", False), depth == 2)
        process.kill()
        process.wait()

    def test_near(self):
        for node in NODES:
            with self.subTest("%s, turbofan" % node):
                self.check_optimized(node, "turbofan", *["--no-maglev"] * (node.major >= 20))
            if node.major >= 24:
                with self.subTest("%s, maglev" % node):
                    self.check_optimized(node, "maglev", "--maglev", "--no-turbofan")

    def check_order(self, inner, outer):
        """Whether `inner` can have been called by `outer`, the next frame."""
        name, number = (inner["function"].split("_") + [""])[:2]
        caller = CALLER.get(name)
        if caller is None:
            return
        by, by_number = (outer["function"].split("_") + [""])[:2]
        what = "%s called by %s" % (inner, outer)
        self.assertEqual(by, caller, what)
        if number and by_number:
            self.assertEqual(number, by_number, what)
        if by in LINE and "line" in outer:
            self.assertIn(outer["line"], LINE[by], what)

    def test_nothing_is_wrong_while_the_heap_is_collected(self):
        for node in NODES:
            with self.subTest(str(node)):
                process, log = self.run_program(node, "collecting.js", "--expose-gc",
                                                PIPESHIM_THRESHOLD="3ms")
                time.sleep(SECONDS)  # how long it is looked at, nothing that is waited for
                wait_until(lambda: len(self.stacks(log)) > 3, "samples")
                self.assertIsNone(process.poll())
                process.kill()
                process.wait()
                frames = unreadable = 0
                for stack in self.stacks(log):
                    known = [frame for frame in stack if frame.get("tier") != "builtin"]
                    frames += len(known)
                    unreadable += sum(1 for frame in known if frame.get("unreadable"))
                    for inner, outer in zip(known, known[1:]):
                        if not inner.get("unreadable") and not outer.get("unreadable"):
                            self.check_order(inner, outer)
                    for frame in known:
                        if re.match(r"(inner|middle|outer)_", frame.get("function", "")):
                            self.assertRegex(frame["file"], r"^/made/\d\.js$")
                print("%s: %d stacks, %d frames, %d unreadable, 0 wrong" %
                      (node, len(self.stacks(log)), frames, unreadable))
                self.assertLess(unreadable, frames)


if __name__ == "__main__":
    sys.exit(unittest.main())
