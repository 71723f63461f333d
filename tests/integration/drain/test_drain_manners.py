# SPDX-License-Identifier: MIT
"""With something queued, the calls that are not queued behave as at a full pipe."""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, LIBRARY  # noqa: E402

MODES = ("full", "behind")
FILL = b"x" * 300000
NON_BLOCKING = """
import os
os.write(2, b"x" * 300000)
os.set_blocking(2, False)
for late in range(1000000):
    try:
        os.write(2, b"l")
    except BlockingIOError:
        break
print(late, end="")
os.set_blocking(2, True)
os.write(2, b"y")
"""
DONT_WAIT = """
import os, socket
os.write(2, b"x" * 600000)
end = socket.socket(fileno=2)
for call in (lambda: end.send(b"lost", socket.MSG_DONTWAIT),
             lambda: end.sendmsg([b"lost"], [], socket.MSG_DONTWAIT)):
    try:
        call()
    except BlockingIOError:
        print("EAGAIN", end=" ", flush=True)
end.shutdown(socket.SHUT_WR)
os.write(1, b"shut")
end.detach()
"""
SPLICE = """
import os
os.write(2, b"x" * 300000)
source, end = os.pipe()
os.write(end, b"spliced")
try:
    os.splice(source, 2, 100, flags=2)
except BlockingIOError:
    print("EAGAIN", end="", flush=True)
os.splice(source, 2, 100)
"""
FILTER = """
import ctypes, os, platform, struct, sys
forbidden = {"x86_64": 328, "aarch64": 287}[platform.machine()]  # pwritev2
code = struct.pack("<HBBIHBBIHBBIHBBI", 0x20, 0, 0, 0, 0x15, 0, 1, forbidden, 6, 0, 0, 0x80000000,
                   6, 0, 0, 0x7fff0000)
text = ctypes.create_string_buffer(code)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
program = Program(4, ctypes.addressof(text))
libc = ctypes.CDLL(None, use_errno=True)
def install():
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
        os.abort()
if sys.argv[1] == "child":
    if os.fork() == 0:
        install()
        os.write(2, b"c" * 300000)
        os._exit(0)
    if os.wait()[1] != 0:
        os.abort()
else:
    os.write(2, b"a" * 300000)
    print("queued", flush=True)
    install()
os.write(2, b"b" * 300000)
"""
READER_GOES = """
import os, sys
os.write(2, b"x" * 300000)
print("queued", flush=True)
sys.stdin.readline()
try:
    os.write(2, b"y")
    print("written")
except BrokenPipeError:
    print("EPIPE")
"""
FILE = """
import os
for i in range(1000):
    os.write(1, b"%05d\\n" % i)
os.writev(1, [b"writev ", b"\\n"])
print("print", flush=True)
"""


class Manners(DrainCase):
    def each_mode(self, program, **options):
        for mode in MODES:
            with self.subTest(mode=mode):
                yield self.python(program, DRAIN_MODE=mode, **options)

    def test_non_blocking_meanwhile(self):
        """Noticed within a millisecond: what was queued until then is not lost."""
        for run in self.each_mode(NON_BLOCKING):
            self.assertEqual(run.wait(), 0)
            late = int(run.process.stdout.read())
            self.assertLess(late, 999999)
            self.assertEqual(run.read(), FILL + b"l" * late + b"y")

    def test_do_not_wait(self):
        """And shutdown() comes after the last byte."""
        for mode in MODES:
            ours, theirs = socket.socketpair()
            run = self.python(DONT_WAIT, DRAIN_MODE=mode, pipe=(ours.detach(), theirs.detach()))
            said = run.process.stdout.read(14)
            data = run.read()
            self.assertEqual((said, run.process.stdout.read()), (b"EAGAIN EAGAIN ", b"shut"))
            self.assertEqual(data, b"x" * 600000)
            self.assertEqual(run.wait(), 0)

    def test_splice(self):
        for run in self.each_mode(SPLICE):
            self.assertEqual(run.process.stdout.read(6), b"EAGAIN")
            self.assertEqual(run.read(), FILL + b"spliced")
            self.assertEqual(run.wait(), 0)

    def test_the_first_write_after_the_reader_went_fails(self):
        for _ in range(30):
            for run in self.each_mode(READER_GOES):
                self.assertEqual(run.process.stdout.readline(), b"queued\n")
                run.close_reader()
                run.process.stdin.close()
                self.assertEqual(run.process.stdout.read(), b"EPIPE\n")
                self.assertEqual(run.wait(), 0)

    def test_and_it_gets_the_signal(self):
        program = "import signal\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL)" + READER_GOES
        for run in self.each_mode(program):
            self.assertEqual(run.process.stdout.readline(), b"queued\n")
            run.close_reader()
            run.process.stdin.close()
            self.assertEqual(run.wait(), -signal.SIGPIPE)

    def test_seccomp_filter_that_kills_for_its_calls(self):
        """In the program itself (what was queued comes before what is written directly now), and in
        a child that makes no other call before."""
        for mode in MODES:
            for who, first in (("program", b"a"), ("child", b"c")):
                with self.subTest(mode=mode, who=who):
                    run = self.python(FILTER, who, DRAIN_MODE=mode, DRAIN_EXIT="wait")
                    self.assertEqual(run.read(), first * 300000 + b"b" * 300000)
                    self.assertEqual(run.wait(), 0)

    def test_regular_files_are_left_alone(self):
        for folder in ("/tmp", "/dev/shm"):
            for mode in MODES:
                with tempfile.TemporaryFile(dir=folder) as file:
                    file.write(b"before\n")
                    file.flush()
                    environment = dict(os.environ, LD_PRELOAD=LIBRARY, PIPESHIM_DRAIN="all",
                                       PIPESHIM_DRAIN_MODE=mode, PIPESHIM_LOG="/dev/null")
                    subprocess.run(["/usr/bin/python3", "-S", "-c", FILE], stdout=file, check=True,
                                   env=environment)
                    file.seek(0)
                    expected = b"".join(b"%05d\n" % i for i in range(1000))
                    self.assertEqual(file.read(),
                                     b"before\n" + expected + b"writev \nprint\n")


if __name__ == "__main__":
    unittest.main()
