#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What very many idle servers pay for the library: how often their watchdogs wake, and the CPU time that takes, of
a thousand of them in spans of 20 s. Not the whole machine's, in which whoever looks at all processes has its part.
Started a hundred at a time, as all at once would look at each other. Some six minutes for 10,000; nothing here
passes or fails.   tests/bench/idle_host.py BUILD [COUNT [tcp]]"""
import os
import subprocess
import sys
import time

import loops

COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
SERVER = [loops.BUILD + "/bench/idle_server", *sys.argv[3:4]]
WITH = dict(loops.WITH, PIPESHIM_LOG="/dev/null")
SPANS, SPAN_S, TOGETHER, PAUSE_S, LOOKED_AT = 12, 20, 100, 0.5, 1000


def watchdogs(pids):
    """Of each process that has one: nanoseconds on a CPU, and how often it was given one."""
    found = {}
    for pid in pids:
        for tid in os.listdir("/proc/%d/task" % pid):
            if int(tid) != pid:
                with open("/proc/%d/task/%s/schedstat" % (pid, tid)) as file:
                    run, _, slices = map(int, file.read().split())
                found[pid] = run, slices
    return found


def main():
    servers = []
    begun = time.monotonic()
    try:
        for number in range(COUNT):
            servers.append(subprocess.Popen(SERVER, env=WITH, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            if number % TOGETHER == TOGETHER - 1:
                time.sleep(PAUSE_S)
        print("%d servers, started in %.0f s" % (COUNT, time.monotonic() - begun), flush=True)
        pids = [one.pid for one in servers[::max(1, COUNT // LOOKED_AT)]]
        for _ in range(SPANS):
            before, since = watchdogs(pids), time.monotonic()
            time.sleep(SPAN_S)
            after, seconds = watchdogs(pids), time.monotonic() - since
            run, slices = (sum(after[pid][i] - before.get(pid, (0, 0))[i] for pid in after) for i in (0, 1))
            print("  after %3.0f s: %d of %d have a watchdog, %.2f wake-ups a minute each, of %.0f us: all of them"
                  " %.2f %% of one CPU" % (time.monotonic() - begun, len(after), len(pids),
                                           slices / len(pids) / seconds * 60, run / max(slices, 1) / 1e3,
                                           run / 1e9 / seconds / len(pids) * COUNT * 100), flush=True)
    finally:
        for one in servers:
            one.kill()
        for one in servers:
            one.wait()


main()
