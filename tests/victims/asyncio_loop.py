#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An asyncio loop that ticks, is blocked by one callback in the way that argv[1] names, and ticks
again. SIGUSR1 ends what can be interrupted; a child is killed by who knows its pid."""
import asyncio
import atexit
import fcntl
import hashlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time


class Released(Exception):
    pass


def release(*_):
    raise Released


def silent_server():
    """A server that takes connections and never answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, "http://127.0.0.1:%d/" % listener.getsockname()[1]


def full_server():
    """A listener whose queue is full: no connection is answered."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = []
    for _ in range(3):
        client = socket.socket()
        client.setblocking(False)
        try:
            client.connect(listener.getsockname())
        except BlockingIOError:
            pass
        waiting.append(client)
    return listener, waiting


def locked_by_child(lock):
    """A file that a child has locked."""
    path = sys.argv[2]
    ready, tell = os.pipe()
    locker = os.fork()
    if locker == 0:
        signal.alarm(60)
        file = open(path, "w")
        lock(file, fcntl.LOCK_EX)
        os.write(tell, b"x")
        time.sleep(60)
    atexit.register(os.kill, locker, signal.SIGKILL)
    os.read(ready, 1)
    return open(path, "w")


def way_requests():
    import requests
    listener, url = silent_server()
    return lambda: (requests.get(url, timeout=60), listener)


def way_urllib():
    import urllib.request
    listener, url = silent_server()
    return lambda: (urllib.request.urlopen(url, timeout=60), listener)


def way_httpx():
    import httpx
    listener, url = silent_server()
    client = httpx.Client(timeout=60)
    return lambda: (client.get(url), listener)


def way_recv():
    listener, _ = silent_server()
    client = socket.create_connection(listener.getsockname())
    return lambda: (client.recv(1), listener)


def way_connect():
    servers = full_server()
    return lambda: socket.socket().connect(servers[0].getsockname())


def way_connect_timeout():
    servers = full_server()
    return lambda: socket.create_connection(servers[0].getsockname(), timeout=60)


def way_accept():
    listener = socket.create_server(("127.0.0.1", 0))
    return listener.accept


def way_pipe_read():
    ends = os.pipe()
    return lambda: os.read(ends[0], 1)


def way_pipe_write():
    ends = os.pipe()
    return lambda: os.write(ends[1], bytes(100000))


def way_fifo():
    os.mkfifo(sys.argv[2])
    return lambda: open(sys.argv[2])


def way_flock():
    file = locked_by_child(fcntl.flock)
    return lambda: fcntl.flock(file, fcntl.LOCK_EX)


def way_lockf():
    file = locked_by_child(fcntl.lockf)
    return lambda: fcntl.lockf(file, fcntl.LOCK_EX)


def way_lock():
    lock = threading.Lock()
    lock.acquire()
    return lock.acquire


def way_sqlite():
    owner = sqlite3.connect(sys.argv[2])
    owner.execute("create table t (a)")
    owner.execute("begin exclusive")
    other = sqlite3.connect(sys.argv[2], timeout=2)
    return lambda: other.execute("insert into t values (1)")


def compute():
    while True:
        hashlib.sha256(b"x" * 500).digest()


WAYS = {
    "sleep": lambda: lambda: time.sleep(60),
    "run": lambda: lambda: subprocess.run(["sleep", "60"]),
    "run_captured": lambda: lambda: subprocess.run(["sleep", "60"], capture_output=True),
    "system": lambda: lambda: os.system("exec sleep 60"),
    "cpu": lambda: compute,
    **{name[4:]: function for name, function in globals().items() if name.startswith("way_")},
}


async def turns(count):
    for _ in range(count):
        await asyncio.sleep(0.01)


async def main():
    def blocked_here():
        try:
            block()
        except (Released, sqlite3.OperationalError):
            pass

    block = WAYS[sys.argv[1]]() if sys.argv[1] != "none" else None
    signal.signal(signal.SIGUSR1, release)
    await turns(20)
    if block:
        asyncio.get_running_loop().call_soon(blocked_here)
    await turns(10)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


asyncio.run(main())
