#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every way to write, stuck on a full pipe or socketpair: named while it lasts, ended when it ends,
and the program none the wiser."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import PipeshimCase, symbols_of, victim  # noqa: E402

STDOUT, STDERR = 1, 2

# The victim's name of the call: what the kernel call is, which fd, what the report calls it.
INTERPOSED = {
    "write": "write", "writev": "writev", "pwritev2": "pwritev2", "pwritev64v2": "pwritev2",
    "sendfile": "sendfile", "sendfile64": "sendfile", "splice": "splice", "tee": "tee",
    "vmsplice": "vmsplice", "dprintf": "write", "vdprintf": "write", "__dprintf_chk": "write",
    "__vdprintf_chk": "write",
}
ON_SOCKETS = {"write": "write", "writev": "writev", "send": "sendto", "sendto": "sendto",
              "sendmsg": "sendmsg", "sendmmsg": "sendmmsg"}
ON_FULL_STDOUT = ("puts", "fwrite", "putc_unlocked", "__overflow", "fwprintf", "fflush", "exit")
ON_FULL_STDERR = ("fprintf", "vfprintf", "__fprintf_chk", "fputs", "fputc", "perror", "warn",
                  "warnx", "err", "error", "psignal")
ENDS_BY_ITSELF = ("exit", "err")


class BlockedCalls(PipeshimCase):
    def check(self, program, argument, call, kernel_call, fd, **options):
        run = self.start(victim(program), argument, **options)
        blocked = run.wait_for("blocked")
        self.assertEqual(run.events("unblocked"), [])
        run.begin_drain()
        if argument not in ENDS_BY_ITSELF:
            run.wait_for("unblocked")
        result = run.finish()
        self.assertEqual(result, self.result_without(victim(program), argument, **options))
        self.assertEqual(result[2], 7)

        event = blocked[0]
        self.assertEqual((event["call"], event["syscall"]), (call, kernel_call))
        self.assertEqual((event["class"], event["fd"]), ("pipe_write", fd))
        self.assertEqual((event["pid"], event["tid"]), (run.process.pid, run.process.pid))
        self.assertGreaterEqual(event["blocked_ms"], 50)
        self.assertIn("pipe", event)
        if not options.get("sockets"):
            self.assertIs(event["pipe"]["full"], True)
        names = symbols_of(event)
        if program == "blocked_calls":
            self.assertIn("stuck_here", names)
        else:
            self.assertTrue([n for n in names if n and "stuck_here" in n], names)
        self.assertIn("main", names)
        # After the flush of exit() there is no turn at which the end could still be told.
        told = [e["ref"] for e in run.events("unblocked")]
        self.assertIn(told, ([event["seq"]],) if argument != "exit" else ([event["seq"]], []))
        self.assertEqual(len(run.events("blocked")), 1)

    def test_interposed_calls_on_a_pipe(self):
        for call, kernel_call in INTERPOSED.items():
            with self.subTest(call):
                self.check("blocked_calls", call, call, kernel_call, STDOUT)

    def test_interposed_calls_on_a_socketpair(self):
        for call, kernel_call in ON_SOCKETS.items():
            with self.subTest(call):
                self.check("blocked_calls", call, call, kernel_call, STDOUT, sockets=True)

    def test_stdio_on_stdout(self):
        for call in ON_FULL_STDOUT:
            with self.subTest(call):
                self.check("blocked_calls", call, call, "write", STDOUT)

    def test_stdio_on_stderr(self):
        for call in ON_FULL_STDERR:
            with self.subTest(call):
                self.check("blocked_calls", call, call, "write", STDERR)

    def test_stdio_without_the_door(self):
        """What libc's own tables do not show, the sampler sees."""
        for call in ("fprintf", "perror"):
            with self.subTest(call):
                self.check("blocked_calls", call, call, "write", STDERR,
                           settings={"PIPESHIM_STDIO": "off"})

    def test_streams(self):
        for argument, call, kernel_call, fd in (("cout", "fflush", "write", STDOUT),
                                                ("cerr", "fwrite", "write", STDERR),
                                                ("unsynced", "write", "write", STDOUT)):
            with self.subTest(argument):
                self.check("blocked_stream", argument, call, kernel_call, fd)

    def test_calls_that_pass_no_wrapper(self):
        for argument, call in (("syscall", "syscall"), ("instruction", "write")):
            with self.subTest(argument):
                self.check("blocked_calls", argument, call, "write", STDOUT)

    def test_an_end_just_before_the_exit(self):
        """The watchdog has no time to look: the thread that exits says that its call is over."""
        for argument, settings in (("write", {}), ("syscall", {}), ("instruction", {}),
                                   ("fprintf", {"PIPESHIM_STDIO": "off"})):
            with self.subTest(argument):
                run = self.start(victim("blocked_calls"), argument, settings=settings)
                blocked = run.wait_for("blocked")[0]
                self.assertEqual(run.drain()[2], 7)
                self.assertEqual([e["ref"] for e in run.events("unblocked")], [blocked["seq"]])

    def test_threads_behind_the_lock_of_a_file(self):
        run = self.start(victim("blocked_calls"), "lock")
        events = run.wait_for("blocked", 3)
        result = run.drain()
        self.assertEqual(result, self.result_without(victim("blocked_calls"), "lock"))
        writers = [e for e in events if e["class"] == "pipe_write"]
        waiters = [e for e in events if e["class"] == "lock"]
        self.assertEqual((len(writers), len(waiters)), (1, 2))
        self.assertEqual({e["behind_tid"] for e in waiters}, {writers[0]["tid"]})
        self.assertEqual({e["behind_ref"] for e in waiters}, {writers[0]["seq"]})
        self.assertEqual(len({e["tid"] for e in events}), 3)
        for event in events:
            self.assertIn("print_line", symbols_of(event))


if __name__ == "__main__":
    sys.exit(unittest.main())
