# SPDX-License-Identifier: MIT
"""Programs under the preload, with a threshold of 50 ms, and one whose write is stuck."""
import json
import os
import subprocess

from pipeshim_case import DEADLINE_S, LIBRARY, sleeps_in_write, wait_until


def environment(**settings):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
    kept.update(LD_PRELOAD=LIBRARY, PIPESHIM_THRESHOLD="50ms")
    kept.update(settings)
    return kept


def run(*command, settings, **options):
    return subprocess.run(command, env=environment(**settings), capture_output=True, text=True,
                          timeout=DEADLINE_S, **options)


def kinds(text):
    """The events of a log; without "still" and "finding", which only a slow machine makes of a write so short
    and of a reader so busy."""
    events = [json.loads(line)["event"] for line in text.splitlines() if line.startswith("{")]
    return [event for event in events if event not in ("still", "finding")]


class StuckWriter:
    """A program whose write to stdout is stuck, and which ends with 0 when it is read."""

    def __init__(self, case, command=("/usr/bin/python3", "-Sc", "import os; os.write(1, bytes(200000))"),
                 **settings):
        self.reader, writer = os.pipe()
        self.process = subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE,
                                        env=environment(**settings))
        os.close(writer)
        case.addCleanup(self.close)
        wait_until(lambda: sleeps_in_write(self.process.pid), "stuck write")

    def go_on(self):
        """Reads all; what the program and the library wrote to stderr, and the status."""
        while os.read(self.reader, 65536):
            pass
        text = self.process.stderr.read().decode()
        return text, self.process.wait(DEADLINE_S)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        os.close(self.reader)
