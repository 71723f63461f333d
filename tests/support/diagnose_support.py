# SPDX-License-Identifier: MIT
"""What the tests of `pipeshim diagnose` share: victims that are always cleaned up, and the call."""
import json
import os
import signal
import subprocess
import sys
import time
import unittest

BUILD = os.environ.get("PIPESHIM_BUILD", os.path.join(os.path.dirname(__file__), "../../build"))
PIPESHIM = os.path.join(BUILD, "pipeshim")
PYTHON = "/usr/bin/python3"
DEADLINE = int(os.environ.get("D", 120))

CLEAR, STUCK, DEADLOCK, ERROR = 0, 1, 2, 3


def descendants(pid):
    """All living processes below pid, by the parents that ps(1) would show."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as stat:
                    parent = int(stat.read().rsplit(b")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


class DiagnoseTest(unittest.TestCase):
    maxDiff = None

    def spawn(self, command, **options):
        """A victim in a process group of its own, killed with all that is below it."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        victim = subprocess.Popen(command, start_new_session=True, **options)
        self.addCleanup(self.end, victim)
        return victim

    def python(self, code, *arguments, **options):
        return self.spawn([PYTHON, "-u", "-c", code, *map(str, arguments)], **options)

    def end(self, victim):
        for pid in descendants(victim.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:  # those who were left to init, but stayed in the group
            os.killpg(victim.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        victim.wait()
        for stream in (victim.stdin, victim.stdout, victim.stderr):
            if stream:
                stream.close()

    def diagnose(self, *arguments, timeout=DEADLINE):
        """The exit status and the JSON object."""
        done = subprocess.run([PIPESHIM, "diagnose", "--json", *map(str, arguments)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=timeout)
        return done.returncode, json.loads(done.stdout) if done.stdout else None

    def text(self, *arguments):
        done = subprocess.run([PIPESHIM, "diagnose", *map(str, arguments)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=DEADLINE)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def until(self, condition, what):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            result = condition()
            if result:
                return result
            time.sleep(0.02)
        self.fail(f"not within {DEADLINE} s: {what}")

    def until_status(self, status, *arguments):
        """Diagnoses until the status is the expected one; returns the JSON of that diagnosis."""
        last = []

        def reached():
            last[:] = self.diagnose(*arguments)
            return last[0] == status and last
        try:
            return self.until(reached, f"exit status {status}")[1]
        except AssertionError:
            self.fail(f"never exit status {status}, but {last[0]}: {json.dumps(last[1], indent=1)}")

    def the_finding(self, report, kind):
        findings = [f for f in report["findings"] if f["kind"] == kind]
        self.assertEqual(len(findings), 1, report["findings"])
        return findings[0]

    def assert_closed(self, finding):
        chain = finding["chain"]
        self.assertGreaterEqual(len(chain), 1)
        for link, following in zip(chain, chain[1:] + chain[:1]):
            self.assertEqual(link["for_pid"], following["pid"], chain)

    def wchan(self, pid):
        with open(f"/proc/{pid}/wchan") as wchan:
            return wchan.read()

    def child_of(self, pid, name=None):
        """The one child of a process, once it is there (and has the name)."""
        def present():
            for child in descendants(pid):
                try:
                    with open(f"/proc/{child}/comm") as comm:
                        if name is None or comm.read().strip() == name:
                            return child
                except OSError:
                    pass
            return None
        return self.until(present, f"a child {name or ''} of {pid}")


def main():
    unittest.main(verbosity=1, argv=[sys.argv[0], *sys.argv[1:]])
