# SPDX-License-Identifier: MIT
"""Programs that forbid themselves what the drainer would do: reading the processor's counter (which
is SIGSEGV then), and execs that fail."""
import os
import platform
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, victim, wait_until, read_soon  # noqa: E402

FAILING = """
import os
os.write(2, b"x" * 300000)
environment = dict(os.environ, PATH="/nowhere:/usr/bin:")
os.environ["PATH"] = environment["PATH"]
for call in (lambda: os.execv("/nowhere/at/all", ["all"]),
             lambda: os.execve("/", ["all"], environment),
             lambda: os.execve("/etc/passwd", ["all"], environment),
             lambda: os.execvp("there-is-no-such-program", ["all"])):
    try:
        call()
    except OSError as error:
        print(error.errno, end=" ", flush=True)
print("end", flush=True)
"""


class Forbidden(DrainCase):
    @unittest.skipIf(platform.machine() != "x86_64", "the counter can be forbidden on x86_64 only")
    def test_counter(self):
        for mode in ("full", "behind"):
            for how in ("none", "strict", "tsc"):
                with self.subTest(mode=mode, how=how):
                    data = []
                    run = self.drained([victim("drain_forbidden"), how], DRAIN_MODE=mode)
                    reader = threading.Thread(target=lambda run=run: data.append(run.read()))
                    reader.start()
                    self.assertEqual(run.wait(), 0)
                    reader.join()
                    self.assertEqual(data, [b"x" * 20000])

    def test_exec_that_fails_does_not_wait(self):
        """With DRAIN_EXIT=wait, and a reader that reads nothing: it would for ever."""
        for mode in ("full", "behind"):
            run = self.python(FAILING, DRAIN_MODE=mode, DRAIN_EXIT="wait")
            said = b""
            while not said.endswith(b"end\n"):
                said += read_soon(run.process.stdout.fileno())
            self.assertEqual(said, b"2 13 13 2 end\n")
            self.assertEqual(run.read(), b"x" * 300000)
            self.assertEqual(run.wait(), 0)

    def test_exec_that_succeeds_waits(self):
        """The twin."""
        run = self.python("import os\nos.write(2, b'x' * 300000)\nprint('queued', flush=True)\n"
                          "os.execvp('echo', ['echo', 'executed'])", DRAIN_EXIT="wait")
        self.assertEqual(run.process.stdout.readline(), b"queued\n")
        wait_until(lambda: self.sleeps(run.process.pid), "wait in the exec")
        self.assertEqual(run.read(), b"x" * 300000)
        self.assertEqual(run.process.stdout.readline(), b"executed\n")

    @staticmethod
    def sleeps(pid):
        with open("/proc/%d/wchan" % pid) as file:
            return "nanosleep" in file.read()


if __name__ == "__main__":
    unittest.main()
