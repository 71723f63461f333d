#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a host pays for very many idle servers: the CPU time of the whole machine each 20 s, without the
library and with it. Started a hundred at a time, as all at once would look at each other. Some seven minutes
for 10,000; nothing here passes or fails.   tests/bench/idle_host.py BUILD [COUNT [tcp]]"""
import os
import subprocess
import sys
import time

import loops

COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
SERVER = [loops.BUILD + "/bench/idle_server", *sys.argv[3:4]]
WITH = dict(loops.WITH, PIPESHIM_LOG="/dev/null")
SPAN_S, TOGETHER, PAUSE_S = 20, 100, 0.5


def machine():
    """Seconds that its CPUs were busy, and how often they changed between threads."""
    with open("/proc/stat") as file:
        lines = dict(line.split(maxsplit=1) for line in file)
    user, nice, system, _, _, *interrupts = map(int, lines["cpu"].split()[:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK"), int(lines["ctxt"])


def threads(pid):
    return len(os.listdir("/proc/%d/task" % pid))


def host(what, environment, spans):
    servers = []
    begun = time.monotonic()
    try:
        for number in range(COUNT):
            servers.append(subprocess.Popen(SERVER, env=environment, stdin=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL))
            if number % TOGETHER == TOGETHER - 1:
                time.sleep(PAUSE_S)
        print("%s: %d servers, started in %.0f s" % (what, COUNT, time.monotonic() - begun), flush=True)
        for _ in range(spans):
            before = machine()
            time.sleep(SPAN_S)
            busy, changes = (b - a for a, b in zip(before, machine()))
            print("  after %3.0f s: %5.2f %% of one CPU, %.0f changes of thread a second" % (
                time.monotonic() - begun, busy / SPAN_S * 100, changes / SPAN_S), flush=True)
        print("  %d of them have a watchdog" % sum(threads(one.pid) > 1 for one in servers))
    finally:
        for one in servers:
            one.kill()
        for one in servers:
            one.wait()


host("without", loops.PLAIN, 2)
host("with", WITH, 12)
