# SPDX-License-Identifier: MIT
"""kill -9 of the program's whole process group: what write() acknowledged arrives all the same. And
the SIGTERM with which a service manager stops all processes of a service."""
import fcntl
import os
import random
import signal
import struct
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, helpers_of, victim, wait_for_stuck_helper, wait_until  # noqa: E402

ROUNDS = int(os.environ.get("PIPESHIM_TEST_ROUNDS", "40"))
PATTERN = bytes(i % 251 for i in range(251))
FILL = "import os, sys\nos.write(2, b'x' * 300000)\nprint('queued', flush=True)\nsys.stdin.read()"


class Group(DrainCase):
    def acknowledged(self, name):
        with open(name, "rb") as file:
            return struct.unpack("Q", file.read(8))[0]

    def test_kill_9_of_the_group(self):
        """Most are killed in the first moments of the queue, when the helper is just made."""
        seed = int(os.environ.get("PIPESHIM_TEST_SEED", time.time_ns() % 1000000))
        choose = random.Random(seed)
        for number in range(ROUNDS):
            size = choose.choice((100, 4000, 4000, 20000))
            capacity = choose.choice((4096, 4096, 65536))
            mode = choose.choice(("full", "behind"))
            with tempfile.NamedTemporaryFile() as file:
                file.write(bytes(8))
                file.flush()
                pipe = os.pipe()
                fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, capacity)
                run = self.drained(["setsid", victim("drain_counter"), file.name, str(size),
                                    str(size)], pipe=pipe, DRAIN_MODE=mode)
                wait_until(lambda: self.acknowledged(file.name) > 0, "first write")
                time.sleep(choose.random() * 0.003)  # the moment, not a wait for an event
                os.killpg(run.process.pid, signal.SIGKILL)
                run.process.wait()
                data = run.read()
                said = self.acknowledged(file.name)
                what = "seed %d, round %d, %d bytes, %s: %d read, %d acknowledged" % (
                    seed, number, size, mode, len(data), said)
                self.assertGreaterEqual(len(data), said, what)
                self.assertTrue(data == (PATTERN * (len(data) // 251 + 1))[:len(data)], what)
                self.doCleanups()

    def test_helper_is_out_of_group_and_session(self):
        for mode in ("full", "behind"):
            run = self.python(FILL, DRAIN_MODE=mode)
            self.assertEqual(run.process.stdout.readline(), b"queued\n")
            helper, = wait_until(lambda run=run: helpers_of(run.inode), "helper")
            self.assertNotEqual(os.getpgid(helper), os.getpgid(run.process.pid))
            self.assertEqual(os.getsid(helper), helper)

    def ended(self, mode):
        """A program that has handed over, and its helper, which the reader keeps waiting."""
        run = self.python(FILL, DRAIN_MODE=mode)
        self.assertEqual(run.process.stdout.readline(), b"queued\n")
        run.process.stdin.close()
        self.assertEqual(run.wait(), 0)
        wait_for_stuck_helper(run.inode)
        return run

    def test_sigterm_of_a_service_stop(self):
        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                run = self.ended(mode)
                os.kill(helpers_of(run.inode)[0], signal.SIGTERM)
                self.assert_helper_leaves(run)
                data = run.read()
                self.assertGreaterEqual(len(data), 65536 // 2)
                self.assertLess(len(data), 300000)

    def test_sigterm_while_the_reader_reads(self):
        """Slowly, for longer than a helper that was dismissed waits for one that does not."""
        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                run = self.ended(mode)
                os.kill(helpers_of(run.inode)[0], signal.SIGTERM)
                self.assertEqual(len(run.read(most=20000, pause=0.15)), 300000)

    def test_sigterm_while_the_program_lives(self):
        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                run = self.python(FILL, DRAIN_MODE=mode)
                self.assertEqual(run.process.stdout.readline(), b"queued\n")
                helper, = wait_until(lambda run=run: helpers_of(run.inode), "helper")
                os.kill(helper, signal.SIGTERM)
                wait_until(lambda: self.interrupted(helper), "signal that was heard")
                self.assertEqual(helpers_of(run.inode), [helper])
                run.process.stdin.close()
                self.assertEqual(run.wait(), 0)
                self.assert_helper_leaves(run)

    @staticmethod
    def interrupted(pid):
        """Ten times and more: by the signal, and for two seconds by what follows it."""
        with open("/proc/%d/status" % pid) as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["voluntary_ctxt_switches"]) >= 12


if __name__ == "__main__":
    unittest.main()
