#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The figures of `make bench`: every comparison is A/B/A/B in one run, printed as medians and their
ratio; nothing here passes or fails.   tests/bench/bench.py BUILD [PART...]"""
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = os.path.abspath(sys.argv[1])
LIBRARY = BUILD + "/libpipeshim.so"
PLAIN = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
WITH = dict(PLAIN, LD_PRELOAD=LIBRARY)
PAIRS = 15


def once(command, environment):
    return float(subprocess.run(command, env=environment, check=True, capture_output=True,
                                text=True).stdout)


def hot_path():
    program = BUILD + "/bench/hot_path"
    print("ns an operation, medians of %d pairs      without     with    ratio   target" % PAIRS)
    for mode, what, target in (("devnull", "write of 1 byte to /dev/null", "1.06"),
                               ("pipe", "write of 64 bytes to a read pipe", "1.06"),
                               ("fputc", "fputc", "1.02"), ("malloc", "malloc and free", "1.02")):
        without, with_library = [], []
        for _ in range(PAIRS):
            without.append(once([program, mode], PLAIN))
            with_library.append(once([program, mode], WITH))
        a, b = statistics.median(without), statistics.median(with_library)
        pairs = statistics.median(y / x for x, y in zip(without, with_library))
        print("  %-38s %9.1f %9.1f   %.3f (pair by pair %.3f)  %s" % (what, a, b, b / a, pairs,
                                                                    target))


# Each as its users run it, for writes to /dev/null; sysprof's preload records under sysprof-cli only.
OTHERS = (
    ("strace -f", ["strace", "-f", "-o", "/dev/null"]),
    ("perf trace", ["perf", "trace", "-o", "/dev/null"]),
    ("bpftrace, which counts the writes",
     ["bpftrace", "-e", "tracepoint:syscalls:sys_enter_write { @ = count(); }", "-c"]),
    ("sysprof-cli --speedtrack", ["sysprof-cli", "--speedtrack", "--no-perf", "-f", "/dev/null", "--"]),
)


def others():
    program = [BUILD + "/bench/hot_path", "devnull", "100000"]
    print("write of 1 byte to /dev/null under other tools      ns   ratio to bare, just before")
    for tool, command in OTHERS:
        if not shutil.which(command[0]):
            print("  %s: left out, not installed" % tool)
            continue
        bare = once(program, PLAIN)
        line = command + ([" ".join(program)] if command[-1] == "-c" else program)
        # Its own session: what does not end is ended as a whole.
        process = subprocess.Popen(line, env=PLAIN, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True)
        try:
            out, err = process.communicate(timeout=60)
            figures = [float(word) for word in out.split("\n") if word.replace(".", "", 1).isdigit()]
            if figures:
                print("  %-44s %9.1f   %.1f" % (tool, figures[0], figures[0] / bare))
            else:
                print("  %s: left out: %s" % (tool, (err or out).strip().split("\n")[-1][:90]))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            print("  %s: left out, it does not end within a minute here" % tool)


def instructions():
    """Of one write, by callgrind: no neighbour disturbs them."""
    if not shutil.which("valgrind"):
        print("  callgrind: left out, not installed")
        return

    def count(writes, environment):
        said = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                               BUILD + "/bench/hot_path", "devnull", str(writes)], env=environment,
                              check=True, capture_output=True, text=True).stderr
        return int(next(line for line in said.split("\n") if "Collected" in line).split()[-1])

    for what, environment in (("without", PLAIN), ("with", WITH)):
        print("instructions of a write to /dev/null and its loop, %s: %.1f"
              % (what, (count(30000, environment) - count(10000, environment)) / 20000))


def hot_calls():
    """In one process, chunk by chunk: what other work disturbs least."""
    print("beside each other in one process             ns bare      ns   ratio   null wrapper   target")
    for mode, what, target in (("devnull", "write of 1 byte to /dev/null", 1.015),
                               ("pipe", "write of 64 bytes to a read pipe", 1.015),
                               ("turn", "a loop's turn: epoll_wait, read, write", 1.02)):
        lines = subprocess.run([BUILD + "/bench/hot_calls", mode], env=WITH, check=True,
                               capture_output=True, text=True).stdout.split("\n")
        found = {line.split()[0]: [float(word) for word in line.split()[1:]] for line in lines if line}
        print("  %-38s %9.1f %9.1f   %.3f          %.3f    %.3f" % (
            what, found["bare"][0], *found["preloaded"], found["null"][1], target))


def start_instructions():
    """Of a start of /bin/true, ld.so's work included: on a cold start about one in a ns."""
    if not shutil.which("valgrind"):
        print("  callgrind: left out, not installed")
        return
    bare = None
    for what, setting in (("without", {}), ("with", {"LD_PRELOAD": LIBRARY}),
                          ("left out (PIPESHIM_ONLY)", {"LD_PRELOAD": LIBRARY,
                                                        "PIPESHIM_ONLY": "engine"}),
                          ("PIPESHIM=off", {"LD_PRELOAD": LIBRARY, "PIPESHIM": "off"})):
        command = ["valgrind", "--tool=callgrind", "--trace-children=yes",
                   "--callgrind-out-file=/dev/null", "env", "-i"]
        command += ["%s=%s" % pair for pair in setting.items()] + ["/bin/true"]
        said = subprocess.run(command, env=PLAIN, check=True, capture_output=True, text=True).stderr
        count = int(next(line for line in said.split("\n") if "Collected" in line).split()[-1])
        bare = bare or count
        print("instructions of a start of /bin/true, %s: %d (%+d)" % (what, count, count - bare))


