# SPDX-License-Identifier: MIT
"""Shared by what runs in systems of other releases: a parent that reads its child's stdout and
never its stderr. Standard library of Python 3.9 alone."""
import json
import os
import subprocess
import sys
import time

HERE = sys.argv[1]
LIBRARY = os.path.join(HERE, "lib/libpipeshim.so")
TOOL = os.path.join(HERE, "bin/pipeshim")
DEADLINE_S = 120

CHILD = """
import sys
def log_request(number):
    sys.stderr.write("request %d %s\\n" % (number, "x" * 900))
def serve():
    for number in range(COUNT):
        log_request(number)
    print("done", flush=True)
serve()
"""
PARENT = """
import subprocess, sys
def ask():
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
    print(child.stdout.readline().decode().strip(), flush=True)
    return child.wait() if DRAINED else child.kill()
ask()
"""


def program(count=1000, drained=False):
    """The source of the parent."""
    child = CHILD.replace("COUNT", str(count))
    return PARENT.replace("CHILD", repr(child)).replace("DRAINED", str(drained))


def start(log, source, **settings):
    environment = dict(os.environ, LD_PRELOAD=LIBRARY, PIPESHIM_LOG=log, PIPESHIM_FORMAT="json",
                       **settings)
    return subprocess.Popen([sys.executable, "-c", source], env=environment,
                            stdout=subprocess.PIPE, start_new_session=True)


def events(log, kind=None):
    try:
        with open(log, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []
    return [event for event in lines if kind in (None, event["event"])]


def await_event(log, kind):
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        found = events(log, kind)
        if found:
            return found[0]
        time.sleep(0.01)
    sys.exit("no %s within %d s: %s" % (kind, DEADLINE_S, events(log, "start")))
