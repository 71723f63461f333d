#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the library costs event loops: redis, an asyncio echo server, a loop in C. A/B/A/B in one
run, printed as medians and their ratio; nothing here passes or fails.   tests/bench/loops.py BUILD"""
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
PLAIN = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
WITH = dict(PLAIN, LD_PRELOAD=BUILD + "/libpipeshim.so")
PAIRS = 10
ECHO = """
import asyncio, sys
class Echo(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(data)
async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def epoll_cycle(environment):
    return float(subprocess.run([BUILD + "/bench/epoll_cycle"], env=environment, check=True,
                                capture_output=True).stdout)


def echo(environment, messages=15000):
    """Messages a second that come back."""
    server = subprocess.Popen(["/usr/bin/python3", "-c", ECHO], env=environment,
                              stdout=subprocess.PIPE)
    try:
        with socket.create_connection(("127.0.0.1", int(server.stdout.readline()))) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for number in range(messages + 2000):
                if number == 2000:
                    begun = time.perf_counter()
                client.sendall(b"ping")
                client.recv(16)
            return messages / (time.perf_counter() - begun)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def redis(environment, requests="60000"):
    """Requests a second, SET and GET, one at a time from each of 50 clients."""
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/socket"
        server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", path, "--save", "",
                                   "--appendonly", "no", "--dir", folder], env=environment,
                                  stdout=subprocess.DEVNULL)
        try:
            while not os.path.exists(path):
                time.sleep(0.01)
            lines = subprocess.run(["redis-benchmark", "-s", path, "-t", "set,get", "-P", "1", "-n",
                                    requests, "--csv"], env=PLAIN, check=True, capture_output=True,
                                   text=True).stdout.splitlines()[1:]
            return statistics.mean(float(line.split(",")[1].strip('"')) for line in lines)
        finally:
            server.kill()
            server.wait()


def compare(what, measure, target):
    without, with_library = [], []
    measure(PLAIN)  # warms up
    for _ in range(PAIRS):
        without.append(measure(PLAIN))
        with_library.append(measure(WITH))
    a, b = statistics.median(without), statistics.median(with_library)
    pairs = statistics.median(y / x for x, y in zip(without, with_library))
    print("  %-46s %10.1f %10.1f   %.3f (pair by pair %.3f)  %s" % (what, a, b, b / a, pairs,
                                                                   target), flush=True)


if __name__ == "__main__":
    print("event loops, medians of %d pairs                       without       with    ratio   "
          "target" % PAIRS)
    compare("epoll_wait, write and read in C, ns a turn", epoll_cycle, "at most 1.05")
    compare("asyncio echo ping-pong, messages a second", echo, "at least 0.98")
    if shutil.which("redis-benchmark"):
        compare("redis-benchmark set,get -P 1, requests a second", redis, "at least 0.98")
    else:
        print("  redis-benchmark: not installed")
