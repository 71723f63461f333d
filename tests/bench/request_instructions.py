#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Instructions that the first thread of an asyncio echo server takes for a request, by callgrind: they depend
on no neighbour and on no address. Of two counts of requests, so that start and end are not in it. Nothing
here passes or fails.   tests/bench/request_instructions.py BUILD"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
PLAIN = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
PLAIN["PYTHONHASHSEED"] = "0"
LIBRARY = {"LD_PRELOAD": BUILD + "/libpipeshim.so", "PIPESHIM_LOG": "/dev/null"}
CONNECTIONS, FEW, MANY = 1, 1000, 3000 # one: how many are answered in one turn is chance
SERVER = """
import asyncio, os, sys
class Echo(asyncio.Protocol):
    open = 0
    def connection_made(self, transport):
        self.transport = transport
        Echo.open += 1
    def data_received(self, data):
        self.transport.write(data)
    def connection_lost(self, error):
        Echo.open -= 1
        if Echo.open == 0:
            os._exit(0)
async def main():
    server = await asyncio.get_running_loop().create_unix_server(Echo, sys.argv[1])
    await server.serve_forever()
asyncio.run(main())
"""


def connected(path):
    """The server starts slowly under valgrind."""
    while True:
        client = socket.socket(socket.AF_UNIX)
        try:
            client.connect(path)
            return client
        except OSError:
            client.close()
            time.sleep(0.1)


def count(requests, settings):
    with tempfile.TemporaryDirectory() as folder:
        path, out = folder + "/socket", folder + "/callgrind"
        server = subprocess.Popen(
            ["setarch", "-R", "valgrind", "--tool=callgrind", "--separate-threads=yes",
             "--callgrind-out-file=" + out, "/usr/bin/python3", "-c", SERVER, path],
            env={**PLAIN, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        clients = [connected(path) for _ in range(CONNECTIONS)]
        for number in range(requests // CONNECTIONS):
            for client in clients:
                client.sendall(b"ping")
            for client in clients:
                client.recv(100)
        for client in clients:
            client.close()
        server.wait()
        with open(out + "-01", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(("summary:", "totals:")))


if not shutil.which("valgrind"):
    print("  callgrind: left out, not installed")
    sys.exit(0)
bare = None
print("instructions of the server's own thread for a request (asyncio echo), by callgrind")
for what, settings in (("without", {}), ("PIPESHIM=off", {**LIBRARY, "PIPESHIM": "off"}),
                       ("PIPESHIM_ONLY=another", {**LIBRARY, "PIPESHIM_ONLY": "another"}),
                       ("canary", {**LIBRARY, "PIPESHIM_PRESET": "canary"}), ("dev", LIBRARY)):
    each = (count(MANY, settings) - count(FEW, settings)) / (MANY - FEW)
    bare = bare or each
    print("  %-22s %8.0f  %+5.0f  %.4f" % (what, each, each - bare, each / bare), flush=True)
