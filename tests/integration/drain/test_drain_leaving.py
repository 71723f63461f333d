# SPDX-License-Identifier: MIT
"""The helper that leaves is killed, or stopped, at each instruction between its last write and its
end, and the program writes on: nothing is lost, nothing but the helper's last batch comes twice, and
no write waits for one that does not go on."""
import array
import fcntl
import os
import sys
import termios
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, helpers_of, read_soon, wait_until  # noqa: E402
from stepped import SINGLESTEP, SYSCALL, Stepped  # noqa: E402

WRITER = """
import os, sys
number = 0
for line in sys.stdin:
    for _ in range(int(line)):
        os.write(2, b"%09d\\n" % number * 100)
        number += 1
    print("done", flush=True)
"""
SIZE = 1000
BURST = 80  # more than a pipe holds
LAST_BATCH = 4  # whole writes, of PIPE_BUF together
# 1: at each instruction; else at each so many-th, another one each time.
STRIDE = int(os.environ.get("PIPESHIM_TEST_STRIDE", "5"))


class Leaving(DrainCase):
    def begin(self, mode):
        self.run_of = self.python(WRITER, DRAIN_MODE=mode)
        self.data, self.first, self.count = bytearray(), 0, 0  # of this round; writes in all

    def write(self, count):
        self.run_of.process.stdin.write(b"%d\n" % count)
        self.run_of.process.stdin.flush()
        self.assertEqual(read_soon(self.run_of.process.stdout.fileno()), b"done\n")
        self.count += count

    def read_what_is_there(self):
        held = array.array("i", [0])
        fcntl.ioctl(self.run_of.reader, termios.FIONREAD, held)
        if held[0]:
            self.data += os.read(self.run_of.reader, held[0])

    def numbers(self):
        """Of the writes that came, each whole."""
        found = [int(self.data[at:at + 9]) for at in range(0, len(self.data), SIZE)]
        self.assertTrue(self.data == b"".join(b"%09d\n" % n * 100 for n in found))
        return found

    def helper_that_leaves(self, mode):
        """It has just sent the last byte; in `behind`, slept a last time."""
        self.write(BURST)
        helper = Stepped(self, wait_until(lambda: helpers_of(self.run_of.inode), "the helper")[0])
        self.assertTrue(helper.interrupt())
        self.read_what_is_there()
        while len(self.data) < (self.count - self.first) * SIZE:
            self.assertTrue(helper.on(SYSCALL), "it left something")
            self.read_what_is_there()
        while mode == "behind" and self.calls(helper.pid) != "futex":
            self.assertTrue(helper.on(SYSCALL))
        return helper

    @staticmethod
    def calls(pid):
        with open("/proc/%d/syscall" % pid, encoding="ascii") as file:
            number = int(file.read().split()[0])
        return "futex" if number == {"x86_64": 202, "aarch64": 98}[os.uname().machine] else number

    def steps(self, helper, count):
        """False: it has left before."""
        return all(helper.on(SINGLESTEP) for _ in range(count))

    def read_the_rest(self):
        """What was written after; until the writer's helper has nothing left."""
        while not self.data.endswith(b"%09d\n" % (self.count - 1) * 100):
            self.data += read_soon(self.run_of.reader)

    def each_instruction(self, mode, do):
        self.begin(mode)
        count, twice, rounds, left = time.time_ns() % STRIDE, 0, 0, False
        while not left:
            helper = self.helper_that_leaves(mode)
            left = not self.steps(helper, count)
            do(helper)
            self.read_the_rest()
            found = self.numbers()
            self.assertEqual(sorted(set(found)), list(range(self.first, self.count)), count)
            again = len(found) - len(set(found))
            self.assertLessEqual(again, LAST_BATCH, count)
            twice += again > 0
            if again == 0:
                self.assertEqual(found, sorted(found), count)
            wait_until(lambda: not helpers_of(self.run_of.inode), "end of all helpers")
            self.data.clear()
            self.first = self.count
            count += STRIDE
            rounds += 1
        self.assertGreater(rounds * STRIDE, 50)  # it was stepped
        self.assertLess(twice, rounds / 2)  # until it has noted what it wrote, no longer
        self.doCleanups()

    def test_killed(self):
        def do(helper):
            if not helper.ended:
                helper.kill()
            self.write(BURST)

        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                self.each_instruction(mode, do)

    def test_stopped(self):
        def do(helper):
            self.write(BURST)
            helper.let_go()

        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                self.each_instruction(mode, do)


if __name__ == "__main__":
    unittest.main()
