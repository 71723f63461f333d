# SPDX-License-Identifier: MIT
"""Prometheus and node_exporter for tests: installed, or unpacked by scripts/fetch-monitoring.sh."""
import os
import shutil
import socket
import subprocess
import urllib.request

from pipeshim_case import BUILD, DEADLINE_S, wait_until

NODE_EXPORTER = "prometheus-node-exporter"


def program(name):
    """Its path; None: it is not here."""
    unpacked = os.path.join(BUILD, "monitoring/usr/bin", name)
    return shutil.which(name) or (unpacked if os.access(unpacked, os.X_OK) else None)


def have(*names):
    """False, with a line that says so, when one of them is not here."""
    missing = [name for name in names if not program(name)]
    if missing:
        print("left out: no %s (Debian's package prometheus, prometheus-node-exporter)"
              % ", ".join(missing), flush=True)
    return not missing


def promtool(*arguments, text=None):
    return subprocess.run([program("promtool"), *arguments], input=text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE_S)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url):
    """The body; "" while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def start(case, command, url):
    """A server that answers at `url`; killed at the end of the test."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    case.addCleanup(process.stdout.close)
    case.addCleanup(process.wait)
    case.addCleanup(process.kill)

    def answers():
        if process.poll() is not None:
            raise AssertionError("%s: %s" % (command[0], process.stdout.read()))
        return get(url)
    wait_until(answers, "answer of " + os.path.basename(command[0]))
    return process
