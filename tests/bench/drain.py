#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the drainer costs and gives, for `make bench`: A/B/A/B in one run, medians and their ratio;
nothing here passes or fails.   tests/bench/drain.py BUILD"""
import os
import shutil
import statistics
import subprocess
import sys
import time

BUILD = os.path.abspath(sys.argv[1])
PROGRAM = BUILD + "/bench/drain_writes"
PLAIN = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
WITH = dict(PLAIN, LD_PRELOAD=BUILD + "/libpipeshim.so", PIPESHIM_DRAIN="all",
            PIPESHIM_LOG="/dev/null", PIPESHIM_DRAIN_EXIT="0")
PAIRS = int(os.environ.get("PAIRS", "9"))


def figures(environment, *arguments):
    output = subprocess.run([PROGRAM, *map(str, arguments)], env=environment, check=True,
                            capture_output=True, text=True).stdout
    return [float(word) for word in output.split()]


def live(mode):
    print("%s: ns a write, the reader on the other core; medians of %d pairs" % (mode, PAIRS))
    print("  bytes      raw     with  raw/with (pair by pair)  until all is read  raw/RWF_NOWAIT")
    for size, count in ((64, 2000000), (4096, 60000), (65536, 8000)):
        raw, drained, kernel = [], [], []
        for _ in range(PAIRS):
            raw.append(figures(PLAIN, "live", size, count))
            drained.append(figures(dict(WITH, PIPESHIM_DRAIN_MODE=mode), "live", size, count))
            kernel.append(figures(PLAIN, "nowait", size, count))
        a, b = [statistics.median(run[0] for run in runs) for runs in (raw, drained)]
        pairs = statistics.median(x[0] / y[0] for x, y in zip(raw, drained))
        ends = statistics.median(x[1] / y[1] for x, y in zip(raw, drained))
        bound = statistics.median(x[0] / y[0] for x, y in zip(raw, kernel))
        print("  %5d %8.1f %8.1f  %8.3f (%.3f)  %17.3f  %.3f" % (size, a, b, a / b, pairs, ends,
                                                                bound))


def stalled():
    print("nobody reads: ns of one write of 80 bytes (with two clock reads), medians of %d" % PAIRS)
    for what, environment, mode in (("memcpy", PLAIN, "memcpy"), ("drained, full", WITH, "stalled"),
                                    ("drained, behind", dict(WITH, PIPESHIM_DRAIN_MODE="behind"),
                                     "stalled")):
        runs = [figures(environment, mode, 80, 100000) for _ in range(PAIRS)]
        print("  %-16s p50 %6.0f  p99 %6.0f  p99.9 %6.0f" % (
            what, *(statistics.median(run[i] for run in runs) for i in range(3))))


def beside():
    """The same bytes through a filter process, as one would without the library."""
    print("4 KiB writes, s for 200 MB to a live reader")
    source = [sys.executable, "-S", "-c", "import os\nb = bytes(4096)\n"
              "for _ in range(50000): os.write(1, b)"]
    for what, through, environment in (
            ("raw pipe", None, PLAIN), ("drained", None, WITH), ("cat", ["cat"], PLAIN),
            ("stdbuf -oL cat", ["stdbuf", "-oL", "cat"], PLAIN),
            ("mbuffer", ["mbuffer", "-q", "-m", "64M"], PLAIN)):
        if through and not shutil.which(through[0]):
            print("  %-16s not installed" % what)
            continue
        times = []
        for _ in range(3):
            start = time.perf_counter()
            writer = subprocess.Popen(source, env=environment, stdout=subprocess.PIPE)
            last = writer
            if through:
                last = subprocess.Popen(through, stdin=writer.stdout, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
                writer.stdout.close()
            while os.read(last.stdout.fileno(), 65536):
                pass
            times.append(time.perf_counter() - start)
            last.stdout.close()
            last.wait()
            writer.wait()
        print("  %-16s %.3f" % (what, statistics.median(times)))


for wanted in sys.argv[2:] or ("full", "behind", "stalled", "beside"):
    if wanted in ("full", "behind"):
        live(wanted)
    else:
        globals()[wanted]()
