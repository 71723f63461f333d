#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A C loop on epoll and what its callbacks call: silent when the call need not wait, and while the
loop idles afterwards; and ways to block that end when the test lets go, from the other side."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from held_loop import (QUIET, Backlog, Fifo, FileLock, HeldLoopCase, Hold, MemoryFile, Moment,
                       Output, RecordLock, Server, Signal, UnixPath, end_loop, own_events, wait_own)
from pipeshim_case import symbols_of, victim, wait_until

AT_ONCE = 10
EVERY_CALL = [("loop_waits", mode, hold) for mode, hold in (
    ("nanosleep", Moment), ("clock_nanosleep", Moment), ("usleep", Moment), ("sleep", Moment),
    ("raw_nanosleep", Moment), ("sigwait", Signal), ("sigwaitinfo", Signal),
    ("sigtimedwait", Signal), ("waitpid", Hold), ("wait", Hold), ("wait3", Hold), ("wait4", Hold),
    ("waitid", Hold), ("spawn", Hold), ("system", Hold), ("pclose", Hold), ("flock", FileLock),
    ("lockf", RecordLock), ("fcntl_lock", RecordLock), ("open_fifo", Fifo), ("fsync", MemoryFile),
    ("mutex", Hold))]
EVERY_CALL += [("loop_input", mode, hold) for mode, hold in (
    ("read", Hold), ("write", Output), ("recv", Server), ("recvfrom", Server),
    ("recvmsg", Server), ("send", Server), ("connect", Backlog), ("accept", UnixPath),
    ("accept4", UnixPath), ("poll_input", Hold), ("ppoll_input", Hold), ("select_input", Hold),
    ("pselect_input", Hold), ("epoll_input", Hold), ("poll_recv", Server),
    ("poll_connect", Backlog), ("poll_child", Hold))]

STORIES = [  # program, mode, hold, class, the call's name
    ("loop_waits", "spawn", Hold, "child", {"waitid", "syscall"}),
    ("loop_waits", "flock", FileLock, "lock", {"flock"}),
    ("loop_waits", "fcntl_lock", RecordLock, "lock", {"fcntl", "fcntl64"}),
    ("loop_waits", "open_fifo", Fifo, "file", {"open", "open64", "openat"}),
    ("loop_input", "recvfrom", Server, "socket_read", {"recvfrom"}),
    ("loop_input", "send", Server, "socket_write", {"send"}),
    ("loop_input", "connect", Backlog, "connect", {"connect"}),
    ("loop_input", "poll_input", Hold, "pipe_read", {"poll"}),
    ("loop_input", "ppoll_input", Hold, "pipe_read", {"ppoll"}),
    ("loop_input", "select_input", Hold, "pipe_read", {"select"}),
    ("loop_input", "pselect_input", Hold, "pipe_read", {"pselect"}),
    ("loop_input", "epoll_input", Hold, "pipe_read", {"epoll_wait"}),
    ("loop_input", "poll_recv", Server, "socket_read", {"poll"}),
    ("loop_input", "poll_connect", Backlog, "connect", {"poll"}),
    ("loop_input", "poll_child", Hold, "child", {"poll"}),
]


