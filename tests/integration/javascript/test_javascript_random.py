#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Random programs, most of them hot: frame by frame what V8 says of the same stack in another run.
PIPESHIM_TEST_PROGRAMS=N takes N programs for each Node, PIPESHIM_TEST_SEED=N begins with another."""
import functools
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from javascript_case import NODES, PROGRAMS, JavascriptCase, after_stuck  # noqa: E402
from javascript_programs import Program  # noqa: E402

COUNT = int(os.environ.get("PIPESHIM_TEST_PROGRAMS", "3"))
SEED = int(os.environ.get("PIPESHIM_TEST_SEED", "1"))
FLAGS = ((), ("--no-opt",), ("--always-sparkplug",), ("--maglev", "--no-turbofan"))
FLAGS_OLDEST = (0, 0, 0, 24)


def of_scripts(frames):
    """Of builtins that are inlined optimized code keeps no frame."""
    return [frame for frame in frames if frame.get("file") or frame.get("line")]


class Random(JavascriptCase):
    tiers = {}
    frames = lines = 0

    def check(self, node, seed, flags):
        path = os.path.join(self.folder, "random%d.js" % seed)
        with open(path, "w", encoding="utf-8") as file:
            file.write(Program(seed, os.path.join(os.path.realpath(PROGRAMS), "stuck.js")).text())
        expected = of_scripts(after_stuck(self.sites(node, path, flags)))
        process, event = self.stuck(node, path, flags)
        process.kill()
        process.wait()
        found = of_scripts(after_stuck(event["javascript"]))
        what = "seed %d, %s, %s: " % (seed, node, " ".join(flags))
        self.assertEqual([frame["function"] for frame in found],
                         [frame["function"] or "<anonymous>" for frame in expected], what)
        for ours, theirs in zip(found, expected):
            self.assertEqual(ours["file"], theirs["file"], what)
            Random.frames += 1
            Random.tiers[ours.get("tier")] = Random.tiers.get(ours.get("tier"), 0) + 1
            if "line" not in ours:
                continue
            Random.lines += 1
            self.assertEqual((ours["line"], ours["column"]), (theirs["line"], theirs["column"]),
                             "%s%s instead of %s" % (what, ours, theirs))
            self.assertNotIn("near", ours)  # it is blocked: what is said is certain
        # What is not certain may be left out, but not most of it.
        self.assertGreater(sum(1 for frame in found if "line" in frame), len(found) / 2, what)

    @classmethod
    def tearDownClass(cls):
        print("%d frames, %d with their line, none wrong; %s" % (cls.frames, cls.lines, cls.tiers))


def add_tests():
    for node in NODES:
        for seed in range(SEED, SEED + COUNT):
            which = seed % len(FLAGS)
            flags = FLAGS[which] if node.major >= FLAGS_OLDEST[which] else ()
            name = "test_program_%d_on_node_%d" % (seed, node.major)
            setattr(Random, name, functools.partialmethod(Random.check, node, seed, flags))


add_tests()

if __name__ == "__main__":
    sys.exit(unittest.main())
