# SPDX-License-Identifier: MIT
"""Calls that are not queued (sendfile, splice and their kin) keep their place behind queued writes."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import DEADLINE_S, PipeshimCase, read_text, wait_until  # noqa: E402
from drain_case import read_soon  # noqa: E402

# Each argument but the first is CALL:SIZE, made on the fd that the first one names; each byte is the
# letter of its call. Ends with stdin.
PROGRAM = """
import ctypes, os, socket, sys, tempfile
libc = ctypes.CDLL(None, use_errno=True)
target = int(sys.argv[1])
class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_char_p), ("size", ctypes.c_size_t)]
def filled_pipe(data):
    reader, writer = os.pipe()
    os.write(writer, data)
    return reader
def call(name, data):
    if name == "write":
        return os.write(target, data)
    if name == "writev":
        return os.writev(target, [data[:1], data[1:]])
    if name == "sendfile":
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            return os.sendfile(target, file.fileno(), 0, len(data))
    if name == "splice":
        return os.splice(filled_pipe(data), target, len(data))
    if name == "tee":
        return libc.tee(filled_pipe(data), target, ctypes.c_size_t(len(data)), 0)
    if name == "vmsplice":
        vector = Vector(data, len(data))
        kept.append(data)
        return libc.vmsplice(target, ctypes.byref(vector), ctypes.c_size_t(1), 0)
    global peer
    peer = peer or socket.socket(fileno=target)
    if name == "send":
        return peer.send(data)
    if name == "sendmsg":
        return peer.sendmsg([data[:1], data[1:]])
kept, peer = [], None
for number, argument in enumerate(sys.argv[2:]):
    name, size = argument.split(":")
    left = int(size)
    while left > 0:  # the others may move less than they are asked to
        done = call(name, b"%c" % (97 + number) * min(left, 60000 if name != "write" else left))
        if done <= 0:
            os.abort()
        left -= done
sys.stdin.read()
"""
PASSING = ("sendfile", "splice", "tee", "vmsplice")
SIZES = (1, 3000, 150000)


class Order(PipeshimCase):
    def start_calls(self, fd, calls, mode, **options):
        return self.start("/usr/bin/python3", "-S", "-E", "-c", PROGRAM, str(fd),
                          *("%s:%d" % call for call in calls), settings={
                              "PIPESHIM_DRAIN": "stdio", "PIPESHIM_DRAIN_EXIT": "0",
                              "PIPESHIM_DRAIN_MODE": mode}, **options)

    def check(self, fd, calls, mode, **options):
        """Nothing is read before the program waits in its first call that is not queued."""
        run = self.start_calls(fd, calls, mode, **options)
        run.wait_for("drain_start")
        wait_until(lambda: read_text("/proc/%d/wchan" % run.process.pid) not in ("", "0"),
                   "call that waits")
        reader = run.readers[fd - 1]
        total = sum(size for _, size in calls)
        data = b""
        for _ in range(40):  # slowly at first
            data += os.read(reader, 1000)
            time.sleep(0.0005)
        while len(data) < total:
            data += read_soon(reader)
        got = [(letter, data.count(b"%c" % letter)) for letter in sorted(set(data))]
        self.assertEqual(got, [(97 + i, size) for i, (_, size) in enumerate(calls)])
        self.assertTrue(data == bytes(sorted(data)), "order")
        self.assertEqual(run.drain(), (b"", b"", 0))
        self.doCleanups()

    def test_one_call_behind_the_queue(self):
        for mode in ("full", "behind"):
            for name in PASSING:
                for size in SIZES:
                    with self.subTest(mode=mode, call=name, size=size):
                        self.check(2, (("write", 300000), (name, size), ("write", 1000)), mode)

    def test_in_turn_with_writes(self):
        calls = []
        for size in (1000, 50000):
            for name in PASSING:
                calls += [(name, size), ("write", 2000)]
        for mode in ("full", "behind"):
            self.check(2, [("write", 200000), ("writev", 50000)] + calls, mode)

    def test_fd_that_is_not_named_on_the_same_pipe(self):
        """2>&1, and only stderr is drained: what stdout gets comes after what stderr got before."""
        program = ("import os\n"
                   "os.dup2(2, 1)\n"
                   "os.write(2, b'a' * 300000)\n"
                   "for i in range(20):\n"
                   "    os.write(1, b'%c' % (98 + i) * 1000)\n")
        for mode in ("full", "behind"):
            run = self.start("/usr/bin/python3", "-S", "-E", "-c", program, settings={
                "PIPESHIM_DRAIN": "stderr", "PIPESHIM_DRAIN_EXIT": "0",
                "PIPESHIM_DRAIN_MODE": mode})
            run.wait_for("drain_handoff")
            run.process.stdin.close()
            self.assertEqual(run.process.wait(DEADLINE_S), 0, "it is queued as well")
            out, err, status = run.drain()
            self.assertEqual(len(err), 320000)
            self.assertTrue(err == bytes(sorted(err)), "order")

    def test_socketpair(self):
        for mode in ("full", "behind"):
            for name in ("send", "sendmsg", "sendfile", "splice"):
                for size in SIZES:
                    with self.subTest(mode=mode, call=name, size=size):
                        self.check(1, (("write", 600000), (name, size), ("write", 1000)), mode,
                                   sockets=True)


if __name__ == "__main__":
    unittest.main()
