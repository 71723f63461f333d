#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Programs that put themselves under a seccomp filter, or are started under one: they do what they
do without the library, and are watched where the filter leaves that."""
import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import DEADLINE_S, LIBRARY, Run, victim, watchdog_folder

VICTIM = victim("sandbox")
HOWS = ("prctl", "raw-prctl", "seccomp", "seccomp-tsync", "strict", "raw-strict", "seccomp-strict")
IS_ROOT = os.geteuid() == 0


class Sandbox(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        os.chmod(self.folder, 0o777)
        self.addCleanup(subprocess.run, ["rm", "-rf", self.folder], check=True)

    def result(self, *arguments, before=(), **environment):
        """(exit status, stderr), with the variables given and none else of ours."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        done = subprocess.run([*before, VICTIM, *arguments], env={**clean, **environment},
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
        return done.returncode, done.stderr.decode()

    def library(self, **more):
        return {"LD_PRELOAD": LIBRARY, "PIPESHIM_LOG": os.path.join(self.folder, "log.%p"), **more}

    def start(self, *arguments, before=(), library=True, settings=None, **options):
        folder = tempfile.mkdtemp(dir=self.folder)
        os.chmod(folder, 0o777)
        run = Run(folder, [*before, VICTIM, *arguments], library=library, settings=settings,
                  **options)
        self.addCleanup(run.close)
        return run

    def finish(self, run):
        """(stderr, exit status)"""
        run.begin_drain()
        _, said, status = run.finish()
        return said.decode(), status

    def check_lives(self, who, **settings):
        for how in HOWS:
            for before in ("none", "calls"):
                with self.subTest(who=who, how=how, before=before, **settings):
                    mode = ("lives", who, how, before)
                    self.assertEqual(self.result(*mode, **self.library(**settings)),
                                     self.result(*mode))

    def test_a_process_lives_under_its_filter(self):
        self.check_lives("self")

    def test_a_forked_child_lives_under_its_filter(self):
        self.check_lives("fork")

    def test_a_forked_child_that_is_watched_lives_under_its_filter(self):
        self.check_lives("fork-calls")

    def test_a_thread_lives_under_its_filter(self):
        self.check_lives("thread")

    def test_a_vfork_child_lives_under_its_filter(self):
        self.check_lives("vfork")

    def test_a_filter_for_threads_that_are_in_calls_of_ours(self):
        """At one of 20 starts a thread is between two of them when the filter becomes its own."""
        for _ in range(100):
            self.assertEqual(self.result("shared", "seccomp-tsync", **self.library()), (6, ""))

    def test_who_may_only_change_descriptors(self):
        """An open for writing, a pipe, stdin and the log replaced: the library asks nothing then,
        whether it has begun or not."""
        for how in ("prctl", "raw-prctl", "seccomp", "seccomp-tsync"):
            for before in ("none", "calls"):
                for log in ({}, {"PIPESHIM_LOG": "stderr"}):
                    with self.subTest(how=how, before=before, **log):
                        status, _ = self.result("changes", how, before, **self.library(**log))
                        self.assertEqual(status, 6)

    def test_drained_ones_live_under_their_filter(self):
        for mode in ("full", "behind"):
            for who in ("self", "fork", "fork-calls", "thread"):
                self.check_lives(who, PIPESHIM_DRAIN="all", PIPESHIM_DRAIN_MODE=mode)

    def check_refused(self, **options):
        without = self.start("asks", library=False, **options)
        without.wait_stuck()
        run = self.start("asks", **options)
        blocked = run.wait_for("blocked")[0]
        self.assertIn("write_until_read", [frame.get("symbol") for frame in blocked["stack"]])
        said, status = self.finish(run)
        self.assertEqual((said, status), self.finish(without))
        self.assertIn("mode 0", said)
        self.assertEqual(run.events("warning"), [])

    def test_what_the_kernel_refuses_changes_nothing(self):
        self.check_refused()

    @unittest.skipUnless(IS_ROOT, "needs root to become somebody without rights")
    def test_a_filter_without_the_right_to_it_changes_nothing(self):
        self.check_refused(user=65534)

    def test_a_stuck_thread_is_watched_on_beside_refused_requests(self):
        run = self.start("asks-beside")
        blocked = run.wait_for("blocked")
        run.process.stdin.write(b"x")
        run.process.stdin.flush()
        run.begin_drain()
        self.assertEqual(run.finish()[2], 7)
        self.assertEqual(run.wait_for("unblocked")[0]["ref"], blocked[0]["seq"])
        self.assertEqual(run.events("warning"), [])

    def test_a_stuck_thread_is_watched_on_beside_a_filter_that_allows_all(self):
        for how in ("prctl", "raw-prctl", "seccomp"):
            with self.subTest(how):
                run = self.start("stuck", "all", how)
                blocked = run.wait_for("blocked")[0]
                self.assertTrue(blocked["pipe"]["full"])
                self.assertEqual(self.finish(run), ("installed 0 errno 0\n", 7))
                self.assertEqual(run.events("warning"), [])

    def test_a_filter_that_looks_at_arguments(self):
        """Reading is allowed, but the log could not be opened: that is found out before."""
        run = self.start("stuck", "read-only")
        self.assertIn("seccomp filter", run.wait_for("warning")[0]["message"])
        run.wait_stuck()
        self.assertEqual(self.finish(run), ("installed 0 errno 0\n", 7))
        self.assertEqual(run.events("blocked"), [])

    def test_a_filter_that_looks_at_other_arguments(self):
        """It forbids some threads and processes, but not the watchdog."""
        run = self.start("stuck", "no-namespaces")
        run.wait_for("blocked")
        self.assertEqual(self.finish(run), ("installed 0 errno 0\n", 7))
        self.assertEqual(run.events("warning"), [])

    def check_launched(self, kind, groups, program=(VICTIM, "plain")):
        launch = ("launches", kind, str(groups), *program)
        without = self.result(*launch)
        self.assertEqual(without, (7, "alive\n"))
        preload = {k: v for k, v in self.library().items() if k != "LD_PRELOAD"}
        self.assertEqual(self.result(*launch, LAUNCH_PRELOAD=LIBRARY, **preload), without)
        self.assertEqual(self.result(*launch, LAUNCH_PRELOAD=LIBRARY, **self.library()), without)
        # By this the library begins with the process, not at its first call.
        early = self.library(PIPESHIM_SUMMARY="always")
        self.assertEqual(self.result(*launch, LAUNCH_PRELOAD=LIBRARY, **early), without)

    def test_a_launchers_list_of_what_a_plain_program_calls(self):
        self.check_launched("plain", 0)

    @unittest.skipUnless(IS_ROOT, "needs root for another root")
    def test_a_launchers_filter_that_nothing_tells_of_any_more(self):
        """Behind chroot() there is no /proc: the filter must have been seen before."""
        empty = os.path.join(self.folder, "empty")
        os.mkdir(empty)
        self.check_launched("plain", 0, (victim("late_start"), "chroot", empty))

    def test_a_launchers_list_of_what_nobody_may_call(self):
        self.check_launched("debug", 0)

    @unittest.skipUnless(IS_ROOT, "needs root to have many groups")
    def test_a_launchers_filter_behind_any_number_of_groups(self):
        for groups in (2000, 65536):
            for kind in ("plain", "debug"):
                with self.subTest(kind=kind, groups=groups):
                    self.check_launched(kind, groups)

    def launched_and_stuck(self, before=(), **settings):
        run = self.start("launches", "debug", "0", VICTIM, "waits", before=before,
                         settings={"LAUNCH_PRELOAD": LIBRARY, "LD_PRELOAD": "", **settings})
        return run

    def test_a_launchers_filter_that_the_user_trusts(self):
        run = self.launched_and_stuck(PIPESHIM_SECCOMP="trust")
        blocked = run.wait_for("blocked")[0]
        self.assertIn("write_until_read", [frame.get("symbol") for frame in blocked["stack"]])
        self.assertEqual(self.finish(run)[1], 7)

    def test_a_launchers_filter_that_nobody_knows(self):
        run = self.launched_and_stuck()
        run.wait_stuck()
        self.assertIsNone(watchdog_folder(run.process.pid))
        self.assertEqual(self.finish(run)[1], 7)
        self.assertEqual(run.events(), [])

    def tool_under_a_filter(self, *arguments, before=(), **environment):
        tool = os.path.join(os.path.dirname(LIBRARY), "pipeshim")
        done = subprocess.run([*before, VICTIM, "launches", "debug", "0", tool, *arguments],
                              env={**os.environ, **environment}, capture_output=True, text=True,
                              timeout=DEADLINE_S, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_the_tool_says_what_the_library_cannot(self):
        """Under a filter that nobody knows, in one line; not where it is trusted, or a container's."""
        says = "a seccomp filter is in force that is not a container engine's"
        run = ("run", "--", "/bin/sh", "-c", "exit 3")
        self.assertEqual(self.tool_under_a_filter(*run)[0], 3)
        self.assertEqual(self.tool_under_a_filter(*run)[1].count(says), 1)
        for setting in ("trust", "off"):
            self.assertNotIn(says, self.tool_under_a_filter(*run, PIPESHIM_SECCOMP=setting)[1])
        self.assertIn("fail  " + says, self.tool_under_a_filter("doctor")[1])
        self.assertNotIn(says, self.tool_under_a_filter("doctor", PIPESHIM_SECCOMP="trust")[1])

    @unittest.skipUnless(IS_ROOT, "needs root to make a namespace of processes")
    def test_a_containers_filter(self):
        container = ("unshare", "--pid", "--fork", "--mount-proc")
        run = self.launched_and_stuck(before=container, container="test")
        self.assertEqual(run.wait_for("blocked")[0]["pid"], 1)
        self.assertEqual(self.finish(run)[1], 7)
        # There the first process, a shell, has no filter: so it is not the container's.
        shell = (*container, "sh", "-c", '"$@"; exit $?', "sh")
        launched = self.launched_and_stuck(before=shell, container="test")
        self.assertEqual(self.finish(launched)[1], 7)
        self.assertEqual(launched.events(), [])

    def test_each_call_of_the_library_is_asked_for(self):
        """What the watchdog and the log call, and what a claim does, stands in seccomp.c."""
        top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shim")
        files = [path for room in ("base", "process", "slots", "kernel", "explain", "graph",
                                   "report", "watch")
                 for path in glob.glob(os.path.join(top, room, "**/*.[ch]"), recursive=True)]
        files.append(os.path.join(top, "doors/claim.c"))

        def numbers(pattern, path):
            with open(path, encoding="utf-8") as file:
                return set(re.findall(pattern, file.read()))

        asked_for = numbers(r"SYS_(\w+)", os.path.join(top, "watch/seccomp.c"))
        called = set().union(*(numbers(r"raw_syscall\(\s*SYS_(\w+)", path) for path in files))
        self.assertIn("openat", called)
        # Without close_range, and where no filter is known: watch/thread.c.
        # And where the log is, once, before the program begins: report/log_path.c. The others only
        # in the process of PIPESHIM_ACTION=exec, which is not made under a filter that forbids such;
        # PIPESHIM_ACTION=drain changes no socket under any.
        self.assertEqual(called - asked_for, {"unshare", "getcwd", "pipe2", "execve", "setsockopt"})

    def test_unshare_by_number_in_a_process_with_one_thread(self):
        self.assertEqual(self.result("unshares", **self.library()), self.result("unshares"))


if __name__ == "__main__":
    sys.exit(unittest.main())
