#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The turns of a program's life under the library: each victim must do the same without it."""
import glob
import os
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from life_case import DEADLINE_S, VICTIM, Run, wait_until


class Life(unittest.TestCase):
    def run_victim(self, *arguments, **options):
        folder = tempfile.mkdtemp()
        os.chmod(folder, 0o777)
        self.addCleanup(subprocess.run, ["rm", "-rf", folder], check=True)
        run = Run(folder, *arguments, **options)
        self.addCleanup(run.close)
        return run

    def without(self, *arguments, **options):
        run = self.run_victim(*arguments, library=False, **options)
        run.wait_stuck()
        return run.drain()

    def same_and_reported(self, *arguments, **options):
        """The victim gets stuck, is reported while it is, and then does what it does without."""
        run = self.run_victim(*arguments, **options)
        blocked = run.wait_for("blocked")
        self.assertEqual(blocked[0]["class"], "pipe_write")
        self.assertEqual(blocked[0]["fd"], 1)
        result = run.drain()
        options = {k: v for k, v in options.items() if k in ("user", "program")}
        self.assertEqual(result, self.without(*arguments, **options))
        return run, blocked, result

    def stack_names(self, blocked):
        return [frame.get("symbol") for frame in blocked["stack"]]

    def test_plain(self):
        run, blocked, result = self.same_and_reported("plain")
        names = self.stack_names(blocked[0])
        self.assertLess(names.index("write_until_read"), names.index("main"))
        self.assertEqual(names[0], "write_until_read")  # a static function
        self.assertEqual(result[2], 7)
        self.assertEqual(run.events("unblocked")[0]["ref"], blocked[0]["seq"])

    def test_exits_are_prompt_while_a_thread_is_stuck(self):
        for how, status in (("exit", 11), ("_exit", 12), ("quick_exit", 13),
                            ("abort", -signal.SIGABRT)):
            with self.subTest(how):
                run = self.run_victim("exit", how)
                run.wait_for("blocked")
                run.process.send_signal(signal.SIGUSR1)
                self.assertEqual(run.process.wait(DEADLINE_S), status)
                if how in ("exit", "_exit"):
                    self.assertEqual(run.events("summary")[0]["sites"][0]["unreturned"], 1)

    def test_a_thousand_forks_while_reports_are_made(self):
        run = self.run_victim("fork-storm", "1000", PIPESHIM_THRESHOLD="1ms", PIPESHIM_REPEAT="0")
        run.wait_for("blocked")
        self.assertEqual(run.process.wait(DEADLINE_S), 0)
        self.assertEqual(run.process.stderr.read().decode(), "children 1000 failed 0\n")

    def test_children_by_other_calls(self):
        _, _, result = self.same_and_reported("children")
        self.assertEqual(result[1], "in _Fork child\n3 4 4\n")

    def test_a_forked_child_is_reported_as_itself(self):
        run = self.run_victim("fork-then-stuck")
        blocked = run.wait_for("blocked")
        _, errors, status = run.drain()
        child = int(errors.split()[1])
        self.assertEqual(status, 0)
        self.assertEqual({e["pid"] for e in blocked}, {child})
        self.assertEqual({e["pid"] for e in run.events("start")}, {child, run.process.pid})
        self.assertEqual([e["seq"] for e in run.events("start")], [1, 1])

    def test_exec_keeps_the_settings(self):
        run = self.run_victim("-c", "exec %s plain" % VICTIM, program="/bin/sh")
        blocked = run.wait_for("blocked")
        self.assertEqual(os.path.basename(blocked[0]["exe"]), "life")
        self.assertEqual(run.drain()[2], 7)

    def check_no_report_after(self, mode, word):
        run = self.run_victim(mode)
        run.wait_for("blocked")
        unblocked = run.wait_for("unblocked")
        # It is out of the write and in another, peaceful wait; its slot still says otherwise. Let
        # the watchdog look at that several times.
        path = wait_until(lambda: self.watchdog(run.process.pid), "watchdog")
        before = self.looks(path)
        wait_until(lambda: self.looks(path) >= before + 4, "looks of the watchdog")
        result = run.drain()
        self.assertIn(word, result[1])
        self.assertEqual(result[2], 0)
        self.assertEqual(len(run.events("blocked")), 1)
        self.assertEqual(len(unblocked), 1)

    def looks(self, comm):
        with open(comm.replace("comm", "status"), encoding="ascii") as status:
            return int(status.read().split("\nvoluntary_ctxt_switches:")[1].split()[0])

    def watchdog(self, pid):
        for path in glob.glob("/proc/%d/task/*/comm" % pid):
            with open(path, encoding="ascii") as comm:
                if comm.read() == "pipeshim\n":
                    return path
        return None

    def test_siglongjmp_out_of_a_stuck_write(self):
        self.check_no_report_after("longjmp", "jumped")

    def test_cancellation_of_a_stuck_write(self):
        self.check_no_report_after("cancel", "cancelled 1")

    @unittest.skipIf(os.geteuid() == 0 and os.path.exists("/proc/sys/user/max_user_namespaces") and
                     open("/proc/sys/user/max_user_namespaces").read().strip() == "0",
                     "no user namespaces here")
    def test_unshare_in_a_single_threaded_program(self):
        for extra in ((), ("after-block",)):
            with self.subTest(extra):
                _, _, result = self.same_and_reported("unshare", *extra)
                self.assertIn("unshare", result[1])

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_setuid_leaves_no_thread_behind(self):
        _, _, result = self.same_and_reported("setuid", log_fd=True)
        self.assertEqual(result[1].splitlines(), ["setuid 0", "Uid:\t65534\t65534\t65534\t65534"])

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_not_dumpable_and_not_root(self):
        run = self.run_victim("not-dumpable", user=65534)
        self.assertEqual(run.wait_for("blocked")[0]["class"], "pipe_write")
        self.assertEqual(run.drain()[1:], ("done\n", 7))

    def test_filter_that_kills_for_process_vm_readv(self):
        number = {"x86_64": "310", "aarch64": "270"}[os.uname().machine]
        for extra in ((), ("by-syscall",)):
            with self.subTest(extra):
                _, blocked, result = self.same_and_reported("seccomp", number, *extra)
                self.assertEqual(result[2], 7)
                self.assertIn("write_until_read", self.stack_names(blocked[0]))

    def test_filter_that_kills_for_openat(self):
        number = {"x86_64": "257", "aarch64": "56"}[os.uname().machine]
        run = self.run_victim("seccomp", number)
        self.assertIn("seccomp filter", run.wait_for("warning")[0]["message"])
        run.wait_stuck()
        self.assertEqual(run.drain()[1:], ("filter 0\ndone\n", 7))
        self.assertEqual(run.events("blocked"), [])

    def test_files_are_the_programs_own(self):
        _, _, result = self.same_and_reported("close-all")
        self.assertEqual(result[1], "eof 1 next fd 3\n")

    def test_the_first_call_is_a_threads(self):
        self.same_and_reported("thread-begins")

    def test_ten_thousand_threads(self):
        _, _, result = self.same_and_reported("many-threads")
        self.assertEqual(result[1], "threads 10000\n")

    def test_libc_still_knows_one_thread(self):
        _, _, result = self.same_and_reported("single-threaded")
        self.assertEqual(result[1], "quiet 1 single 1\n")

    def test_the_watchdog_thread(self):
        run = self.run_victim("plain")
        run.wait_for("blocked")
        status = wait_until(lambda: self.watchdog(run.process.pid), "watchdog")
        with open(status.replace("comm", "status"), encoding="ascii") as file:
            fields = dict(line.split(":\t", 1) for line in file)
        # All signals but those that cannot be blocked, SIGKILL (9) and SIGSTOP (19).
        self.assertEqual(int(fields["SigBlk"], 16), 2**64 - 1 - (1 << 8) - (1 << 18))
        self.assertEqual(sorted(os.listdir("/proc/%d/fd" % run.process.pid)), ["0", "1", "2"])
        run.drain()

    def test_signal_handlers_that_write_and_errno(self):
        _, _, result = self.same_and_reported("signals")
        self.assertEqual(result[1], "h" * 100 + " errno 1\n")

    def test_secure_execution_ignores_the_environment(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to make a setuid file")
        folder = tempfile.mkdtemp()
        os.chmod(folder, 0o755)
        self.addCleanup(subprocess.run, ["rm", "-rf", folder], check=True)
        copy = os.path.join(folder, "life")
        subprocess.run(["cp", VICTIM, copy], check=True)
        os.chmod(copy, 0o4755)
        # ld.so drops LD_PRELOAD with a slash in secure mode, and so the library is not even there.
        run = self.run_victim("plain", user=65534, program=copy)
        run.wait_stuck()
        self.assertEqual(run.drain()[1:], ("done\n", 7))
        self.assertEqual(run.events("start"), [])


if __name__ == "__main__":
    sys.exit(unittest.main())