def start_up():
    def run(environment):
        start = time.perf_counter()
        subprocess.run(["/bin/true"], env=environment, check=True)
        return (time.perf_counter() - start) * 1e6
    without, with_library = [], []
    for _ in range(200):
        without.append(run(PLAIN))
        with_library.append(run(WITH))
    print("start of /bin/true: %.0f us without, %.0f us with (medians of 200 pairs)"
          % (statistics.median(without), statistics.median(with_library)))


def latency(count=100):
    """From just before the write that blocks to the event's time, at a threshold of 50 ms."""
    program = ("import os, struct, time\n"
               "os.write(1, b'x' * 65536)\n"
               "while True:\n"
               "    os.write(2, struct.pack('d', time.time()))\n"
               "    os.write(1, b'x' * 4096)\n")
    delays = []
    with tempfile.TemporaryDirectory() as folder:
        log = folder + "/log"
        environment = dict(WITH, PIPESHIM_THRESHOLD="50ms", PIPESHIM_LOG=log,
                           PIPESHIM_FORMAT="json", PIPESHIM_RATE="1000/s")
        out, out_writer = os.pipe()
        err, err_writer = os.pipe()
        victim = subprocess.Popen(["/usr/bin/python3", "-c", program], stdout=out_writer,
                                  stderr=err_writer, env=environment)
        position = 0
        for _ in range(count):
            began = struct_double(os.read(err, 8))
            found = None
            while not found:
                time.sleep(0.005)
                if not os.path.exists(log):  # it is made at the first event
                    continue
                with open(log, "rb") as file:
                    file.seek(position)
                    text = file.read()
                for line in text.splitlines(True):
                    if line.endswith(b"\n"):
                        position += len(line)
                        event = json.loads(line)
                        if event["event"] == "blocked":
                            found = event
            # The event's time is taken when the stack and the facts are there, before the write.
            delays.append((timestamp(found["time"]) - began) * 1000)
            os.read(out, 4096)
        victim.kill()
        victim.wait()
    delays.sort()
    print("event after the call began, threshold 50 ms: p50 %.1f p99 %.1f max %.1f ms (%d calls, "
          "target p99 60)" % (delays[count // 2], delays[count * 99 // 100 - 1], delays[-1], count))


def struct_double(data):
    import struct
    return struct.unpack("d", data)[0]


def timestamp(text):
    import datetime
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


WAITS = "import os, time; os.write(2, b'x' * 5000); os.read(0, 1)"
TURNS = """
import os, select
epoll, (reading, writing) = select.epoll(), os.pipe()
epoll.register(reading, select.EPOLLIN)
while os.write(writing, b"x"):
    epoll.poll(1)
    os.read(reading, 1)
"""
THREADS = """
import os, sys, threading
threading.stack_size(65536)
null, ends = os.open("/dev/null", os.O_WRONLY), os.pipe()
wait = threading.Lock()
wait.acquire()
def idle():
    os.write(null, b"x")
    wait.acquire()
def blocked():
    os.write(ends[1], bytes(100000))
for target, count in ((idle, 990), (blocked, 10)):
    for _ in range(count):
        threading.Thread(target=target, daemon=True).start()
os.read(0, 1)
"""


class Watched:
    """A Python program with the library, and what its watchdog has used."""

    def __init__(self, text):
        with open("/dev/null", "w") as null:
            self.process = subprocess.Popen(["/usr/bin/python3", "-c", text], stdout=null,
                                            stdin=subprocess.PIPE, stderr=null,
                                            env=dict(WITH, PIPESHIM_LOG="/dev/null"))
        self.pid, self.schedstat = self.process.pid, None

    def open_schedstat(self):
        for task in os.listdir("/proc/%d/task" % self.pid):
            folder = "/proc/%d/task/%s/" % (self.pid, task)
            try:
                with open(folder + "comm") as comm:
                    if comm.read() == "pipeshim\n":
                        return open(folder + "schedstat")
            except FileNotFoundError:
                pass
        return None

    def watchdog(self):
        """CPU ms and wake-ups until now; zeroes where there is none."""
        self.schedstat = self.schedstat or self.open_schedstat()
        if not self.schedstat:
            return 0.0, 0
        run, _, slices = os.pread(self.schedstat.fileno(), 100, 0).split()
        return int(run) / 1e6, int(slices)

    def looks(self, seconds):
        """us of CPU of each wake-up in that time; of a watchdog that does not end meanwhile. To ask every few ms
        costs it lines of the cache."""
        looks, last, end = [0.0], self.watchdog(), time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.01)
            cpu, wakes = self.watchdog()
            if wakes > last[1]:
                looks.append((cpu - last[0]) * 1000 / (wakes - last[1]))
                last = cpu, wakes
        return looks[1:] or looks

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


def watchdog():
    """CPU of the watchdog beside programs of several kinds, once they have settled."""
    seconds = 10
    for what, text, settle in (("waits", WAITS, 3),
                               ("writes all the time", "import os\nwhile True: os.write(1, b'x')", 3),
                               ("runs a loop that turns all the time", TURNS, 3),
                               ("has 1,000 threads, 10 of them stuck in a write", THREADS, 40)):
        program = Watched(text)
        time.sleep(settle)
        before = program.watchdog()
        time.sleep(seconds)
        after = program.watchdog()
        cpu, wakes = after[0] - before[0], after[1] - before[1]
        looks = sorted(program.looks(2 * seconds))
        print("watchdog of a program that %s: %.3f %% of a CPU, %.1f wake-ups a second of %.0f us; each by itself "
              "%.0f us (median; three of four below %.0f)" % (
                  what, cpu / seconds / 10, wakes / seconds, cpu * 1000 / max(wakes, 1),
                  statistics.median(looks), looks[len(looks) * 3 // 4]))
        program.end()


def idle_processes(count=100, seconds=60):
    """What a host pays for processes that only wait: those here, and as many as it may have."""
    programs = [Watched(WAITS) for _ in range(count)]
    time.sleep(70)  # until they sleep for as long as they will
    before = [program.watchdog() for program in programs]
    time.sleep(seconds)
    after = [program.watchdog() for program in programs]
    watched = sum(wakes > 0 for _, wakes in after)
    cpu = sum(b[0] - a[0] for a, b in zip(before, after))
    wakes = sum(b[1] - a[1] for a, b in zip(before, after))
    print("%d idle processes (%d with a watchdog): %.2f ms of CPU and %d wake-ups in %d s, of %.0f us; "
          "10,000 such would take %.1f %% of one CPU" % (
              count, watched, cpu, wakes, seconds, cpu * 1000 / max(wakes, 1),
              cpu / seconds / 10 * 10000 / count))
    for program in programs:
        program.end()


PARTS = {"hot_calls": hot_calls, "hot_path": hot_path, "others": others,
         "instructions": instructions, "start_instructions": start_instructions,
         "start_up": start_up, "latency": latency, "watchdog": watchdog,
         "idle_processes": idle_processes}

if __name__ == "__main__":
    for part in sys.argv[2:] or PARTS:
        PARTS[part]()
