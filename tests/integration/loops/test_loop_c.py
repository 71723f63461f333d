#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every call that can block an epoll loop in C: reported while it lasts, as what it is."""
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from loop_case import LoopCase  # noqa: E402
from pipeshim_case import symbols_of, victim  # noqa: E402

SLEEPS = ["sleep", "usleep", "nanosleep", "clock_nanosleep", "select", "poll", "pause",
          "sigsuspend", "sigwait", "sigwaitinfo", "sigtimedwait"]
CHILDREN = ["wait", "waitpid", "wait3", "wait4", "waitid", "system", "pclose"]
# the way, and the class and the call of its report; None: libc's own names are not promised
OTHERS = {
    "flock": ("lock", "flock"), "lockf": ("lock", "lockf"), "fcntl": ("lock", "fcntl"),
    "fifo": ("file", "open"), "recv": ("socket_read", "recv"),
    "recvmsg": ("socket_read", "recvmsg"), "read_socket": ("socket_read", "read"),
    "accept": ("accept", "accept"), "accept4": ("accept", "accept4"),
    "connect": ("connect", "connect"), "poll_socket": ("socket_read", "poll"),
    "select_socket": ("socket_read", "select"), "epoll_socket": ("socket_read", "epoll_wait"),
    "mutex": ("lock", "pthread_mutex_lock"), "condition": ("lock", "pthread_cond_wait"),
    "semaphore": ("lock", None), "pipe_read": ("pipe_read", "read"),
    "pipe_write": ("pipe_write", "write"), "raw_read": ("pipe_read", "syscall"),
    "raw_nanosleep": ("sleep", "syscall"),
}


