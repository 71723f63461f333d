#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What PIPESHIM_PRESET=canary and dev cost servers under load, with a log and metrics as in production: an
asyncio echo server, redis, a Node HTTP server, nginx. Two servers, without and with the library, are
alive at the same time and are loaded in turn (A/B/B/A), so that both meet the same moments of the
machine; then two others, as one start differs from the next by more than the library costs. Printed
are medians over the pairs of servers, and the quartiles of the ratio: of the throughput, and of the
CPU time that the server's first thread took for a request in the turns that other work disturbed
least (the lower decile). Nothing here passes or fails.

    tests/bench/canary.py BUILD [PAIRS]
"""
import contextlib
import glob
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import loops

HTTP = """
const server = require('http').createServer((request, response) => response.end('hello'));
server.keepAliveTimeout = 0; // a turn of the other server may take longer than 5 s
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
WARM_S, TURN_S, TURNS = 1.5, 0.13, 24


class Loaded:
    """What was asked of a server, and what it took."""

    def __init__(self, pid, burst):
        self.pid, self.burst = pid, burst
        self.requests, self.seconds, self.library = 0, 0.0, 0.0
        self.own = []  # CPU seconds a request, turn by turn

    def cpu(self):
        """Seconds of the first thread, and of the library's."""
        own = library = 0
        for path in glob.glob("/proc/%d/task/*" % self.pid):
            with open(path + "/schedstat") as file, open(path + "/comm") as comm:
                seconds = int(file.read().split()[0]) / 1e9
                if os.path.basename(path) == str(self.pid):
                    own = seconds
                elif comm.read() == "pipeshim\n":
                    library = seconds
        return own, library

    def turn(self, seconds, counts=True):
        before, begun, requests = self.cpu(), time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            requests += self.burst()
        passed, after = time.perf_counter() - begun, self.cpu()
        if counts:
            self.requests += requests
            self.seconds += passed
            self.own.append((after[0] - before[0]) / requests)
            self.library += after[1] - before[1]


@contextlib.contextmanager
def ask(command, environment, request, end, requests=200):
    """A server that says its port: one connection, one request at a time."""
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)

    def burst():
        for _ in range(requests):
            client.sendall(request)
            answer = client.recv(4096)
            while not answer.endswith(end):
                more = client.recv(4096)
                if not more:
                    raise RuntimeError("the server closed the connection after %r" % answer)
                answer += more
        return requests
    try:
        with socket.create_connection(("127.0.0.1", int(server.stdout.readline()))) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield Loaded(server.pid, burst)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def asyncio(environment):
    return ask(["/usr/bin/python3", "-c", loops.ECHO], environment, b"ping", b"ping")


def http(environment):
    return ask(["node", "-e", HTTP], environment, GET, b"hello")


NGINX = """
daemon off; master_process off; pid %s/pid; error_log /dev/null;
events { }
http { access_log %s/access; keepalive_requests 100000000;
       server { listen 127.0.0.1:%d; location / { return 200 hello; } } }
"""


@contextlib.contextmanager
def nginx(environment):
    """One process, one connection, an access log."""
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with open(folder + "/conf", "w") as file:
            file.write(NGINX % (folder, folder, port))
        # Says the port once it listens, as the others do.
        with ask(["sh", "-c", "(until ss -ltn | grep -q 127.0.0.1:%d; do sleep 0.01; done; echo %d) & "
                  "exec nginx -p %s -c %s/conf" % (port, port, folder, folder)], environment, GET,
                 b"hello") as loaded:
            yield loaded


@contextlib.contextmanager
def redis(environment):
    """SET and GET, one at a time from each of 50 clients; of a burst only what redis-benchmark
    itself measured counts, not its start."""
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/socket"
        server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                                   "--appendonly", "no", "--dir", folder], env=environment,
                                  stdout=subprocess.DEVNULL)

        def burst(requests=6000):
            subprocess.run(["redis-benchmark", "-s", path, "-t", "set,get", "-P", "1", "-n",
                            str(requests), "--csv"], env=loops.PLAIN, check=True,
                           stdout=subprocess.PIPE)
            return 2 * requests
        try:
            while not os.path.exists(path):
                time.sleep(0.01)
            yield Loaded(server.pid, burst)
        finally:
            server.kill()
            server.wait()


def compare(what, start, pairs, environment):
    measured = []
    for _ in range(pairs):
        with start(loops.PLAIN) as without, start(environment) as with_library:
            both = (without, with_library)
            for one in both:
                one.turn(WARM_S, counts=False)
            for turn in range(TURNS):
                for one in both if turn % 2 == 0 else reversed(both):
                    one.turn(TURN_S)
        measured.append(both)
    rates = [[one.requests / one.seconds for one in pair] for pair in measured]
    cpu = [[statistics.quantiles(one.own, n=10)[0] * 1e6 for one in pair] for pair in measured]
    print("  %-24s" % what, end="")
    for values, is_time in ((rates, False), (cpu, True)):
        ratios = [pair[0] / pair[1] if is_time else pair[1] / pair[0] for pair in values]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(" %9.*f %9.*f  %.3f (%.3f-%.3f) " % (
            2 * is_time, statistics.median(pair[0] for pair in values),
            2 * is_time, statistics.median(pair[1] for pair in values), middle, low, high), end="")
    print(" %.2f %%" % (100 * statistics.median(pair[1].library / pair[1].seconds
                                                for pair in measured)), flush=True)


def main(preset):
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(loops.WITH, PIPESHIM_PRESET=preset, PIPESHIM_LOG=folder + "/%e-%p.jsonl",
                           PIPESHIM_METRICS=folder + "/%e-%p.prom")
        print("%s preset, medians of %d pairs of servers (quartiles of the ratios); at least 0.99\n"
              "  %-24s %31s   %39s   %s" % (preset, pairs, "", "requests a second: without, with",
                                            "us of CPU a request: without, with", "the library's thread"))
        for what, start, needs in (("asyncio echo", asyncio, ("/usr/bin/python3",)),
                                   ("redis SET, GET", redis, ("redis-benchmark",)),
                                   ("Node HTTP, keep-alive", http, ("node",)),
                                   ("nginx, keep-alive", nginx, ("nginx", "ss"))):
            missing = [name for name in needs if not shutil.which(name)]
            if missing:
                print("  %s: left out, %s not installed" % (what, " and ".join(missing)))
            else:
                compare(what, start, pairs, environment)


for name in ("canary", "dev"):
    main(name)
