# SPDX-License-Identifier: MIT
"""Prometheus, node_exporter, Vector's VRL and LogQL's grammar for tests: installed, or from
scripts/fetch-monitoring.sh."""
import json
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


MODULES = os.path.join(BUILD, "monitoring/node_modules")


def have_module(name):
    """False, with a line that says so, when Node or this package of npm's is not here."""
    there = shutil.which("node") and os.path.isdir(os.path.join(MODULES, name))
    if not there:
        print("left out: no node, or no %s from npm (scripts/fetch-monitoring.sh)" % name, flush=True)
    return there


def javascript(program, given):
    """What `program` prints as JSON; `given` is its global `given`."""
    done = subprocess.run(["node", "-e", "const given = JSON.parse(require('fs').readFileSync(0));" + program],
                          env=dict(os.environ, NODE_PATH=MODULES), input=json.dumps(given), text=True,
                          stdout=subprocess.PIPE, check=True, timeout=DEADLINE_S)
    return json.loads(done.stdout)


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