class CallsOnALoop(HeldLoopCase):
    def check_where(self, mode, blocked, held):
        self.assertIn("do_" + mode, symbols_of(blocked))
        if blocked["class"] == "child":
            self.assertGreater(blocked["child"]["pid"], 0)
            if blocked["child"]["state"] == "S": # not still on its way there, beside other work
                self.assertEqual(blocked["child"]["comm"], "cat")
                self.assertEqual(blocked["child"]["waits_in"], "read fd 0")
        if "lock" in blocked["class"] or mode == "open_fifo":
            self.assertEqual(blocked["file"]["path"], held.argument)
        if isinstance(held, (Server, Backlog)):
            self.assertEqual(blocked["socket"]["family"], "inet")
            self.assertEqual(blocked["socket"]["remote"], "127.0.0.1:" + held.argument)
            self.assertEqual(blocked["socket"]["peer_pid"], os.getpid())
            self.assertEqual(blocked["socket"]["peer_name"], os.path.basename(sys.argv[0]))

    def test_each_is_one_story_until_the_other_side_moves(self):
        for first in range(0, len(STORIES), AT_ONCE):
            begun = []
            for program, mode, hold, expected, calls in STORIES[first:first + AT_ONCE]:
                held = hold(self)
                run = self.begin_held(held, victim(program), mode)
                begun.append((mode, held, run, expected, calls))
            for mode, held, run, expected, calls in begun:
                with self.subTest(mode=mode):
                    blocked = self.check_one_story(run, held, expected, calls)
                    self.check_where(mode, blocked, held)

    def test_calls_that_need_not_wait_are_silent(self):
        for first in range(0, len(EVERY_CALL), AT_ONCE):
            self.check_quiet([self.begin_held(hold(self, released=True), victim(program), mode,
                                              settings=QUIET)
                              for program, mode, hold in EVERY_CALL[first:first + AT_ONCE]])

    def test_many_short_sleeps_are_a_lag(self):
        run = self.start(victim("loop_waits"), "many_short_sleeps")
        lag = wait_own(run, "lag", lambda e: e["cause"] == "sleep")
        self.assertEqual(own_events(run, "lag_end"), [])
        run.process.stdin.close()
        lag_end = wait_own(run, "lag_end", lambda e: e["ref"] == lag["seq"])
        self.assertEqual(end_loop(run), 0)
        self.assertGreaterEqual(lag["lag_ms"], lag["threshold_ms"])
        self.assertGreater(lag_end["lag_ms"], lag["lag_ms"])
        self.assertEqual(own_events(run, "blocked"), [])
        self.assertEqual(len(own_events(run, "lag")), 1)
        self.assertIn("do_many_short_sleeps", symbols_of(lag))
        self.assertEqual((lag["calls"][0]["call"], lag["calls"][0]["class"]), ("usleep", "sleep"))

    def test_a_thread_that_ends_in_its_callback(self):
        code = ("import selectors, socket, threading, time\n"
                "def loop():\n"
                "    ends = socket.socketpair()\n"
                "    selector = selectors.EpollSelector()\n"
                "    selector.register(ends[0], selectors.EVENT_READ)\n"
                "    for _ in range(30): selector.select(0.005)\n"
                "    end = time.thread_time() + 0.6\n"
                "    while time.thread_time() < end: pass\n"
                "thread = threading.Thread(target=loop)\n"
                "thread.start()\n"
                "thread.join()\n"
                "time.sleep(0.3)\n")
        run = self.start("/usr/bin/python3", "-c", code)
        lag_end = wait_own(run, "lag_end", lambda e: e["cause"].get("cpu", 0) > 400)
        self.assertEqual(end_loop(run), 0)
        self.assertEqual([e["event"] for e in own_events(run) if e["seq"] == lag_end["ref"]],
                         ["lag"])
        self.assertEqual(own_events(run, "blocked"), [])

    def test_each_stall_of_a_server_is_a_story_of_its_own(self):
        """An interpreter's calls lose C frames when it specialises them: the loop's wait is then
        made from further out."""
        code = ("import http.server, sys, threading, time, urllib.request\n"
                "class Slow(http.server.BaseHTTPRequestHandler):\n"
                "    def do_GET(self):\n"
                "        time.sleep(0.15); self.send_response(200); self.end_headers()\n"
                "    def log_message(self, *_): pass\n"
                "server = http.server.HTTPServer(('127.0.0.1', 0), Slow)\n"
                "ended = threading.Event()\n"
                "def call():\n"
                "    while not ended.is_set():\n"
                "        urllib.request.urlopen('http://127.0.0.1:%d/' % server.server_port, timeout=9)\n"
                "    server.shutdown()\n"
                "threading.Thread(target=lambda: (sys.stdin.read(), ended.set())).start()\n"
                "threading.Thread(target=call).start()\n"
                "server.serve_forever()\n")

        def three_stories():
            told = [e for e in own_events(run) if e["event"] in ("blocked", "unblocked", "lag_end")]
            first = next((e["ref"] for e in told if e["event"] == "lag_end"), sys.maxsize)
            told = [e for e in told if e["seq"] >= first]
            return told if len(told) >= 3 * 3 else None

        # Left to itself the library takes a server that only accepts for no loop.
        run = self.start("/usr/bin/python3", "-c", code, settings={"PIPESHIM_LOOP": "main"})
        # Its wait is known once a look has met it there, which is short: that takes some requests,
        # whose calls are no absence of a loop yet.
        stories = wait_until(three_stories, "three stalls")
        self.assertEqual(end_loop(run), 0)
        for blocked, unblocked, lag_end in zip(*[iter(stories)] * 3):
            self.assertEqual((blocked["event"], unblocked["ref"], lag_end["ref"]),
                             ("blocked", blocked["seq"], blocked["seq"]))


if __name__ == "__main__":
    unittest.main()
