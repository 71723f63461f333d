#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The JavaScript frames of a blocked thread equal what V8 says of the same stack in another run:
function, file, line and column of every frame, Node's own included."""
import functools
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from javascript_case import NODES, PROGRAMS, JavascriptCase, after_stuck  # noqa: E402
from javascript_programs import bundle, long  # noqa: E402

# What the program is run with, and the tiers that must be met at least.
SCENARIOS = {
    "calls.js": {},
    "classes.js": {},
    "closures.js": {},
    "async.js": {},
    "generators.js": {},
    "middleware.js": {},
    "module.mjs": {},
    "evals.js": {},
    "crlf.js": {},
    "naïve.js": {},
    "recursion.js": {},
    "worker.js": {},
    "builtins.js": {},
    "timers.js": {},
    "promises.js": {},
    "syntax.js": {},
    "required.js": {},
    "bundle.js": {"make": bundle},
    "long.js": {"make": long},
    "collected.js": {"flags": ("--expose-gc",)},
    "asked.js": {},
    "warm.js": {"flags": ("--sparkplug", "--always-sparkplug", "--no-opt"),
                "tiers": {"baseline"}},
    "hot.js": {"tiers": {"turbofan"}, "inlined": True},
    "loop.js": {"tiers": {"turbofan"}},
    "invalidated.js": {"partial": True},
    "types.ts": {"flags": ("--experimental-strip-types",), "oldest": 22},
}
MAGLEV = {"hot.js": {"flags": ("--maglev", "--no-turbofan"), "tiers": {"maglev"}, "inlined": True},
          "warm.js": {"flags": ("--maglev", "--no-turbofan")}}
MAGLEV_OLDEST = 24  # it is on by default
NO_MAGLEV_OLDEST = 20  # the flag that switches it off

# V8's own order is: the function's `name` property, the name in the source, a name that it infers.
# The property, which a program may set to anything, is not read: names that are made from computed
# keys are no names of the source.
UNNAMED = ("<static_initializer>", "<instance_members_initializer>", "eval")


def comparable(frames):
    """Frames of scripts only: of builtins optimized code keeps no frame."""
    return [frame for frame in frames if frame.get("file") or frame.get("line")]


class Blocked(JavascriptCase):
    frames = {}  # compared, by Node

    @classmethod
    def tearDownClass(cls):
        print("frames compared, function, file, line and column: %s" % cls.frames)

    def compare(self, program, found, expected, omitted):
        found, expected = comparable(found), comparable(expected)
        self.assertEqual(len(found) + omitted, len(expected), program)
        self.assertGreater(len(found), 0, program)
        for ours, theirs in zip(found, expected):
            what = "%s: %s instead of %s" % (program, ours, theirs)
            name = ours["function"] if ours["function"] != "<anonymous>" else None
            named = theirs.get("function") or ""
            if named not in UNNAMED and not named.startswith("["):
                self.assertEqual(name, named or None, what)
            if theirs.get("file"):  # of an eval V8 gives no file
                self.assertEqual(ours.get("file"), theirs["file"], what)
            # Maglev's own table is stale in the frame that it replaced on the stack.
            if "line" not in ours and ours["tier"] == "maglev" and not ours.get("inlined"):
                continue
            self.assertEqual((ours.get("line"), ours.get("column")),
                             (theirs["line"], theirs["column"]), what)

    def check(self, node, program, flags=(), tiers=frozenset(), inlined=False, partial=False, oldest=0,
              make=None):
        if node.major < oldest:
            return
        if make:
            program = os.path.join(self.folder, program)
            with open(program, "w", encoding="utf-8") as file:
                file.write(make(os.path.join(os.path.realpath(PROGRAMS), "stuck.js")))
        if node.major >= NO_MAGLEV_OLDEST and tiers & {"baseline", "turbofan"}:
            flags = (*flags, "--no-maglev")
        expected = after_stuck(self.sites(node, program, flags))
        process, event = self.stuck(node, program, flags)
        frames = event["javascript"]
        Blocked.frames[str(node)] = Blocked.frames.get(str(node), 0) + len(comparable(frames))
        self.assertEqual(frames[0].get("file"), "node:fs", (event.get("note"), frames[:9]))
        self.assertFalse([frame for frame in frames if frame.get("unreadable")], program)
        if partial:
            self.compare_partly(program, after_stuck(frames), expected)
        else:
            self.compare(program, after_stuck(frames), expected,
                         event.get("javascript_omitted", 0))
        met = {frame.get("tier") for frame in frames}
        self.assertLessEqual(tiers, met, program)
        if inlined:
            self.assertTrue(any(frame.get("inlined") for frame in frames), program)
        process.kill()

    def compare_partly(self, program, found, expected):
        """Of invalidated code the functions that were inlined are lost, and the line of the one that
        is left: but nothing is wrong."""
        position = 0
        expected = comparable(expected)
        for ours in comparable(found):
            name = ours["function"] if ours["function"] != "<anonymous>" else None
            while expected[position]["function"] != name:
                position += 1
                self.assertLess(position, len(expected), "%s: no such frame: %s" % (program, ours))
            theirs = expected[position]
            position += 1
            self.assertEqual(ours.get("file"), theirs.get("file"))
            if "line" in ours:
                self.assertEqual((ours["line"], ours["column"]), (theirs["line"], theirs["column"]),
                                 "%s: %s instead of %s" % (program, ours, theirs))


def add_tests():
    def add(node, program, options, suffix=""):
        name = "test_%s%s_on_node_%d" % (program.split(".")[0], suffix, node.major)
        setattr(Blocked, name, functools.partialmethod(Blocked.check, node, program, **options))
    for node in NODES:
        for program, options in SCENARIOS.items():
            if node.major >= options.get("oldest", 0):
                add(node, program, options)
        for program, options in MAGLEV.items():
            if node.major >= MAGLEV_OLDEST:
                add(node, program, options, "_maglev")


add_tests()

if __name__ == "__main__":
    sys.exit(unittest.main())
