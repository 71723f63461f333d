#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a preset costs servers under load, with a JSON log and metrics as in production: an asyncio echo
server, redis, a Node HTTP server, nginx.

One start differs from the next by more than the library costs (asyncio by 8 %: where the kernel maps the
program is random), so that many short ones are needed. Each pair is two new servers, without and with
the library, started in random order, warmed, and loaded in turn in bursts (A/B/B/A), so that both meet
the same moments of the machine. A server has one CPU for all its threads and
the client, eight connections that always have a request under way, has another: what the library's own
thread takes is taken from the server. Both run at real-time priority, where that is allowed, so that
other work does not take their CPU; the library's thread above the server, as it would starve otherwise.

Printed are the mean ratio (of logarithms) of the pairs without the outer fifths, and its 95 % interval by
bootstrap: of the throughput, and of the CPU time that the server's first thread took for a request. Nothing here
passes or fails.

    tests/bench/canary.py BUILD [--pairs N] [--preset canary] [--servers asyncio,redis,node,nginx] [--one-process]

Without --pairs as many as the interval needs: some ten minutes in all.

--one-process takes both from one server with the library, in whose bursts the calls go past the library's doors
and through them in turn (past_doors.c): what the doors cost is then seen by some dozens of starts. What the
library's own thread takes is the same in both, and stands beside it.
"""
import argparse
import contextlib
import gc
import glob
import itertools
import math
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

import loops

HTTP = """
const server = require('http').createServer((request, response) => response.end('hello'));
server.listen(process.argv[1]);
"""
ECHO = """
import asyncio, sys
class Echo(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(data)
async def main():
    server = await asyncio.get_running_loop().create_unix_server(Echo, sys.argv[1])
    await server.serve_forever()
asyncio.run(main())
"""
NGINX = """
daemon off; master_process off; pid nginx.pid; error_log stderr crit;
events {}
http {
    access_log off; keepalive_requests 1000000000;
    client_body_temp_path .; proxy_temp_path .; fastcgi_temp_path .; uwsgi_temp_path .; scgi_temp_path .;
    server { listen unix:%s; location / { return 200 hello; } }
}
"""
SET = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$3\r\nxxx\r\n"
GET = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"
HTTP_GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def nginx(path):
    """One process, which has its files beside the socket."""
    folder = os.path.dirname(path)
    if folder:
        with open(folder + "/nginx.conf", "w", encoding="ascii") as file:
            file.write(NGINX % path)
    return ["nginx", "-p", folder, "-c", folder + "/nginx.conf", "-e", "stderr"]


# What starts it on a socket, what is asked and how the answer ends, seconds to warm up, pairs.
SERVERS = {
    "asyncio": (lambda path: ["/usr/bin/python3", "-c", ECHO, path], [(b"ping", b"ping")], 0.15, 300),
    "redis": (lambda path: ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly",
                            "no", "--dir", os.path.dirname(path)],
              [(SET, b"OK\r\n"), (GET, b"xxx\r\n")], 0.15, 100),
    "node": (lambda path: ["node", "-e", HTTP, path], [(HTTP_GET, b"hello")], 0.8, 90),
    "nginx": (nginx, [(HTTP_GET, b"hello")], 0.15, 100),
}
CONNECTIONS, BURST_S, PAUSE_S, BURSTS = 8, 0.05, 0.01, 4
TURNS = 40 # bursts of a server whose calls go past the doors and through them
PRIORITY = 10
SERVER_CPU, CLIENT_CPU = max(os.sched_getaffinity(0)), min(os.sched_getaffinity(0))


def real_time(pid, cpu, priority):
    """False: this user may not."""
    os.sched_setaffinity(pid, {cpu})
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError:
        return False
    return True


class Loaded:
    """A server, its connections, and what they took of it."""

    def __init__(self, pid, path, talk):
        self.pid, self.talk = pid, itertools.cycle(talk)
        self.requests, self.seconds, self.own, self.library = 0, 0.0, 0.0, 0.0
        self.clients = []
        while len(self.clients) < CONNECTIONS:
            client = socket.socket(socket.AF_UNIX)
            try:
                client.connect(path)
                self.clients.append(client)
            except OSError: # does not listen yet
                client.close()
                time.sleep(0.01)

    def raise_library(self):
        for path in self.threads("pipeshim\n"):
            real_time(int(os.path.basename(path)), SERVER_CPU, PRIORITY + 1)

    def threads(self, name):
        for path in glob.glob("/proc/%d/task/*" % self.pid):
            with open(path + "/comm") as comm:
                if comm.read() == name:
                    yield path

    def cpu(self):
        """Seconds of the first thread, and of the library's."""
        def seconds(path):
            with open(path + "/schedstat") as file:
                return int(file.read().split()[0]) / 1e9
        return seconds("/proc/%d/task/%d" % (self.pid, self.pid)), sum(map(seconds, self.threads("pipeshim\n")))

    def load(self, seconds):
        """Requests that were answered, each connection waiting for its own, and the time it took."""
        waiting, begun, requests = [], time.perf_counter(), 0
        for client in self.clients:
            ask, end = next(self.talk)
            client.sendall(ask)
            waiting.append(end)
        while waiting[0] is not None:
            over = time.perf_counter() - begun > seconds
            for number, client in enumerate(self.clients):
                answer = client.recv(4096)
                while not answer.endswith(waiting[number]):
                    more = client.recv(4096)
                    if not more:
                        raise RuntimeError("the server closed the connection after %r" % answer)
                    answer += more
                requests += 1
                waiting[number] = None
                if not over:
                    ask, waiting[number] = next(self.talk)
                    client.sendall(ask)
        return requests, time.perf_counter() - begun

    def burst(self):
        before = self.cpu()
        requests, seconds = self.load(BURST_S)
        after = self.cpu()
        self.requests += requests
        self.seconds += seconds
        self.own += after[0] - before[0]
        self.library += after[1] - before[1]
        time.sleep(PAUSE_S) # for the rest of the machine


@contextlib.contextmanager
def started(kind, environment):
    command, talk, warm, _ = SERVERS[kind]
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/socket"
        server = subprocess.Popen(command(path), env=environment, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL,
                                  preexec_fn=lambda: real_time(0, SERVER_CPU, PRIORITY))
        loaded = None
        try:
            loaded = Loaded(server.pid, path, talk)
            for _ in range(int(warm / BURST_S)):
                loaded.load(BURST_S)
                time.sleep(PAUSE_S)
            loaded.raise_library()
            yield loaded
        finally:
            for client in loaded.clients if loaded else ():
                client.close()
            server.kill()
            server.wait()


def pair(kind, environments):
    """(without, with): two new servers, loaded."""
    order = [0, 1]
    random.shuffle(order)
    with contextlib.ExitStack() as stack:
        both = {which: stack.enter_context(started(kind, environments[which])) for which in order}
        for turn in range(BURSTS):
            for which in order if turn % 2 == 0 else reversed(order):
                both[which].burst()
    return both[0], both[1]


def one_process(kind, starts, environment):
    """What the doors cost: bursts of each server past them and through them, in turn."""
    environment = dict(environment, PAST_DOORS_OF=environment["LD_PRELOAD"],
                       LD_PRELOAD=loops.BUILD + "/bench/past_doors.so " + environment["LD_PRELOAD"])
    starts = starts or 40
    rates, own, library = [], [], []
    for _ in range(starts):
        with started(kind, environment) as server:
            figures = {False: [], True: []}
            for turn in range(TURNS):
                before = server.requests, server.seconds, server.own
                server.burst()
                requests, seconds, cpu = (after - one for after, one in zip(
                    (server.requests, server.seconds, server.own), before))
                figures[turn % 2 == 1].append((requests / seconds, cpu / requests * 1e6))
                os.kill(server.pid, signal.SIGRTMIN + 9)
                time.sleep(PAUSE_S)
            (rate, cpu), (rate_past, cpu_past) = (
                [statistics.median(column) for column in zip(*figures[past])] for past in (False, True))
            rates.append((rate_past, rate))
            own.append((cpu_past, cpu))
            library.append(server.library / server.seconds)
    print("  %-8s %5d %8.0f %8.0f  %.3f (%.3f to %.3f)   %7.2f %7.2f  %.3f (%.3f to %.3f)   %.2f %%" % (
        kind, starts, *map(statistics.median, zip(*rates)), *with_interval([b / a for a, b in rates]),
        *map(statistics.median, zip(*own)), *with_interval([a / b for a, b in own]),
        100 * statistics.fmean(library)), flush=True)


def middle(ratios):
    """The mean without the outer fifths; of logarithms, so that 1.1 and 1/1.1 are 1."""
    cut = len(ratios) // 5
    return math.exp(statistics.fmean(math.log(one) for one in sorted(ratios)[cut:len(ratios) - cut]))


def with_interval(ratios):
    means = sorted(middle(random.choices(ratios, k=len(ratios))) for _ in range(4000))
    return middle(ratios), means[100], means[3900]


def compare(kind, pairs, environment):
    pairs = pairs or SERVERS[kind][3]
    measured = [pair(kind, (loops.PLAIN, environment)) for _ in range(pairs)]
    rates = [[one.requests / one.seconds for one in both] for both in measured]
    own = [[one.own / one.requests * 1e6 for one in both] for both in measured]
    rate, cpu = (with_interval(ratios) for ratios in (
        [with_it / without for without, with_it in rates], [without / with_it for without, with_it in own]))
    print("  %-8s %5d %8.0f %8.0f  %.3f (%.3f to %.3f)   %7.2f %7.2f  %.3f (%.3f to %.3f)   %.2f %%   %3.0f %%" % (
        kind, pairs, *(statistics.median(one[i] for one in rates) for i in (0, 1)), *rate,
        *(statistics.median(one[i] for one in own) for i in (0, 1)), *cpu,
        100 * statistics.fmean(both[1].library / both[1].seconds for both in measured),
        100 * statistics.fmean(both[0].own / both[0].seconds for both in measured)), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--preset", default="canary")
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--one-process", action="store_true")
    given = parser.parse_args()
    gc.disable()
    alone = real_time(0, CLIENT_CPU, PRIORITY)
    print("preset %s, %s on CPU %d, client on CPU %d%s; goal 0.99\n"
          "  %-8s pairs %17s  %-24s   %15s  %-24s   %s   %s" % (
              given.preset, "servers, past the doors and through them in turn," if given.one_process else
              "pairs of new servers", SERVER_CPU, CLIENT_CPU,
              ", real-time" if alone else ", not at real-time priority (needs root): other work disturbs it",
              "", "requests a second", "ratio (95 %)", "us of CPU each", "ratio (95 %)", "library", "busy"))
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(loops.WITH, PIPESHIM_PRESET=given.preset, PIPESHIM_LOG=folder + "/%e-%p.jsonl",
                           PIPESHIM_METRICS=folder + "/%e-%p.prom")
        for kind in given.servers.split(","):
            program = SERVERS[kind][0]("")[0]
            if shutil.which(program):
                (one_process if given.one_process else compare)(kind, given.pairs, environment)
            else:
                print("  %s: left out, no %s" % (kind, program))


if __name__ == "__main__":
    main()
