#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Which readiness waits make a loop: wherever else the thread polled before, but not a question, nor
a server's wait for the next connection that it serves alone."""
import os
import sys
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from loop_case import LoopCase  # noqa: E402
from pipeshim_case import read_text, symbols_of, victim, wait_until  # noqa: E402

PYTHON = "/usr/bin/python3"
# The host asks the guest's epoll and lets a thread wait for it (trio's guest mode, Qt): it itself
# waits in a queue. argv[1]: how long it waits in the epoll, in seconds.
GUEST = """
import queue, select, socket, sys, threading, time
ours, theirs = socket.socketpair()
epoll, events = select.epoll(), queue.Queue()
epoll.register(ours, select.EPOLLIN)
for _ in range(60):
    epoll.poll(float(sys.argv[1]))
    threading.Timer(0.01, events.put, (0,)).start()
    events.get()
for _ in range(3):
    epoll.poll(float(sys.argv[1]))
    threading.Timer(0.7, events.put, (0,)).start()
    events.get()
"""
# A thread pool's worker that waits for it, and does other jobs between (trio's to_thread in guest
# mode). argv[1]: "host": the main thread asks the epoll, and runs what is ready.
POOL = """
import queue, select, socket, sys, threading, time
ours, theirs = socket.socketpair()
epoll, jobs, done = select.epoll(), queue.SimpleQueue(), queue.SimpleQueue()
epoll.register(ours, select.EPOLLIN)
def work():
    while True: done.put(jobs.get()())
threading.Thread(target=work, daemon=True).start()
for turn in range(60):
    if sys.argv[1] == "host": epoll.poll(0)
    jobs.put(lambda: epoll.poll(0.01))
    done.get()
    if turn % 12 == 11:
        jobs.put(lambda: time.sleep(0.5))
        done.get()
"""
# One request after the other, in this thread.
SERVER = """
import http.server, os, sys, time
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.4)
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers()
        self.wfile.write(b"ok")
        if self.path == "/last": self.server._BaseServer__shutdown_request = True
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
with open(sys.argv[1] + ".new", "w") as file: print(server.server_port, file=file)
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
"""


class WhichWaits(LoopCase):
    def poll_loop(self, before, what, rounds, **settings):
        return self.start(victim("poll_loop"), before, what, str(rounds), settings=settings)

    def check_told(self, run):
        event = run.wait_for("blocked")[0]
        run.process.kill()
        run.drain()
        self.assertEqual((event["class"], event["call"], event["loop"]),
                         ("sleep", "nanosleep", True))
        self.assertIn("blocked_here", symbols_of(event))

    def test_a_shallower_poll_before(self):
        for before in "plain", "asked", "waited":
            for loop in "auto", "main":
                with self.subTest(before=before, loop=loop):
                    self.check_told(self.poll_loop(before, "wake", 500, PIPESHIM_LOOP=loop))

    def test_a_server_with_connections_is_a_loop(self):
        self.check_told(self.poll_loop("asked", "connection", 500))

    def test_a_server_that_only_accepts_is_none(self):
        run = self.poll_loop("plain", "accept", 8)
        self.assertEqual(run.drain()[2], 0)
        self.assert_silent(run)

    def test_but_the_user_may_say_that_it_is(self):
        self.check_told(self.poll_loop("plain", "accept", 500, PIPESHIM_LOOP="main"))

    def test_python_http_server(self):
        path = os.path.join(self.temporary_folder(), "port")
        run = self.start(PYTHON, "-c", SERVER, path)
        port = int(wait_until(lambda: read_text(path), "port"))
        for page in ["/"] * 6 + ["/last"]:
            time.sleep(0.7)  # it idles now and then, as what is no loop may
            urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, page), timeout=60).read()
        self.assertEqual(run.drain()[2], 0)
        self.assert_silent(run)

    def test_a_question_is_no_wait(self):
        run = self.start(PYTHON, "-c", GUEST, "0")
        self.assertEqual(run.drain()[2], 0)
        self.assert_silent(run)

    def test_a_pool_that_waits_for_a_guest(self):
        run = self.start(PYTHON, "-c", POOL, "host")
        self.assertEqual(run.drain()[2], 0)
        self.assert_silent(run)

    def test_a_worker_that_waits_for_itself(self):
        """The twin: nobody else runs what is ready."""
        run = self.start(PYTHON, "-c", POOL, "alone")
        event = run.wait_for("blocked")[0]
        self.assertEqual((event["class"], event["loop"]), ("sleep", True))
        self.assertEqual(run.drain()[2], 0)

    def test_a_loop_that_waits_in_a_queue(self):
        """The twin: it waits in the epoll itself, and then where its loop does not run."""
        run = self.start(PYTHON, "-c", GUEST, "0.01")
        event = run.wait_for("blocked")[0]
        self.assertEqual((event["class"], event["loop"]), ("lock", True))
        self.assertEqual(run.drain()[2], 0)


if __name__ == "__main__":
    sys.exit(unittest.main())
