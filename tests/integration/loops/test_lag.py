#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Lag: its sampling interrupts no call, its causes are told apart."""
import os
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from loop_case import LoopCase  # noqa: E402
from pipeshim_case import symbols_of, victim, wait_until  # noqa: E402

SECONDS = float(os.environ.get("PIPESHIM_TEST_EINTR_SECONDS", "0"))  # `make soak-loop`: a minute
LAGS = 11


class Lag(LoopCase):
    def check_no_call_is_interrupted(self, *arguments):
        run = self.start(victim("eintr_loop"), *arguments,
                         settings={"PIPESHIM_THRESHOLD": "20ms"})
        run.begin_drain()
        run.wait_for("lag", LAGS)
        # It was sampled, not only looked at: only samples know a running thread's stack.
        wait_until(lambda: "compute" in [name for lag in run.events("lag")
                                         for name in symbols_of(lag)], "stack of a running thread")
        time.sleep(SECONDS)
        out, _, status = run.finish()
        self.assertEqual(status, 0, out)
        lags = run.events("lag")
        ends = run.events("lag_end")
        self.assertGreaterEqual(len(ends), len(lags) - 1)
        print(out.decode().strip(), "in", len(lags), "lags")

    def test_perf_events_interrupt_nothing(self):
        self.check_no_call_is_interrupted()

    def test_a_child_forked_while_it_is_sampled_keeps_its_own_timers(self):
        """Timers are not inherited, and their numbers begin anew: what the parent's watchdog made
        is not for the child's to delete."""
        run = self.start(victim("fork_while_sampled"))
        run.wait_for("blocked")
        _, errors, status = run.drain()
        self.assertEqual((errors, status), (b"timers 4 of 4, last 1\n", 0))

    def test_timer_interrupts_nothing(self):
        self.check_no_call_is_interrupted("timer")

    def test_start_says_where_stacks_come_from(self):
        run = self.start("/bin/true")
        run.drain()
        self.assertRegex(run.events("start")[0]["features"]["cpu_stacks"], "^(perf_event|timer)$")
        off = self.start("/bin/true", settings={"PIPESHIM_STACK": "off"})
        off.drain()
        self.assertRegex(off.events("start")[0]["features"]["cpu_stacks"], "^off: ")

    def test_exec_while_sampled(self):
        """A sampling signal that is pending at exec would kill the new program."""
        code = ("import os, select, time\n"
                "loop = select.epoll()\n"
                "for _ in range(40): loop.poll(0.004)\n"
                "end = time.monotonic() + 0.15\n"
                "while time.monotonic() < end: pass\n"
                "n = int(os.environ['ROUNDS'])\n"
                "os.environ['ROUNDS'] = str(n - 1)\n"
                "os.execv('/proc/self/exe', ['python3', '-c', os.environ['CODE']]) if n else os._exit(7)\n")
        run = self.start("/usr/bin/python3", "-c", code,
                         settings={"PIPESHIM_THRESHOLD": "20ms", "ROUNDS": "12", "CODE": code})
        self.assertEqual(run.drain()[2], 7)
        self.assertGreater(len(run.events("lag")), 6)

    def test_gets_no_cpu(self):
        """A loop that is ready to run and gets no CPU is starved, not computing."""
        cpu = min(os.sched_getaffinity(0))
        hog = subprocess.Popen([sys.executable, "-c", "while True: pass"],
                               preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        self.addCleanup(hog.wait)
        self.addCleanup(hog.kill)
        run = self.start(victim("epoll_loop"), "cpu")
        run.wait_for("start")
        os.sched_setaffinity(run.process.pid, {cpu})
        os.sched_setscheduler(run.process.pid, os.SCHED_IDLE, os.sched_param(0))
        wait_until(lambda: [e for e in run.events("lag") if e["cause"] == "starved"],
                   "lag of a starved loop")
        hog.kill()
        os.kill(run.process.pid, signal.SIGUSR1)
        self.assertEqual(run.drain()[2], 0)

    def test_after_a_rest(self):
        """A loop that has rested for so long that the watchdog sleeps too, and then computes, each
        time until it is told."""
        code = ("import select, signal\n"
                "loop = select.epoll()\n"
                "told = 0\n"
                "def count(*_):\n"
                "    global told\n"
                "    told += 1\n"
                "signal.signal(signal.SIGUSR1, count)\n"
                "for _ in range(60): loop.poll(0.005)\n"
                "for turn in range(4):\n"
                "    loop.poll(0.6)\n"
                "    while told == turn: pass\n"
                "loop.poll(0)\n")
        run = self.start("/usr/bin/python3", "-c", code, settings={"PIPESHIM_THRESHOLD": "100ms"})
        for lags in range(1, 5):
            wait_until(lambda expected=lags: len(run.events("lag")) == expected, "lag %d" % lags)
            os.kill(run.process.pid, signal.SIGUSR1)
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual(len(run.events("lag")), 4)

    def test_another_thread_holds_the_gil(self):
        code = ("import asyncio, threading, time\n"
                "stop = False\n"
                "go = threading.Event()\n"
                "def burn():\n"
                "    go.wait()\n"
                "    while not stop: pass\n"
                "async def main():\n"
                "    global stop\n"
                "    for _ in range(20): await asyncio.sleep(0.01)\n"
                "    for _ in range(4): threading.Thread(target=burn, daemon=True).start()\n"
                "    go.set()\n"
                "    end = time.monotonic() + 1.5\n"
                "    while time.monotonic() < end: pass\n"
                "    stop = True\n"
                "    for _ in range(10): await asyncio.sleep(0.01)\n"
                "import sys; sys.setswitchinterval(0.02)\n"
                "asyncio.run(main())\n")
        run = self.start("/usr/bin/python3", "-c", code)
        lag = run.wait_for("lag")[0]
        self.assertEqual(run.drain()[2], 0)
        end = [e for e in run.events("lag_end") if e["ref"] == lag["seq"]][0]["cause"]
        self.assertGreater(end.get("lock", 0), end["cpu"], end)


if __name__ == "__main__":
    sys.exit(unittest.main())
