# SPDX-License-Identifier: MIT
"""One run of a victim whose stdout is a full pipe, with the library or without it."""
import glob
import json
import os
import subprocess
import threading

from pipeshim_case import BUILD, DEADLINE_S, LIBRARY, wait_until

VICTIM = os.path.join(BUILD, "victims", "life")


def somebody_sleeps_in_a_pipe_write(pid):
    for path in glob.glob("/proc/%d/task/*/wchan" % pid):
        try:
            with open(path, encoding="ascii") as wchan:
                if "pipe_w" in wchan.read():
                    return True
        except OSError:
            pass
    return False


class Run:
    """The victim in one mode, its stdout a pipe that is read from drain() on."""

    def __init__(self, folder, *arguments, library=True, user=None, program=VICTIM,
                 log_fd=False, **settings):
        self.log = os.path.join(folder, "log.%p")
        self.pattern = os.path.join(folder, "log.*")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        if library:
            environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_FORMAT="json", PIPESHIM_LOG=self.log,
                               PIPESHIM_THRESHOLD="50ms", PIPESHIM_RATE="1000/s",
                               PIPESHIM_SUMMARY="always")
            environment.update(settings)
        inherited = []
        if log_fd:  # whatever becomes of the program's rights, this it may write to
            inherited = [os.open(os.path.join(folder, "log.fd"),
                                 os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)]
            environment["PIPESHIM_LOG"] = "fd:%d" % inherited[0]
        self.reader, writer = os.pipe()
        self.process = subprocess.Popen([program, *arguments], stdout=writer, env=environment,
                                        stdin=subprocess.PIPE, stderr=subprocess.PIPE, user=user,
                                        pass_fds=inherited)
        for fd in (writer, *inherited):
            os.close(fd)

    def events(self, kind):
        found = []
        for path in glob.glob(self.pattern):
            with open(path, encoding="utf-8") as log:
                found += [json.loads(line) for line in log if line.endswith("\n")]
        return [e for e in found if e["event"] == kind]

    def wait_for(self, kind):
        return wait_until(lambda: self.events(kind), kind + " event")

    def wait_stuck(self):
        wait_until(lambda: somebody_sleeps_in_a_pipe_write(self.process.pid), "stuck write")

    def _read_all(self):
        self.bytes = 0
        while True:
            chunk = os.read(self.reader, 65536)
            if not chunk:
                return
            self.bytes += len(chunk)

    def drain(self):
        """Reads until all writers are gone; returns (bytes, stderr, exit status)."""
        thread = threading.Thread(target=self._read_all, daemon=True)
        thread.start()
        _, errors = self.process.communicate(b"x", timeout=DEADLINE_S)
        thread.join(DEADLINE_S)
        return self.bytes, errors.decode(), self.process.returncode

    def close(self):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stderr):
            if stream:
                stream.close()
        os.close(self.reader)
