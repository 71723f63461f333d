# SPDX-License-Identifier: MIT
"""PIPESHIM_DRAIN end to end: every byte at the reader is compared."""
import os
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = os.path.abspath(os.environ.get("PIPESHIM_BUILD", "build"))

LINES = """
import sys, os
for i in range(40000):
    sys.stderr.write("line %d\\n" % i)
print("done", flush=True)
"""
COUNT = """
import os
i = 0
while True:
    os.write(2, b"%09d\\n" % i)
    i += 1
    if i % 1000 == 0:
        os.write(1, b"%09d\\n" % i)
"""
FORK = """
import os
os.write(2, b"p" * 100000)
if os.fork() == 0:
    os.write(2, b"c" * 100000)
    os._exit(0)
os.wait()
try:
    os.wait()
except ChildProcessError:
    os.write(1, b"no child")
os.write(2, b"q" * 100000)
"""
THREADS = """
import os, threading
def work(n):
    for i in range(2000):
        os.write(2, b"%02d %06d\\n" % (n, i))
threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
[t.start() for t in threads]
[t.join() for t in threads]
os.write(2, b"x" * (1 << 20))
"""


class Drain(unittest.TestCase):
    def start(self, program, **variables):
        log = tempfile.NamedTemporaryFile(delete=False)
        self.addCleanup(os.unlink, log.name)
        log.close()
        environment = dict(os.environ, LD_PRELOAD=BUILD + "/libpipeshim.so",
                           PIPESHIM_DRAIN="stderr", PIPESHIM_DRAIN_EXIT="0",
                           PIPESHIM_LOG=log.name, **variables)
        process = subprocess.Popen([sys.executable, "-c", program], env=environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_program_ends_before_its_reader_begins(self):
        process = self.start(LINES)
        self.assertEqual(process.stdout.readline(), b"done\n")
        self.assertEqual(process.wait(20), 0)
        self.assertEqual(process.stderr.read(), b"".join(b"line %d\n" % i for i in range(40000)))

    def test_kill_loses_nothing_acknowledged(self):
        for round_ in range(20):
            process = self.start(COUNT)
            process.stdout.readline()
            time.sleep(0.01 * round_)  # the moment of the kill, not a wait for an event
            process.kill()
            process.wait(20)
            acknowledged = int((process.stdout.read().split() or [b"1000"])[-1])
            read = process.stderr.read()
            self.assertGreaterEqual(len(read) // 10, acknowledged)
            self.assertEqual(read, b"".join(b"%09d\n" % i for i in range(len(read) // 10)))

    def test_fork_keeps_order_and_shows_no_child(self):
        process = self.start(FORK)
        self.assertEqual(process.wait(20), 0)
        self.assertEqual(process.stdout.read(), b"no child")
        self.assertEqual(process.stderr.read(), b"p" * 100000 + b"c" * 100000 + b"q" * 100000)

    def test_threads(self):
        process = self.start(THREADS)
        self.assertEqual(process.wait(20), 0)
        read = process.stderr.read()
        self.assertEqual(read[-(1 << 20):], b"x" * (1 << 20))
        lines = read[:-(1 << 20)].decode().splitlines()
        for thread in range(16):
            self.assertEqual([line for line in lines if line.startswith("%02d " % thread)],
                             ["%02d %06d" % (thread, i) for i in range(2000)])

    def test_behind(self):
        process = self.start(LINES, PIPESHIM_DRAIN_MODE="behind")
        self.assertEqual(process.stdout.readline(), b"done\n")
        self.assertEqual(process.wait(20), 0)
        self.assertEqual(process.stderr.read(), b"".join(b"line %d\n" % i for i in range(40000)))


if __name__ == "__main__":
    unittest.main()
