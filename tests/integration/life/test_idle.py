#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The watchdog of an idle process sleeps for long, and is woken by all that must not wait for it."""
import ctypes
import os
import re
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import (BUILD, DEADLINE_S, LIBRARY, PipeshimCase, read_text, victim,
                           wait_until, watchdog_folder)

FUTEX_WAITV, EINVAL = 449, 22
FUTEX, FUTEX_WAKE = 98 if os.uname().machine == "aarch64" else 202, 1
LONG_S = 5  # longer than `pipeshim set` waits for an answer, and than any other sleep


def has_long_sleeps():
    """Linux 5.16, and no filter that came from outside, as a container's."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(FUTEX_WAITV, None, 0, 0, None, 0)
    return (result == -1 and ctypes.get_errno() == EINVAL
            and "\nSeccomp:\t0\n" in read_text("/proc/self/status"))


def end_of_sleep(pid):
    """When the long sleep of its watchdog ends (CLOCK_MONOTONIC); 0: it is not in one."""
    folder = watchdog_folder(pid)
    call = read_text(folder + "/syscall").split() if folder else []
    if len(call) < 5 or call[0] != str(FUTEX_WAITV):
        return 0
    with open("/proc/%d/mem" % pid, "rb") as memory:
        memory.seek(int(call[4], 16))
        seconds, nanoseconds = struct.unpack("qq", memory.read(16))
    return seconds + nanoseconds / 1e9


def left_of_sleep(pid):
    return end_of_sleep(pid) - time.monotonic()


@unittest.skipUnless(has_long_sleeps(), "needs futex_waitv(2), Linux 5.16, and no seccomp filter")
class Idle(PipeshimCase):
    def idle(self, how, then, **settings):
        run = self.start(victim("idle"), how, then, settings=settings)
        wait_until(lambda: watchdog_folder(run.process.pid), "watchdog")
        return run

    def wait_for_long_sleep(self, run):
        wait_until(lambda: left_of_sleep(run.process.pid) > LONG_S, "long sleep")

    def go_on(self, run):
        run.process.stdin.write(b"x")
        run.process.stdin.flush()

    def test_set_wakes_it(self):
        run = self.idle("libc", "write")
        took = iter(range(20, 1000))

        def is_answered_before_the_end():
            """Not where this test itself got no CPU for so long."""
            self.wait_for_long_sleep(run)
            end = end_of_sleep(run.process.pid)
            done = subprocess.run([BUILD + "/pipeshim", "set", str(run.process.pid),
                                   "threshold=%dms" % next(took)], capture_output=True, text=True,
                                  timeout=DEADLINE_S)
            return time.monotonic() < end and done.returncode == 0 and "threshold" in \
                done.stdout.lower()
        wait_until(is_answered_before_the_end, "answer of a watchdog that sleeps")

    def test_who_wakes_it_without_need(self):
        """Whoever may read the library's file may wake all who sleep on it: they do not listen each
        time, or a neighbour could keep the watchdogs of all users busy."""
        run = self.idle("libc", "write")
        wait_until(lambda: left_of_sleep(run.process.pid) > 1, "long sleep")
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        with open(LIBRARY, "rb") as file:
            page = libc.mmap(None, ctypes.c_size_t(4096), 1, 1, file.fileno(), ctypes.c_long(0))
        word = ctypes.c_void_p(page + 4 * (run.process.pid % 1024))

        def wakes():
            return int(re.search(r"^voluntary_ctxt_switches:\t(\d+)", read_text(
                watchdog_folder(run.process.pid) + "/status"), re.M)[1])
        before, begun, woken = wakes(), time.monotonic(), 0
        for _ in range(3000):
            woken += libc.syscall(FUTEX, word, FUTEX_WAKE, 1000, None, None, 0)
            time.sleep(0.001)
        self.assertGreater(woken, 0)
        # Each wake-up is one, and a lock or two that it may wait for.
        self.assertLess(wakes() - before, 20 + 4 * (time.monotonic() - begun))

    def test_a_call_wakes_it(self):
        """The write that gets stuck is told before the sleep would have ended."""
        def is_told_before_the_end():
            run = self.idle("libc", "write", PIPESHIM_THRESHOLD="50ms")
            self.wait_for_long_sleep(run)
            end = end_of_sleep(run.process.pid)
            self.go_on(run)
            event = run.wait_for("blocked")[0]
            self.assertEqual(event["call"], "write")
            self.assertLess(50, event["blocked_ms"])
            in_time = time.monotonic() < end
            run.drain()
            return in_time
        wait_until(is_told_before_the_end, "report before the end of the sleep")

    def test_the_end_of_the_only_thread_wakes_it(self):
        def is_gone_before_the_end():
            run = self.idle("libc", "exit")
            self.wait_for_long_sleep(run)
            end = end_of_sleep(run.process.pid)
            self.go_on(run)
            self.assertEqual(run.process.wait(DEADLINE_S), 6)
            return time.monotonic() < end
        wait_until(is_gone_before_the_end, "end of the process before the end of the sleep")

    def test_a_thread_that_calls_the_kernel_itself_is_looked_at(self):
        """Its next call may be no door's: the watchdog never sleeps for longer than 2 s."""
        other = self.idle("libc", "write")
        run = self.idle("raw", "write")
        while left_of_sleep(other.process.pid) < LONG_S:  # by then it would, too
            self.assertEqual(end_of_sleep(run.process.pid), 0)
            time.sleep(0.01)
        self.go_on(run)
        self.assertEqual(run.wait_for("blocked")[0]["syscall"], "write")
        run.drain()


if __name__ == "__main__":
    sys.exit(unittest.main())