class CLoop(LoopCase):
    def start_way(self, way, *turns, **options):
        return self.start(victim("epoll_loop"), way,
                          os.path.join(self.temporary_folder(), "file"), *turns, **options)

    def check_call(self, way, event, expected):
        event_class, call = expected
        self.assertEqual(event["class"], event_class)
        if call:
            self.assertIn(event["call"], (call, call + "64"))
        self.assertIs(event["loop"], True)
        self.assertIn("blocked_here", symbols_of(event))
        if event_class == "child":
            self.assertGreater(event["child"]["pid"], 1)

    def release(self, run, event):
        if event["call"] in ("system", "pclose"):  # system() blocks signals, and its child stays
            os.kill(event["child"]["pid"], signal.SIGKILL)
        else:
            os.kill(run.process.pid, signal.SIGUSR1)

    def test_sleeps(self):
        self.check_ways({way: ("sleep", way) for way in SLEEPS})

    def test_children(self):
        self.check_ways({way: ("child", way) for way in CHILDREN})

    def test_others(self):
        self.check_ways(OTHERS)

    def test_computing(self):
        run = self.start_way("cpu")
        lag = run.wait_for("lag")[0]
        self.assertIn(lag["cause"], ("cpu", "starved"))
        if lag["cause"] == "starved" and not lag["stack"]:
            self.skipTest("another program had the CPU: no stack was to be had")
        self.assertEqual(symbols_of(lag)[:2], ["compute", "blocked_here"])
        os.kill(run.process.pid, signal.SIGUSR1)
        self.assertEqual(run.drain()[2], 0)
        self.check_story(run, lag, "cpu")

    def test_summary_has_the_loop(self):
        run = self.start_way("usleep")
        self.end(run, run.wait_for("blocked")[0])
        summary = run.events("summary")[-1]
        self.assertEqual([(loop["tid"], loop["lags"]) for loop in summary["loops"]],
                         [(run.process.pid, 1)])
        loop = summary["loops"][0]
        # Those after the call, and of those before it the ones since it was known for a loop.
        self.assertGreaterEqual(loop["turns"], 20)
        self.assertLessEqual(loop["turns"], 41)
        self.assertGreaterEqual(loop["max_ms"], 200)
        self.assertGreaterEqual(sum(n for bucket, n in loop["histogram_ms"].items()
                                    if int(bucket) > 200), 1)
        self.assertEqual([site["call"] for site in summary["sites"]], ["usleep"])

    def test_summary_has_a_lag_that_ended_just_before(self):
        """One turn, for which its timer is ready, and the exit: no scan comes between."""
        run = self.start_way("usleep", "20", "1")
        self.end(run, run.wait_for("blocked")[0])
        loops = run.events("summary")[-1]["loops"]
        self.assertEqual([(loop["tid"], loop["lags"]) for loop in loops], [(run.process.pid, 1)])

    def test_a_call_that_ends_just_before_the_exit(self):
        """The loop makes one turn more, or none; a lock's wait has no door that marks its end."""
        for way, turns, kinds in (("mutex", "1", ["blocked", "unblocked", "lag_end"]),
                                  ("condition", "0", ["blocked", "unblocked"]),
                                  ("usleep", "0", ["blocked", "unblocked"])):
            with self.subTest(way):
                run = self.start_way(way, "20", turns)
                event = run.wait_for("blocked")[0]
                self.end(run, event)
                told = [e for e in self.told(run, event["seq"]) if e["event"] != "still"]
                # A watchdog that had no CPU may first see the loop's turn.
                self.assertEqual([e["event"] for e in told][:len(kinds)], kinds)

    def test_silent_without_the_block(self):
        run = self.start_way("none")
        self.assertEqual(run.drain()[2], 0)
        self.assert_silent(run)

    def test_which_threads(self):
        """PIPESHIM_LOOP: none is silent; a name and `main` are loops without a readiness wait."""
        run = self.start_way("usleep", settings={"PIPESHIM_LOOP": "none"})
        other = self.start_way("nanosleep", settings={"PIPESHIM_LOOP": "epoll_l*"})
        other.wait_for("blocked")
        plain = self.start("/bin/sleep", "60", settings={"PIPESHIM_LOOP": "main"})
        self.assertEqual(plain.wait_for("blocked")[0]["class"], "sleep")
        plain.process.terminate()
        self.release(other, other.events("blocked")[0])
        os.kill(run.process.pid, signal.SIGUSR1)
        self.assertEqual((run.drain()[2], other.drain()[2]), (0, 0))
        self.assertEqual(self.told(run), [])

    @unittest.skipUnless(os.geteuid() == 0, "needs root: namespaces of its own")
    def test_names(self):
        """A name server that does not answer: the name is told."""
        folder = self.temporary_folder()
        with open(os.path.join(folder, "resolv.conf"), "w", encoding="utf-8") as file:
            file.write("nameserver 127.0.0.1\noptions timeout:30\n")
        code = ("import asyncio, socket, signal\n"
                "class Released(Exception): pass\n"
                "def release(*_): raise Released\n"
                "signal.signal(signal.SIGUSR1, release)\n"
                "server = socket.socket(type=socket.SOCK_DGRAM); server.bind(('127.0.0.1', 53))\n"
                "async def main():\n"
                "    for _ in range(20): await asyncio.sleep(0.01)\n"
                "    try: socket.getaddrinfo('name.invalid.example', 80)\n"
                "    except (Released, OSError): pass\n"
                "    for _ in range(10): await asyncio.sleep(0.01)\n"
                "asyncio.run(main())\n")
        wrapper = ("ip link set lo up && mount --bind '%s/resolv.conf' /etc/resolv.conf && "
                   "exec /usr/bin/python3 -c \"$0\"" % folder)
        if subprocess.run(["unshare", "-mn", "ip", "link", "set", "lo", "up"],
                          capture_output=True).returncode != 0:
            self.skipTest("no namespaces, or no ip command")
        run = self.start("unshare", "-mn", "sh", "-c", wrapper, code)
        event = run.wait_for("blocked")[0]
        self.assertEqual((event["class"], event["call"]), ("dns", "getaddrinfo"))
        self.assertEqual(event["dns"], {"name": "name.invalid.example"})
        self.assertEqual(event["object"], "name.invalid.example")
        run.process.kill()


if __name__ == "__main__":
    sys.exit(unittest.main())
