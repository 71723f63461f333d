# SPDX-License-Identifier: MIT
"""Whose memory the queue is, and how much: no forked child has it, whatever it gives up later; and
only what is queued is mapped, locked or charged."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, memory_group, read_soon, read_text, wait_until  # noqa: E402

KIB, MIB = 1 << 10, 1 << 20
# What the queue's memory is called; every shared writable mapping is looked at.
CHILD = """
import mmap, os, sys
def shared(pid):
    with open("/proc/%s/maps" % pid) as file:
        return [line.split()[-1] if len(line.split()) > 5 else "" for line in file
                if line.split()[1].startswith("rw") and line.split()[1].endswith("s")]
os.write(2, b"a" * 300000)
print(len(shared("self")) > 0, flush=True)
if os.fork() == 0:
    print(shared("self"), flush=True)
    os.write(2, b"b" * 1000)
    print(len(shared("self")) > 0, flush=True)
    if os.fork() == 0:
        os.setresuid(65534, 65534, 65534)
        print(shared("self"), flush=True)
        os.write(2, b"c" * 1000)
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
os.write(2, b"d" * 1000)
"""
LOCK = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
before = sys.argv[1] == "before"
if not before:
    os.write(2, b"x" * int(sys.argv[2]))
if libc.mlockall(3 if before else 1) != 0:
    os.abort()
if before:
    os.write(2, b"x" * int(sys.argv[2]))
for line in open("/proc/self/status"):
    if line.startswith("VmLck"):
        print(line.split()[1], end=" ")
print("locked", flush=True)
sys.stdin.read()
"""
FILL = """
import os, sys
for number in range(int(sys.argv[1]) // 1000):
    os.write(2, b"%09d\\n" % number * 100)
print("written", flush=True)
sys.stdin.read()
"""


class Memory(DrainCase):
    @unittest.skipIf(os.geteuid() != 0, "needs root, to give it up")
    def test_children_do_not_have_it(self):
        for mode in ("full", "behind"):
            with self.subTest(mode=mode):
                run = self.python(CHILD, DRAIN_MODE=mode)
                self.assertEqual(run.wait(), 0)
                said = run.process.stdout.read().decode().split("\n")
                self.assertEqual(said, ["True", "[]", "True", "[]", ""])
                data = run.read()
                self.assertTrue(data.startswith(b"a" * 300000 + b"b" * 1000))
                self.assertEqual([data.count(letter) for letter in b"abcd"],
                                 [300000, 1000, 1000, 1000])

    def locked(self, when, amount="300000", **options):
        run = self.python(LOCK, when, amount, **options)
        said = read_soon(run.process.stdout.fileno())
        while not said.endswith(b"locked\n"):
            said += read_soon(run.process.stdout.fileno())
        locked = int(said.split()[0])
        run.process.stdin.close()
        run.close_reader()
        run.wait()
        self.doCleanups()
        return locked * KIB

    def test_mlockall(self):
        """Little more than what is queued. The base has the library, and no queue."""
        base = self.locked("before", DRAIN="off", amount="0")
        for mode in ("full", "behind"):
            for when in ("before", "after"):
                with self.subTest(mode=mode, when=when):
                    locked = self.locked(when, DRAIN_MODE=mode)
                    # The queue holds 240 KB, in chunks that grow by half. The watchdog's tables
                    # are some 1.6 MB, mapped when it needs them: in the base perhaps not yet.
                    self.assertLess(locked - base, 4 * MIB)

    def test_address_space_limit(self):
        """No more than the queue needs: it once needed a gigabyte."""
        program = ("import resource\nresource.setrlimit(resource.RLIMIT_AS, (%d, %d))\n" %
                   (200 * MIB, 200 * MIB)) + FILL
        for mode in ("full", "behind"):
            run = self.python(program, "3000000", DRAIN_MODE=mode)
            self.assertEqual(read_soon(run.process.stdout.fileno()), b"written\n")
            run.process.stdin.close()
            self.assertEqual(run.read(), b"".join(b"%09d\n" % i * 100 for i in range(3000)))
            self.assertEqual(run.wait(), 0)

    def test_memory_cgroup(self):
        """The raw program would wait; so does this one, at a share of the limit."""
        folder = memory_group(self, 64 * MIB)
        program = ("import os\nopen('%s/cgroup.procs', 'w').write(str(os.getpid()))\n" % folder +
                   FILL)
        for mode in ("full", "behind"):
            run = self.python(program, "200000000", DRAIN_MODE=mode, DRAIN_MAX="256M")
            wait_until(lambda run=run: "futex" in read_text("/proc/%d/wchan" % run.process.pid) or
                       run.process.poll() is not None, "write that waits at the bound")
            self.assertIsNone(run.process.poll())
            self.assertLess(int(self.usage(folder)), 40 * MIB)
            run.process.kill()
            run.close_reader()
            run.wait()
            self.assert_helper_leaves(run)

    @staticmethod
    def usage(folder):
        return (read_text(folder + "/memory.usage_in_bytes") or
                read_text(folder + "/memory.current"))


if __name__ == "__main__":
    unittest.main()
