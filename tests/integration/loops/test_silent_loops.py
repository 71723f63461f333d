#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What could be taken for a blocked loop and is none, at the default threshold: loops that idle, move
or were left, synchronous clients, shells. `start` and `summary`, nothing else."""
import http.server
import os
import pty
import shutil
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from held_loop import HeldLoopCase, end_loop
from pipeshim_case import read_text, victim, wait_until

PYTHON = "/usr/bin/python3"
DEFAULT = {"PIPESHIM_THRESHOLD": "100ms"}

SYNCHRONOUS = """
import select, subprocess, sys, time
for _ in range(8):
    assert subprocess.Popen(["sh", "-c", "sleep 0.2; echo x"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE).communicate()[0] == b"x\\n"
    time.sleep(0.15)
    subprocess.run("sleep 0.12", shell=True)
    select.select([], [], [], 0.15)
"""
REQUESTS = """
import sys, time, urllib.request
clients = [lambda url: urllib.request.urlopen(url, timeout=20).read()]
for name in "requests", "httpx":
    try:
        module = __import__(name)
        clients.append(lambda url, get=module.get: get(url, timeout=20).content)
        session = (module.Session if name == "requests" else module.Client)()
        clients.append(lambda url, get=session.get: get(url, timeout=20).content)
    except ImportError:
        pass
for _ in range(4):
    for client in clients:
        assert client(sys.argv[1]) == b"ok"
    time.sleep(0.15)
"""
ASYNCIO = """
import asyncio, socket
async def tick():
    for _ in range(10):
        await asyncio.sleep(0.15)
async def child():
    process = await asyncio.create_subprocess_exec("sleep", "1", stdout=asyncio.subprocess.PIPE)
    await process.communicate()
async def main():
    ours, theirs = socket.socketpair()
    reader, _ = await asyncio.open_connection(sock=ours)
    asyncio.get_running_loop().call_later(1, theirs.close)
    await asyncio.gather(tick(), child(), reader.read(), asyncio.to_thread(__import__("time").sleep, 1))
    await asyncio.sleep(1)
asyncio.run(main())
"""
AFTER_ASYNCIO = """
import asyncio, subprocess, time
async def main():
    for _ in range(30): await asyncio.sleep(0.005)
for _ in range(3):
    asyncio.run(main())
    time.sleep(0.3)
    subprocess.run(["sleep", "0.3"], capture_output=True)
    sum(range(20000000))
"""
TWO_PLACES = """
import asyncio
loop = asyncio.new_event_loop()
def deeper(depth, what):
    return deeper(depth - 1, what) if depth else what()
async def turns(count, seconds):
    for _ in range(count): await asyncio.sleep(seconds)
for depth in 0, 20, 3:
    deeper(depth, lambda: loop.run_until_complete(turns(30, 0.003)))
    deeper(depth, lambda: loop.run_until_complete(turns(3, 0.3)))
"""
SELECTORS = """
import os, selectors, socket, threading, time
waker, woken = socket.socketpair()
selector = getattr(selectors, os.sys.argv[1])()
selector.register(woken, selectors.EVENT_READ)
threading.Thread(target=lambda: [(time.sleep(pause), waker.send(b"x"))
                                 for pause in [0.005] * 30 + [0.3] * 4]).start()
for _ in range(34):
    selector.select()
    woken.recv(1)
"""
ENDED_THREADS = """
import concurrent.futures, multiprocessing, selectors, socket, threading, time
def loop():
    waker, woken = socket.socketpair()
    selector = selectors.EpollSelector()
    selector.register(woken, selectors.EVENT_READ)
    for _ in range(30): selector.select(0.005)
for _ in range(3):
    thread = threading.Thread(target=loop)
    thread.start()
    thread.join()
    time.sleep(0.3)
with concurrent.futures.ProcessPoolExecutor(2) as pool: list(pool.map(time.sleep, [0.15] * 6))
with multiprocessing.Pool(2) as pool: pool.map(time.sleep, [0.15] * 6)
time.sleep(0.3)
"""
NODE = """
let turns = 0;
const timer = setInterval(() => { if (++turns === 12) clearInterval(timer); }, 150);
const child = require('child_process').spawn('sh', ['-c', 'sleep 1; echo x']);
child.stdout.on('data', () => {});
require('crypto').pbkdf2('a', 'b', 400000, 64, 'sha512', () => {});
require('fs').readFile('/proc/self/maps', () => {});
const server = require('http').createServer((q, a) => a.end('ok'));
server.listen(0, () => require('http').get({port: server.address().port}, (answer) => {
    answer.resume(); setTimeout(() => { server.close(); }, 1200); }));
"""


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(0.15)  # beyond the threshold: each wait of a client would be worth a report
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class SilentLoops(HeldLoopCase):
    def begin(self, *command, **options):
        return self.start(*command, settings=DEFAULT, **options)

    def check(self, runs):
        for run in runs:
            with self.subTest(command=run.process.args):
                run.begin_drain()
                status = run.process.wait(60)
                _, errors, _ = run.finish()
                self.assertEqual(status, 0, errors)
                self.assertSilent(run)

    def test_loops_and_pauses(self):
        runs = [self.begin("bash", "-c", "coproc cat; sleep 1; read -t 1 -u ${COPROC[0]}; kill "
                           "$COPROC_PID; wait; sleep 1 & wait; true"),
                self.begin(PYTHON, "-c", SYNCHRONOUS)]
        runs += [self.begin(PYTHON, "-c", code) for code in (ASYNCIO, TWO_PLACES, AFTER_ASYNCIO,
                                                     ENDED_THREADS)]
        runs += [self.begin(PYTHON, "-c", SELECTORS, kind)
                 for kind in ("EpollSelector", "PollSelector", "SelectSelector")]
        if shutil.which("node"):
            runs.append(self.begin("node", "-e", NODE))
        self.check(runs)

    def test_a_childs_first_call_by_another_thread(self):
        self.check([self.begin(victim("zygote"))])

    def test_synchronous_clients(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = "http://127.0.0.1:%d/" % server.server_port
        runs = [self.begin(PYTHON, "-c", REQUESTS, url)]
        if shutil.which("curl"):
            runs.append(self.begin("sh", "-c", "for i in 1 2 3 4 5 6; do curl -s -o /dev/null "
                                   "%s %s %s %s; done" % (url, url, url, url)))
        self.check(runs)

    def test_interactive_shell(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        folder = self.temporary_folder()
        done = os.path.join(folder, "done")
        run = self.begin("bash", "--norc", "-i", preexec_fn=lambda: (
            os.setsid(), [os.dup2(theirs, fd) for fd in (0, 1, 2)],
            __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0)))
        os.close(theirs)
        reader = threading.Thread(target=self.read_terminal, args=(ours,), daemon=True)
        reader.start()
        os.write(ours, b"sleep 0.5; sleep 0.5 | cat; read -t 0.5 x; echo done >%s\n" % done.encode())
        wait_until(lambda: read_text(done), "end of the shell's commands")
        time.sleep(0.5)  # at its prompt
        os.write(ours, b"exit 0\n")
        self.assertEqual(end_loop(run), 0)
        reader.join()
        self.assertSilent(run)

    @staticmethod
    def read_terminal(fd):
        try:
            while os.read(fd, 4096):
                pass
        except OSError:  # the other end is gone
            pass


if __name__ == "__main__":
    unittest.main()
