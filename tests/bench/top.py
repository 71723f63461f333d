# SPDX-License-Identifier: MIT
"""What a refresh of `pipeshim top` costs with 200 processes that run the library.

    top.py BUILD [PROCESSES]
"""
import json
import os
import resource
import statistics
import subprocess
import sys
import time

BUILD = sys.argv[1]
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 200
REFRESHES = 50


def main():
    environment = dict(os.environ, LD_PRELOAD=os.path.abspath(os.path.join(BUILD, "libpipeshim.so")),
                       PIPESHIM_LOG="/dev/null")
    read_end, write_end = os.pipe()
    # Each sleeps in read(): its page has begun.
    sleepers = [subprocess.Popen(["cat"], stdin=read_end, stdout=subprocess.DEVNULL, env=environment)
                for _ in range(COUNT)]
    tool = [os.path.join(BUILD, "pipeshim"), "top", "--json"]
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            seen = json.loads(subprocess.run(tool + ["-n", "1", "cat"], stdout=subprocess.PIPE,
                                             check=True).stdout)
            if sum(p["state"] != "new" for p in seen["processes"]) >= COUNT:
                break
            time.sleep(0.1)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        out = subprocess.run(tool + ["-n", str(REFRESHES), "--interval", "20ms", "cat"],
                             stdout=subprocess.PIPE, check=True, text=True).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        times = sorted(json.loads(line)["refresh_ms"] for line in out.splitlines())
        others = len([n for n in os.listdir("/proc") if n.isdigit()]) - COUNT
        print("top, a refresh with %d watched and %d other processes: %.1f ms (median), %.1f (p90); "
              "the first look %.1f; CPU with its output as JSON %.1f ms" % (seen["watched"], others, statistics.median(times),
                                       times[len(times) * 9 // 10], seen["refresh_ms"],
                                       cpu * 1000 / REFRESHES))
    finally:
        os.close(write_end)
        os.close(read_end)
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()


main()
