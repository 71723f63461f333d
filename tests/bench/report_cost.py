#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What one report costs the watchdog: a Python program, 15 Python frames and some 30 C frames deep,
blocks on a full pipe again and again. Prints the time from the decision to report to the finished
stack (the `explained_us` of the events): the first report, and the median of the others. What the
first one needs is read ahead, while the call is not due yet: so also all CPU time that the watchdog
has used by then, its start and its look at who waits for whom included. And the CPU time of the blocked thread meanwhile, which should be none: it is asleep.

    tests/bench/report_cost.py BUILD
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

REPORTS = 21
PROGRAM = """
import os, sys
def level(n, write):
    if n == 0:
        os.write(1, b"x" * 65536)
        return 0
    if n % 4 == 1:  # through C: sorted() calls its key function
        return sorted([n], key=lambda _: level(n - 1, write))[0]
    return level(n - 1, write)
for _ in range(REPORTS):
    level(10, None)
""".replace("REPORTS", str(REPORTS))


def events(path):
    try:
        with open(path, encoding="utf-8") as log:
            return [json.loads(line) for line in log if line.endswith("\n")]
    except FileNotFoundError:
        return []


def cpu_time_ns(pid, tid):
    with open("/proc/%d/task/%d/schedstat" % (pid, tid), encoding="ascii") as file:
        return int(file.read().split()[0])


def watchdog_of(pid):
    for tid in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/comm" % (pid, tid), encoding="ascii") as file:
            if file.read() == "pipeshim\n":
                return int(tid)
    return pid


def wait_until_asleep(pid):
    while True:
        with open("/proc/%d/wchan" % pid, encoding="ascii") as file:
            if "pipe_w" in file.read():
                return
        time.sleep(0.001)


def main():
    build = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        environment = dict(os.environ, LD_PRELOAD=build + "/libpipeshim.so", PIPESHIM_LOG=log,
                           PIPESHIM_FORMAT="json", PIPESHIM_THRESHOLD="20ms",
                           PIPESHIM_REPEAT="0", PIPESHIM_RATE="1000/s")
        reader, writer = os.pipe()
        os.write(writer, b"y")  # one slot taken: each write of a whole pipe's size blocks
        victim = subprocess.Popen(["/usr/bin/python3", "-c", PROGRAM], stdout=writer,
                                  env=environment)
        os.close(writer)
        paid = []
        for number in range(1, REPORTS + 1):
            wait_until_asleep(victim.pid)
            before = cpu_time_ns(victim.pid, victim.pid)
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                if sum(e["event"] == "blocked" for e in events(log)) >= number:
                    break
                time.sleep(0.005)
            paid.append(cpu_time_ns(victim.pid, victim.pid) - before)
            if number == 1:
                spent = cpu_time_ns(victim.pid, watchdog_of(victim.pid))
            taken = 0
            while taken < 65536:  # what is left keeps one slot
                taken += len(os.read(reader, 65536 - taken))
        victim.kill()
        victim.wait()
        blocked = [e for e in events(log) if e["event"] == "blocked"]
    times = [e["explained_us"] for e in blocked]
    print("frames: %d C, %d Python" % (len(blocked[0]["stack"]), len(blocked[0]["python"])))
    print("one report: first %d us, then median %d us (%d reports)"
          % (times[0], statistics.median(times[1:]), len(times)))
    print("CPU time of the watchdog until just after the first report: %.1f ms" % (spent / 1e6))
    print("CPU time of the blocked thread while it was reported: %d ns in all" % sum(paid))


if __name__ == "__main__":
    main()
