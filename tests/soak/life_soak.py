#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Programs that fork, sandbox themselves, give up rights, are cancelled, jump out of calls, run
handlers on small stacks and end in every way, while reports are made at a threshold of 1 ms: for
`make soak-life`. Each life (tests/victims/soak_life.c) is lived without the library and with it;
status and output must be the same.   life_soak.py SECONDS [SEED]
PIPESHIM_SOAK_DRAIN=full or behind puts the drainer into all of them, else it is in none.
PIPESHIM_SOAK_ASAN=1 takes the library that is built with AddressSanitizer; then both lives have its
runtime."""
import glob
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from pipeshim_case import LIBRARY, read_text, victim  # noqa: E402

DEADLINE_S = 120
DRAIN = os.environ.get("PIPESHIM_SOAK_DRAIN")
ASAN = os.environ.get("PIPESHIM_SOAK_ASAN")
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
if DRAIN:
    CLEAN["SOAK_DRAIN"] = DRAIN
PRELOAD = [LIBRARY]
if ASAN:
    RUNTIME = subprocess.run([*os.environ.get("CC", "gcc").split(), "-print-file-name=libasan.so"],
                             capture_output=True, text=True, check=True).stdout.strip()
    PRELOAD = [RUNTIME, os.path.join(os.path.dirname(LIBRARY), "asan/libpipeshim.so")]
    # Its frames are larger than what is promised of the library's.
    CLEAN.update(LD_PRELOAD=RUNTIME, SOAK_SMALL_STACK="65536",
                 ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0:exitcode=99")


class Failed(Exception):
    pass


def session(leader):
    """The processes that a life has left or has now, ours included: all are of its session."""
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        fields = read_text(path).rpartition(") ")[2].split()
        if fields and int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(path.split("/")[2]))
    return found


def what_they_do(leader):
    lines = []
    for pid in session(leader):
        for task in glob.glob("/proc/%d/task/*" % pid):
            lines.append("%s %s %s %s syscall %s" % (
                task, read_text(task + "/comm").strip(),
                read_text(task + "/stat").rpartition(") ")[2][:1], read_text(task + "/wchan"),
                read_text(task + "/syscall").strip()))
        if os.environ.get("PIPESHIM_SOAK_GDB"):
            lines.append(subprocess.run(
                ["gdb", "-q", "-batch", "-p", str(pid), "-ex", "thread apply all bt 12"],
                capture_output=True, text=True, check=False, timeout=60).stdout)
    return "\n".join(lines)


def read_late(reader, plan, chunks):
    time.sleep(plan[0])
    while chunk := os.read(reader, plan[1]):
        chunks.append(chunk)


def text_of(file):
    file.seek(0)
    return file.read().decode(errors="replace")


def live(arguments, environment, plan):
    """(exit status, its words, stdout) of one life; its stdout is read late. Its stderr is ours: a
    log that cannot be opened any more, as its rights were given up, goes there."""
    reader, writer = os.pipe()
    chunks = []
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([victim("soak_life"), *arguments], stdin=subprocess.DEVNULL,
                                   stdout=writer, stderr=errors, pass_fds=[said.fileno()],
                                   env={**environment, "SOAK_WORDS": str(said.fileno())},
                                   start_new_session=True)
        os.close(writer)
        thread = threading.Thread(target=read_late, args=(reader, plan, chunks), daemon=True)
        thread.start()
        try:
            status = process.wait(DEADLINE_S)
            thread.join(DEADLINE_S)
            if thread.is_alive():
                raise Failed("its stdout never ended\n" + what_they_do(process.pid))
        except subprocess.TimeoutExpired:
            raise Failed("it did not end in %d s\n%s\n%s\n%s" % (
                DEADLINE_S, text_of(said), text_of(errors)[-5000:], what_they_do(process.pid)))
        finally:
            for pid in [process.pid, *session(process.pid)]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            process.wait()
            thread.join()
            os.close(reader)
        if "ERROR: " in text_of(errors) or "runtime error: " in text_of(errors):
            raise Failed("a sanitizer speaks: " + text_of(errors)[-10000:])
        return status, text_of(said), b"".join(chunks)


def settings(choose, folder):
    """Of a round: reports as often as it gets, and each other part of the library now and then."""
    chosen = {
        "THRESHOLD": "1ms", "RATE": "100000/s", "REPEAT": choose.choice(("0", "60s")),
        "FORMAT": choose.choice(("json", "json", "text")),
        "LOG": folder + choose.choice(("/log.%p", "/log")),
        "STACK": choose.choice(("on", "on", "off")),
        "SUMMARY": choose.choice(("on", "always", "off")),
    }
    if choose.random() < 0.2:
        chosen.update(METRICS=folder + "/metrics.%p.prom", METRICS_EVERY="1s")
    if choose.random() < 0.2:
        chosen.update(ACTION="exec:cat >/dev/null", ACTION_AFTER="2ms", ACTION_ON="blocked",
                      ACTION_MAX="5")
    if choose.random() < 0.2:
        with open(folder + "/rules", "w", encoding="utf-8") as file:
            file.write("call:select\nfunction:sleep*\n")
        chosen["SUPPRESS"] = folder + "/rules"
    if DRAIN:
        chosen.update(DRAIN="all", DRAIN_MODE=DRAIN, DRAIN_MAX=choose.choice(("256K", "64M")))
    return {"PIPESHIM_" + name: value for name, value in chosen.items()}


def check_log(folder):
    """How many reports were made; each line of JSON must be one."""
    reports = 0
    for path in glob.glob(folder + "/log*"):
        for line in read_text(path).splitlines(True):
            if line.startswith("{") and line.endswith("\n"):
                reports += json.loads(line)["event"] in ("blocked", "drain_start")
            else:
                reports += "BLOCKED" in line or "DRAIN" in line
    return reports


def one_round(choose):
    arguments = [str(choose.randrange(1 << 30)), str(choose.randrange(1, 6))]
    plan = (choose.choice((0, 0, 0.01, 0.05)), choose.choice((4096, 65536)))
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        ours = settings(choose, folder)
        without = live(arguments, CLEAN, plan)
        try:
            with_library = live(arguments,
                                {**CLEAN, **ours, "LD_PRELOAD": " ".join(PRELOAD)}, plan)
        except Failed as failure:
            raise Failed("soak_life %s\n%s\n%s" % (" ".join(arguments), ours, failure))
        if with_library != without:
            again = live(arguments, CLEAN, plan)
            raise Failed("soak_life %s\n%s\nwithout (twice the same: %s): %s\n%s\nwith: %s\n%s" % (
                " ".join(arguments), ours,
                again == without, without[0], without[1], with_library[0], with_library[1]))
        return check_log(folder)


def main():
    end = time.monotonic() + float(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 1000000
    print("seed %d" % seed, flush=True)
    rounds = reports = 0
    while rounds == 0 or time.monotonic() < end:
        try:
            reports += one_round(random.Random("%d %d" % (seed, rounds)))
        except BaseException as failure:
            print("failed: seed %d, round %d: %s" % (seed, rounds, failure), flush=True)
            sys.exit(1)
        rounds += 1
    print("%d lives ended as without the library, beside %d reports" % (rounds, reports))
    if reports == 0:
        sys.exit("no report was made: nothing was tried")


if __name__ == "__main__":
    main()
