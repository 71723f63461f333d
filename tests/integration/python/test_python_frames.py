# SPDX-License-Identifier: MIT
"""Python frames read from another process equal what the program says of itself.

Runs every scenario of tests/victims/python_stacks.py with every Python from 3.8 on that is here.
"""
import functools
import json
import os
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pythons import OLDEST, find_pythons  # noqa: E402

BUILD = os.environ.get("PIPESHIM_BUILD", os.path.join(os.getcwd(), "build"))
TOOL = os.path.join(BUILD, "tests", "tools", "python_frames")
VICTIM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../victims", "python_stacks.py")
DEADLINE_S = 120
FILE_BYTES, FUNCTION_BYTES = 511, 191  # PYTHON_FILE_LIMIT, PYTHON_FUNCTION_LIMIT without the NUL
READ = 0 if os.uname().machine == "x86_64" else 63
REASONS = {
    "complete": "",
    "outer": "python: the thread is running, its innermost functions changed too fast to be read",
    "moving": "python: the thread is running, C stack only",
}
NEWEST = (3, 14)

BLOCKED_SCENARIOS = {  # name: the number of threads that report
    "blocked": 1,
    "threaded": 4,
    "bare_thread": 2,
    "asyncio_chain": 1,
    "asyncio_callback": 1,
    "generator": 1,
    "generator_send": 1,
    "generator_closed": 1,
    "decorator": 1,
    "extension_sorted": 1,
    "extension_partial": 1,
    "extension_json": 1,
    "extension_regex": 1,
    "extension_reduce": 1,
    "finalizer": 1,
    "constructor": 1,
    "specialised": 1,
    "closures": 1,
    "mutual_recursion": 1,
    "recursion": 1,
    "context_manager": 1,
    "exceptions": 1,
    "multiline_calls": 1,
    "long_function": 1,
    "class_body": 1,
    "import_module": 1,
    "alphabets": 1,
    "traced": 1,
    "profiled": 1,
    "many_threads_ending": 1,
}


