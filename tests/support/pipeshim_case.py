# SPDX-License-Identifier: MIT
"""Shared by integration tests: a victim under the library, stuck on what nobody reads yet."""
import glob
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest

BUILD = os.environ.get("PIPESHIM_BUILD", "build")
LIBRARY = os.path.join(BUILD, "libpipeshim.so")
DEADLINE_S = 120


def victim(name):
    return os.path.join(BUILD, "victims", name)


def wait_until(condition, what):
    """Polls until `condition` returns something true, and returns that."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError("no %s within %d s" % (what, DEADLINE_S))


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:  # the thread or process is gone
        return ""


def sleeps_in_write(pid):
    """A thread of the process sleeps in the kernel for room in a pipe or socket."""
    channels = [read_text(path) for path in glob.glob("/proc/%d/task/*/wchan" % pid)]
    return any(part in channel for channel in channels
               for part in ("pipe_w", "sock_alloc_send", "sendmsg", "wait_for_space", "splice"))


def watchdog_folder(pid):
    for path in glob.glob("/proc/%d/task/*/comm" % pid):
        if read_text(path) == "pipeshim\n":
            return os.path.dirname(path)
    return None


class Run:
    """A victim whose stdout and stderr are pipes (or a socketpair: stdout) which are read from
    begin_drain() on, and whose stdin ends with finish()."""
    threads = () # until then

    def __init__(self, folder, command, library=True, sockets=False, settings=None, **options):
        self.folder = folder
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        if library:
            environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_FORMAT="json",
                               PIPESHIM_LOG=os.path.join(folder, "log.%p"),
                               PIPESHIM_THRESHOLD="50ms", PIPESHIM_RATE="1000/s",
                               PIPESHIM_REPEAT="0", PIPESHIM_SUMMARY="always")
            environment.update(settings or {})
        if sockets:
            ours, theirs = socket.socketpair()
            out, write_out = ours.detach(), theirs.detach()
        else:
            out, write_out = os.pipe()
        err, write_err = os.pipe()
        self.readers = [out, err]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=write_out,
                                        stderr=write_err, env=environment, **options)
        os.close(write_out)
        os.close(write_err)

    def events(self, kind=None):
        found = []
        for path in sorted(glob.glob(os.path.join(self.folder, "log.*"))):
            text = read_text(path)
            found += [json.loads(line) for line in text.splitlines(True) if line.endswith("\n")]
        return [e for e in found if kind in (None, e["event"])]

    def wait_for(self, kind, count=1):
        def enough():
            found = self.events(kind)
            return found if len(found) >= count else None
        try:
            return wait_until(enough, "%d %s events" % (count, kind))
        except AssertionError as error:
            told = [{k: v for k, v in e.items() if k not in ("stack", "python", "features")}
                    for e in self.events()]
            raise AssertionError("%s; status %s, told: %s" % (error, self.process.poll(), told))

    def wait_stuck(self):
        wait_until(lambda: sleeps_in_write(self.process.pid), "stuck write")

    def begin_drain(self):
        """From now on both streams are read."""
        self.contents = [b"", b""]

        def read_all(which):
            chunks = []
            while chunk := os.read(self.readers[which], 65536):
                chunks.append(chunk)
            self.contents[which] = b"".join(chunks)

        self.threads = [threading.Thread(target=read_all, args=(i,), daemon=True) for i in (0, 1)]
        for thread in self.threads:
            thread.start()

    def finish(self):
        """Ends stdin and reads until all writers are gone; (stdout, stderr, exit status)."""
        self.process.stdin.close()
        status = self.process.wait(DEADLINE_S)
        for thread in self.threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive(), "a writer is left behind"
        return self.contents[0], self.contents[1], status

    def drain(self):
        self.begin_drain()
        return self.finish()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        # One that still read from a number that is closed would read what has that number next. A
        # writer that is left behind keeps it reading: then the number stays open.
        for thread in self.threads:
            thread.join(10)
        if not any(thread.is_alive() for thread in self.threads):
            for reader in self.readers:
                os.close(reader)


class PipeshimCase(unittest.TestCase):
    maxDiff = 2000

    def temporary_folder(self):
        folder = tempfile.mkdtemp()
        os.chmod(folder, 0o777)
        self.addCleanup(subprocess.run, ["rm", "-rf", folder], check=True)
        return folder

    def start(self, *command, **options):
        run = Run(self.temporary_folder(), list(command), **options)
        self.addCleanup(run.close)
        return run

    def result_without(self, *command, **options):
        options.pop("settings", None)
        run = self.start(*command, library=False, **options)
        run.wait_stuck()
        return run.drain()


def symbols_of(event):
    return [frame.get("symbol") for frame in event.get("stack", [])]
