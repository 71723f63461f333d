#!/bin/sh
# SPDX-License-Identifier: MIT
# What a diagnosis of the whole machine costs: 500 more processes with 10 pipe ends each, without and
# with a deadlock among them. Prints the median of 11 runs in milliseconds.
#   bench-diagnose.sh BUILD
set -eu
exec /usr/bin/python3 - "$1/pipeshim" <<'PYTHON'
import os
import signal
import statistics
import subprocess
import sys
import time

PROCESSES, PIPES, RUNS = 500, 5, 11


def sleeper():
    pid = os.fork()
    if pid == 0:
        for _ in range(PIPES):
            os.pipe()
        signal.pause()
    return pid


def deadlock():
    child = ("import subprocess, sys; subprocess.Popen([sys.executable, '-c', "
             "'import os; os.write(1, bytes(300000))'], stdout=subprocess.PIPE).wait()")
    return subprocess.Popen([sys.executable, "-c", child], start_new_session=True)


def measure(title, expected):
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        status = subprocess.run([sys.argv[1], "diagnose", "--all"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL).returncode
        times.append((time.perf_counter() - start) * 1e3)
    warning = "" if status == expected else f"  (exit status {status}, expected {expected})"
    print(f"{title:48} {statistics.median(times):7.1f} ms{warning}")


pids = [sleeper() for _ in range(PROCESSES)]
victim = None
try:
    time.sleep(0.5)
    measure(f"diagnose --all, {PROCESSES} processes, {PROCESSES * PIPES * 2} pipe ends", 0)
    victim = deadlock()
    time.sleep(0.5)
    measure("the same with a deadlock (two looks)", 2)
finally:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if victim:
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
PYTHON