class Victim:
    """A running scenario. Its stdin stays open until it is to end."""

    def __init__(self, python, scenario, options=()):
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
        environment.pop("LD_PRELOAD", None)
        self.process = subprocess.Popen(
            [python, *options, VICTIM, scenario],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment, start_new_session=True)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            os.killpg(self.pid, 9)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def reports(self, count):
        """The stacks that the program printed: {tid: [(line, file, function)]}."""
        stacks = {}
        while len(stacks) < count:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError("the victim ended: " + self.process.stderr.read().decode())
            report = json.loads(line)
            stacks[report["tid"]] = [tuple(frame) for frame in report["frames"]]
        return stacks

    def wait_until_blocked(self, tid):
        """Until the thread is inside read(0, ...)."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            with open("/proc/%d/syscall" % tid, encoding="ascii") as file:
                words = file.read().split()
            if words[:2] == [str(READ), "0x0"]:
                return
            time.sleep(0.002)
        raise AssertionError("thread %d did not block: %s" % (tid, words))


def read_frames(pid, tid, *options):
    """(feature, [(completeness, omitted, reason, frames)])"""
    answer = subprocess.run([TOOL, str(pid), str(tid), *options], capture_output=True, check=True)
    lines = answer.stdout.decode("utf-8").splitlines()  # strict: the tool's text is valid UTF-8
    feature, readings, reason = lines[0].split(" ", 1)[1], [], ""
    for line in lines[1:]:
        if line.startswith("reason "):
            reason = line[7:]
        elif line.startswith("stack "):
            _, completeness, omitted = line.split()
            readings.append((completeness, omitted, reason, []))
        else:
            number, file, function = line.split("\t")
            readings[-1][3].append((int(number), file, function))
    return feature, readings


def as_utf8(text):
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def expected_frames(frames):
    return [(line or 0, as_utf8(file), as_utf8(function)) for line, file, function in frames]


def with_each_python(test):
    """Calls test(self, path, version) as a subtest for every Python."""

    @functools.wraps(test)
    def run(self):
        for path, version in self.pythons:
            with self.subTest(python=path, version=version):
                test(self, path, tuple(map(int, version.split("."))))

    return run


class PythonFrames(unittest.TestCase):
    maxDiff = None
    pythons = find_pythons()

    @with_each_python
    def test_frames_equal_extract_stack(self, path, version):
        for scenario, threads in BLOCKED_SCENARIOS.items():
            with self.subTest(scenario=scenario), Victim(path, scenario) as victim:
                for tid, frames in victim.reports(threads).items():
                    victim.wait_until_blocked(tid)
                    feature, readings = read_frames(victim.pid, tid, "--limit=2000")
                    self.assertEqual(readings, [("complete", "0", "", expected_frames(frames))])
                    self.assertIn("%d.%d" % version[:2], feature)

    @with_each_python
    def test_a_forked_child_is_read_by_its_own_id(self, path, _):
        for scenario in "forked", "forked_from_thread":
            with self.subTest(scenario=scenario), Victim(path, scenario) as victim:
                (tid, frames), = victim.reports(1).items()
                victim.wait_until_blocked(tid)
                _, readings = read_frames(tid, tid)
                self.assertEqual(readings, [("complete", "0", "", expected_frames(frames))])

    @with_each_python
    def test_beyond_the_limit_the_innermost_frames_and_a_count(self, path, _):
        with Victim(path, "recursion") as victim:
            (tid, frames), = victim.reports(1).items()
            self.assertGreater(len(frames), 900)
            victim.wait_until_blocked(tid)
            _, readings = read_frames(victim.pid, tid, "--limit=5")
            self.assertEqual(readings, [("complete", str(len(frames) - 5), "",
                                         expected_frames(frames[:5]))])

    @with_each_python
    def test_long_names_are_cut_and_stay_valid(self, path, _):
        with Victim(path, "long_names") as victim:
            (tid, frames), = victim.reports(1).items()
            victim.wait_until_blocked(tid)
            _, readings = read_frames(victim.pid, tid)
            completeness, _, _, got = readings[0]
            self.assertEqual((completeness, len(got)), ("complete", len(frames)))
            for (line, file, function), (want_line, want_file, want_function) in zip(got, frames):
                self.assertEqual(line, want_line)
                self.assert_cut(file, want_file, FILE_BYTES, str.endswith, lambda t: t[1:])
                self.assert_cut(function, want_function, FUNCTION_BYTES, str.startswith,
                                lambda t: t[:-1])

    def assert_cut(self, got, want, limit, matches, without_ellipsis):
        if len(want.encode()) <= limit:
            self.assertEqual(got, want)
            return
        self.assertIn("\u2026", got)
        self.assertTrue(matches(want, without_ellipsis(got)), (got, want))
        self.assertLessEqual(len(got.encode()), limit)
        self.assertGreater(len(got.encode()), limit - 4)  # as much as fits

    @with_each_python
    def test_perf_trampolines_do_not_disturb(self, path, version):
        if version < (3, 12):
            return  # -X perf is new in 3.12
        with Victim(path, "asyncio_chain", ["-X", "perf"]) as victim:
            self.addCleanup(os.unlink, "/tmp/perf-%d.map" % victim.pid)
            (tid, frames), = victim.reports(1).items()
            victim.wait_until_blocked(tid)
            _, readings = read_frames(victim.pid, tid)
            self.assertEqual(readings, [("complete", "0", "", expected_frames(frames))])

    @with_each_python
    def test_a_subinterpreter_is_named_and_left_out(self, path, _):
        with Victim(path, "subinterpreter") as victim:
            tid, = victim.reports(1)
            victim.wait_until_blocked(tid)
            _, readings = read_frames(victim.pid, tid)
            self.assertEqual(readings, [("subinterpreter", "0",
                                         "python: subinterpreter, C stack only", [])])

    def test_a_process_without_python_has_no_frames(self):
        with subprocess.Popen(["sleep", "60"]) as process:
            try:
                self.assertEqual(read_frames(process.pid, process.pid), ("", [("none", "0", "", [])]))
            finally:
                process.kill()

    @with_each_python
    def test_an_unknown_thread_has_no_frames(self, path, _):
        with Victim(path, "threaded") as victim:
            for tid in victim.reports(4):
                victim.wait_until_blocked(tid)
            _, readings = read_frames(victim.pid, 1)
            self.assertEqual(readings, [("none", "0", "", [])])

    @with_each_python
    def test_a_running_thread_is_read(self, path, _):
        stacks = self.read_hog(path, "hog", 1000)
        self.assertGreater(len(stacks["complete"]), 500)
        for frames in stacks["complete"] + stacks["outer"]:
            self.assert_possible_hog_stack(frames, ["hog", "<module>"])

    @with_each_python
    def test_a_thread_that_only_calls_is_read_right_or_left_out(self, path, _):
        for scenario in "hot_hog", "hotter_hog":
            stacks = self.read_hog(path, scenario, 500)
            for frames in stacks["complete"] + stacks["outer"]:
                self.assert_possible_hog_stack(frames, ["hog", scenario, "<module>"])
            self.assertTrue(stacks["complete"] + stacks["outer"])  # the outer ones stand still

    @with_each_python
    def test_generators_and_coroutines_of_a_running_thread(self, path, _):
        callers = {"next_number": {"numbers"}, "numbers": {"coroutine", "take"}, "coroutine": {"run"},
                   "take": {"alternate"}, "run": {"alternate"}, "alternate": {"generator_hog"},
                   "generator_hog": {"<module>"}}
        with open(VICTIM, encoding="utf-8") as file:
            source = file.read().splitlines()
        stacks = self.read_hog(path, "generator_hog", 500)
        for frames in stacks["complete"] + stacks["outer"]:
            names = [function.rsplit(".", 1)[-1] for _, _, function in frames]
            self.assertEqual(names[-1], "<module>")
            for callee, caller, (line, _, _) in zip(names, names[1:], frames[1:]):
                self.assertIn(caller, callers[callee], names)
                if caller != "<module>":
                    self.assertIn(callee + "(", source[line - 1], names)
        self.assertTrue(stacks["complete"] + stacks["outer"])

    def read_hog(self, path, scenario, times):
        with Victim(path, scenario) as victim:
            tid, = victim.reports(1)
            _, readings = read_frames(victim.pid, tid, "--running", "--times=%d" % times)
        self.assertEqual(len(readings), times)
        stacks = {"complete": [], "outer": [], "moving": []}
        for completeness, omitted, reason, frames in readings:
            self.assertEqual(omitted, "0")
            self.assertEqual(reason, REASONS[completeness])
            self.assertEqual(bool(frames), completeness != "moving")
            stacks[completeness].append(frames)
        return stacks

    def assert_possible_hog_stack(self, frames, start):
        """Every function is one that its caller calls, and calls at the line it is at."""
        with open(VICTIM, encoding="utf-8") as file:
            source = file.read().splitlines()
        stack = [(function.rsplit(".", 1)[-1], line) for line, _, function in frames[::-1]]
        names = [name for name, _ in stack]
        # line_one calls add_one only, line_two add_two only.
        self.assertIn(names, [([*start[::-1], "loop", "line_" + number, "add_" + number, "spin"])[
            :len(names)] for number in ("one", "two")])
        for (name, line), callee in zip(stack, names[1:]):
            if name != "<module>":
                self.assertIn(callee + "(", source[line - 1], stack)
        for name, line in stack[start[::-1].index("hog") + 2:]:  # all of four lines at most
            self.assertIn("    def %s(number):" % name, source[line - 4:line], stack)


if __name__ == "__main__":
    versions = [version for _, version in PythonFrames.pythons]
    minors = {tuple(map(int, version.split(".")[:2])) for version in versions}
    missing = ["%d.%d" % (3, minor) for minor in range(OLDEST[1], NEWEST[1] + 1)
               if (3, minor) not in minors]
    print("tested with %d Pythons: %s" % (len(versions), " ".join(versions)))
    print("left out: not installed here: %d versions: %s" % (len(missing), " ".join(missing)))
    if not versions:
        sys.exit("no Python 3.8 or later was found: nothing was tested")
    unittest.main()
