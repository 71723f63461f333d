#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What PIPESHIM_PRESET=canary and dev cost servers, with a log and metrics as in production: redis, an
asyncio echo server, a Node HTTP server, nginx. Without and with in turn; medians of the throughput, and of the CPU time
that the server's thread took for a request, which other work on the machine disturbs less. What the
library's own thread takes is said beside it. Nothing here passes or fails.

    tests/bench/canary.py BUILD [PAIRS]
"""
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
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
WARM, COUNT, REDIS = 1500, 8000, 40000


class Cpu:
    """Seconds of the first thread, and of the library's, since it was made."""

    def __init__(self, pid):
        self.pid, self.begun = pid, time.perf_counter()
        self.own, self.watchdog = self.read()

    def read(self):
        own = watchdog = 0
        for path in glob.glob("/proc/%d/task/*" % self.pid):
            with open(path + "/schedstat") as file, open(path + "/comm") as comm:
                seconds = int(file.read().split()[0]) / 1e9
                if os.path.basename(path) == str(self.pid):
                    own = seconds
                elif comm.read() == "pipeshim\n":
                    watchdog = seconds
        return own, watchdog

    def since(self):
        """(of the first thread, the library's as a part of one CPU)"""
        own, watchdog = self.read()
        return own - self.own, (watchdog - self.watchdog) / (time.perf_counter() - self.begun)


def ask(command, environment, request, end):
    """(requests a second, CPU seconds a request, the library's share of a CPU): one connection."""
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    try:
        with socket.create_connection(("127.0.0.1", int(server.stdout.readline()))) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number in range(WARM + COUNT):
                if number == WARM:
                    cpu = Cpu(server.pid)
                client.sendall(request)
                answer = client.recv(4096)
                while not answer.endswith(end):
                    answer += client.recv(4096)
            own, share = cpu.since()
            return COUNT / (time.perf_counter() - cpu.begun), own / COUNT, share
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def asyncio(environment):
    return ask(["/usr/bin/python3", "-c", loops.ECHO], environment, b"ping", b"ping")


NGINX = """
daemon off; master_process off; pid %s/pid; error_log /dev/null;
events { }
http { access_log %s/access; keepalive_requests 1000000;
       server { listen 127.0.0.1:%d; location / { return 200 hello; } } }
"""


def nginx(environment):
    """One process, one connection, an access log."""
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with open(folder + "/conf", "w") as file:
            file.write(NGINX % (folder, folder, port))
        # Says the port once it listens, as the others do.
        return ask(["sh", "-c", "(until ss -ltn | grep -q 127.0.0.1:%d; do sleep 0.01; done; echo %d) & "
                    "exec nginx -p %s -c %s/conf" % (port, port, folder, folder)], environment, GET,
                   b"hello")


def http(environment):
    return ask(["node", "-e", HTTP], environment, GET, b"hello")


def redis(environment):
    """SET and GET, one at a time from each of 50 clients."""
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/socket"
        server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                                   "--appendonly", "no", "--dir", folder], env=environment,
                                  stdout=subprocess.DEVNULL)
        try:
            while not os.path.exists(path):
                time.sleep(0.01)
            cpu = Cpu(server.pid)
            lines = subprocess.run(["redis-benchmark", "-s", path, "-t", "set,get", "-P", "1", "-n",
                                    str(REDIS), "--csv"], env=loops.PLAIN, check=True,
                                   stdout=subprocess.PIPE, text=True).stdout.splitlines()[1:]
            own, share = cpu.since()
            return (statistics.mean(float(line.split(",")[1].strip('"')) for line in lines),
                    own / (2 * REDIS), share)
        finally:
            server.kill()
            server.wait()


def compare(what, measure, pairs, environment):
    without, with_library = [], []
    measure(loops.PLAIN)  # warms up
    for _ in range(pairs):
        without.append(measure(loops.PLAIN))
        with_library.append(measure(environment))
    rate, cpu = ([(statistics.median(one[i] for one in without),
                   statistics.median(one[i] for one in with_library),
                   statistics.median(b[i] / a[i] for a, b in zip(without, with_library)))
                  for i in (0, 1)])
    print("  %-28s %9.0f %9.0f  %.3f (%.3f)   %7.2f %7.2f  %.3f (%.3f) %.3f   %.2f %%" % (
        what, *rate[:2], rate[1] / rate[0], rate[2], cpu[0] * 1e6, cpu[1] * 1e6, cpu[0] / cpu[1],
        1 / cpu[2], min(one[1] for one in without) / min(one[1] for one in with_library),
        100 * statistics.median(one[2] for one in with_library)), flush=True)


def main(preset):
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(loops.WITH, PIPESHIM_PRESET=preset, PIPESHIM_LOG=folder + "/%e-%p.jsonl",
                           PIPESHIM_METRICS=folder + "/%e-%p.prom")
        print("%s preset, medians of %d pairs (in brackets: of the pairs' ratios); at least 0.99\n"
              "  %-28s %9s %9s  %-15s   %7s %7s" % (
                  preset, pairs, "requests a second", "without", "with", "ratio", "without", "with: us CPU each, ratio, of the least; the library's thread"))
        compare("asyncio echo", asyncio, pairs, environment)
        if shutil.which("redis-benchmark"):
            compare("redis SET, GET", redis, pairs, environment)
        else:
            print("  redis-benchmark: not installed")
        if shutil.which("node"):
            compare("Node HTTP, keep-alive", http, pairs, environment)
        else:
            print("  node: left out, not installed")
        if shutil.which("nginx") and shutil.which("ss"):
            compare("nginx, keep-alive", nginx, pairs, environment)
        else:
            print("  nginx: left out, not installed")


for name in ("canary", "dev"):
    main(name)
