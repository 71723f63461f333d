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


BYTES = int(os.environ.get("MEGABYTES", "64")) << 20
MOST = 500000
SIZES = [int(word) for word in os.environ.get(
    "SIZES", "16 64 512 4096 16384 65536 262144 1048576").split()]


def live(mode):
    """`live`: as it comes; `step`: a reader that never sleeps; `asleep`: one that always does."""
    print("%s: ns a write, the reader on the other core; medians of %d pairs" % (mode, PAIRS))
    print("  state    bytes        raw       with  raw/with: pairs (quartiles)  until all is read")
    for state in os.environ.get("STATES", "live step asleep").split():
        for size in SIZES:
            count = min(BYTES // size, MOST) if state != "asleep" else min(BYTES // size, 5000)
            raw, drained = [], []
            for _ in range(PAIRS):
                raw.append(figures(PLAIN, state, size, count))
                drained.append(figures(dict(WITH, PIPESHIM_DRAIN_MODE=mode), state, size, count))
            a, b = [statistics.median(run[0] for run in runs) for runs in (raw, drained)]
            pairs = statistics.quantiles([x[0] / y[0] for x, y in zip(raw, drained)])
            ends = statistics.median(x[1] / y[1] for x, y in zip(raw, drained))
            print("  %-6s %7d %10.1f %10.1f   %5.2f: %.2f (%.2f-%.2f)  %17.2f" % (
                state, size, a, b, a / b, pairs[1], pairs[0], pairs[2], ends), flush=True)


def turns():
    """Without what differs from one process to the next: the two writes in turn, in one."""
    print("in turn in one process: ns of libc's own write and of write(), their ratio, that of the "
          "medians;\nlast, the ratio of libc's own to itself; medians of %d runs" % PAIRS)
    for state in ("turns-step", "turns-asleep"):
        for mode, sizes in (("full", SIZES), ("behind", [s for s in SIZES if s >= 1024])):
            for size in sizes:
                count = max(40, min(4000, BYTES // size // (100 if state == "turns-step" else 2)))
                behind = dict(WITH, PIPESHIM_DRAIN_MODE=mode)
                runs = [figures(behind, state, size, count) +
                        figures(dict(behind, BARE_ONLY="1"), state, size, count)
                        for _ in range(PAIRS)]
                print("  %-12s %-6s %7d %8.0f %8.0f   %5.3f  %5.3f   %5.3f" % (
                    state, mode, size, *(statistics.median(run[i] for run in runs)
                                         for i in (0, 1, 2, 3, 6))), flush=True)


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


for wanted in sys.argv[2:] or ("full", "behind", "turns", "stalled", "beside"):
    if wanted in ("full", "behind"):
        live(wanted)
    else:
        globals()[wanted]()
