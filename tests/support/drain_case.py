# SPDX-License-Identifier: MIT
"""Shared by the drainer's tests: victims under PIPESHIM_DRAIN, and readers that compare all bytes."""
import os
import select
import subprocess
import tempfile
import time

from pipeshim_case import BUILD, DEADLINE_S, LIBRARY, PipeshimCase, read_text, victim, wait_until

PERIOD = 65521


def make_table():
    state, table = 1, bytearray()
    for _ in range(PERIOD):
        state = (state * 1664525 + 1013904223) & 0xffffffff
        table.append(max(state >> 28, 1))
    return bytes(table)


TABLE = make_table()


def message_size(number, thread, smallest, largest):
    return smallest + (7919 * number + 104729 * thread) % (largest - smallest + 1)


def thread_stream(thread, size):
    table = bytes(16 * thread + nibble for nibble in TABLE)
    return (table * (size // PERIOD + 1))[:size]


def check_writers(case, data, threads, count, smallest, largest):
    """`data` is all that victims/drain_writers writes: each thread's stream in order, and each
    message of at most PIPE_BUF bytes in one piece."""
    sizes = [[message_size(i, t, smallest, largest) for i in range(count)] for t in range(threads)]
    streams = [thread_stream(t, sum(sizes[t])) for t in range(threads)]
    case.assertEqual(len(data), sum(map(len, streams)))
    for thread, stream in enumerate(streams):
        others = bytes(byte for byte in range(256) if byte >> 4 != thread)
        case.assertTrue(data.translate(None, others) == stream, "thread %d's bytes" % thread)
    if largest > 4096:
        return
    at, next_message, offset = 0, [0] * threads, [0] * threads
    while at < len(data):
        thread = data[at] >> 4
        size = sizes[thread][next_message[thread]]
        case.assertEqual(data[at:at + size], streams[thread][offset[thread]:offset[thread] + size],
                         "message %d of thread %d is torn" % (next_message[thread], thread))
        next_message[thread] += 1
        offset[thread] += size
        at += size


def read_soon(fd, most=65536):
    """One read, which does not wait for ever for a program that is stuck, nor finds it gone."""
    if not select.select([fd], [], [], DEADLINE_S)[0]:
        raise AssertionError("nothing was written within %d s" % DEADLINE_S)
    data = os.read(fd, most)
    if not data:
        raise AssertionError("end of file")
    return data


def helpers_of(inode):
    """Drainer processes that hold the pipe."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if read_text("/proc/%s/comm" % pid) != "pipeshim-drain\n":
            continue
        try:
            inodes = [os.stat("/proc/%s/fd/%s" % (pid, fd)).st_ino for fd in
                      os.listdir("/proc/%s/fd" % pid)]
        except OSError:  # it is gone
            continue
        if inode in inodes:
            found.append(int(pid))
    return found


def wait_for_stuck_helper(inode):
    """One that waits for the reader: in the write, or, of one over PIPE_BUF, before it."""
    wait_until(lambda: any(part in read_text("/proc/%d/wchan" % pid) for pid in helpers_of(inode)
                           for part in ("pipe_w", "poll")), "helper that waits for the reader")


def _new_memory_group():
    """(folder, file of its limit), or None."""
    folder = "/sys/fs/cgroup/memory/pipeshim-test-%d" % os.getpid()
    try:
        os.mkdir(folder)
        return folder, folder + "/memory.limit_in_bytes"
    except OSError:
        pass
    folder = "/sys/fs/cgroup/pipeshim-test-%d" % os.getpid()
    try:
        os.mkdir(folder)
        if os.path.exists(folder + "/memory.max"):
            return folder, folder + "/memory.max"
        os.rmdir(folder)
    except OSError:
        pass
    return None


def _removed(folder):
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


def memory_group(case, limit):
    """The folder of a memory cgroup of so many bytes, which ends with the test; it is skipped where
    there can be none."""
    group = _new_memory_group()
    if not group:
        case.skipTest("no memory cgroup can be made")
    folder, file_of_limit = group
    case.addCleanup(lambda: wait_until(lambda: _removed(folder), "empty cgroup"))
    with open(file_of_limit, "w", encoding="ascii") as file:
        file.write(str(limit))
    return folder


class Drained:
    """A program whose fd 2 (unless `fds` says otherwise) goes to a pipe that nobody reads yet."""

    def __init__(self, case, command, library=True, pipe=None, inherit=(), **variables):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        if library:
            environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_DRAIN="stderr",
                               PIPESHIM_DRAIN_EXIT="0", PIPESHIM_LOG="/dev/null")
            environment.update({"PIPESHIM_" + key: value for key, value in variables.items()})
        self.reader, writer = pipe or os.pipe()
        case.addCleanup(self.close_reader)
        self.inode = os.fstat(writer).st_ino
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=writer,
                                        pass_fds=inherit)
        os.close(writer)
        case.addCleanup(self.process.stdout.close)
        case.addCleanup(self.process.stdin.close)
        case.addCleanup(self.process.wait)
        case.addCleanup(self.process.kill)

    def close_reader(self):
        if self.reader is not None:
            os.close(self.reader)
            self.reader = None

    def wait(self):
        return self.process.wait(DEADLINE_S)

    def read(self, most=65536, pause=0):
        """All until end-of-file; `pause` seconds between reads of at most `most` bytes."""
        chunks = []
        while chunk := os.read(self.reader, most):
            chunks.append(chunk)
            if pause:
                time.sleep(pause)
        return b"".join(chunks)


class DrainCase(PipeshimCase):
    def drained(self, command, **options):
        return Drained(self, command, **options)

    def python(self, program, *arguments, **options):
        return Drained(self, ["/usr/bin/python3", "-S", "-E", "-c", program, *arguments], **options)

    def writers(self, call, threads, count, smallest, largest, **options):
        return Drained(self, [victim("drain_writers"), call, "2", str(threads), str(count),
                              str(smallest), str(largest)], **options)

    def finished(self, command, **options):
        """A program that says "done" on its last argument's fd when all its writes have returned:
        returns then, and nothing was read until then."""
        said, say = os.pipe()
        self.addCleanup(os.close, said)
        run = Drained(self, [*command, str(say)], inherit=[say], **options)
        os.close(say)
        try:
            self.assertEqual(read_soon(said), b"done\n")
        except AssertionError as error:
            self.fail("%s under %s: %s" % (command[-3:], options, error))
        return run

    def assert_helper_leaves(self, run):
        wait_until(lambda: not helpers_of(run.inode), "end of the helper")


__all__ = ["BUILD", "DEADLINE_S", "LIBRARY", "DrainCase", "Drained", "check_writers", "helpers_of",
           "memory_group", "message_size", "read_soon", "read_text", "tempfile", "victim",
           "wait_for_stuck_helper", "wait_until"]
