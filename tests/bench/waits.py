#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the waiting side costs and gives, on a machine with 500 processes more: the watchdog's share
of a CPU while its process waits in peace for a child; the time from the closing of a cycle to
`deadlock` in the parent's log; and to the end of `diagnose --stacks`. Medians.

    tests/bench/waits.py BUILD
"""
import datetime
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

PROCESSES, PIPES, CYCLES, PEACE_S = 500, 5, 7, 20
# The child writes its time down and then what the pipe does not hold.
HANGS = ("import subprocess, sys; c = 'import os, time; os.write(1, bytes(65536)); "
         "os.write(2, b\"%f\" % time.time()); os.write(1, bytes(1))'; "
         "subprocess.Popen([sys.executable, '-c', c], stdout=subprocess.PIPE).wait()")
WAITS = ("import subprocess, sys; p = subprocess.Popen(['sleep', '600'], stdout=subprocess.PIPE); "
         "p.stdout.read()")


def sleeper():
    pid = os.fork()
    if pid == 0:
        for _ in range(PIPES):
            os.pipe()
        signal.pause()
    return pid


def start(build, log, code):
    environment = dict(os.environ, LD_PRELOAD=build + "/libpipeshim.so", PIPESHIM_FORMAT="json",
                       PIPESHIM_LOG=log, PIPESHIM_ONLY="python3*")
    return subprocess.Popen(["/usr/bin/python3", "-c", code], stderr=subprocess.PIPE,
                            env=environment, start_new_session=True)


def end(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()


def watchdog_ns(pid):
    for tid in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/comm" % (pid, tid), encoding="ascii") as comm:
            if comm.read().startswith("pipeshim"):
                with open("/proc/%d/task/%s/schedstat" % (pid, tid), encoding="ascii") as file:
                    return int(file.read().split()[0])
    return None


def peace(build, folder):
    process = start(build, os.path.join(folder, "peace"), WAITS)
    while watchdog_ns(process.pid) is None:
        time.sleep(0.01)
    before = watchdog_ns(process.pid)
    time.sleep(PEACE_S)
    share = (watchdog_ns(process.pid) - before) / (PEACE_S * 1e9)
    end(process)
    return share


def told(path, pid):
    """The time of the parent's own `deadlock`, or None."""
    try:
        with open(path, encoding="utf-8") as log:
            for line in log:
                event = json.loads(line)
                if event["event"] == "deadlock" and event["pid"] == pid:
                    return datetime.datetime.fromisoformat(event["time"][:-1] + "+00:00").timestamp()
    except (FileNotFoundError, json.JSONDecodeError):
        pass
    return None


def cycle(build, folder, number):
    """Seconds from the closing of the cycle to the parent's word, and to the end of diagnose."""
    log = os.path.join(folder, "cycle%d.%%p" % number)
    process = start(build, log, HANGS)
    closed = float(os.read(process.stderr.fileno(), 64))
    path, when = log.replace("%p", str(process.pid)), None
    while when is None:
        time.sleep(0.01)
        when = told(path, process.pid)
    begun = time.monotonic()
    subprocess.run([build + "/pipeshim", "diagnose", "--stacks", str(process.pid)], check=False,
                   stdout=subprocess.DEVNULL)
    diagnosed = time.monotonic() - begun
    end(process)
    return when - closed, diagnosed


def main():
    build = os.path.abspath(sys.argv[1])
    sleepers = [sleeper() for _ in range(PROCESSES)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            print("waits: %d processes more; the watchdog of a parent that waits in peace: %.3f %% of "
                  "a CPU (bound 1 %%)" % (PROCESSES, 100 * peace(build, folder)))
            times = [cycle(build, folder, number) for number in range(CYCLES)]
            print("waits: from the closing of a cycle to `deadlock` in the parent's log: %.2f s "
                  "(aim 1.5)" % statistics.median(one for one, _ in times))
            print("waits: diagnose --stacks of it: %.2f s (aim 0.5)" %
                  statistics.median(one for _, one in times))
    finally:
        for pid in sleepers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
