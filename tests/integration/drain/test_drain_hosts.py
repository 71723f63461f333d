# SPDX-License-Identifier: MIT
"""The drainer in the shapes in which programs hang: engines whose log nobody reads, hosts that block
their loop while a command-line tool streams, many pipes at once, fork storms."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import (DEADLINE_S, LIBRARY, DrainCase, check_writers, victim,  # noqa: E402
                        wait_until)

ENGINE = """
import sys
smallest, largest = int(sys.argv[1]), int(sys.argv[2])
for line in sys.stdin.buffer:
    number = int(line)
    size = smallest + 7919 * number % (largest - smallest + 1)
    sys.stderr.write("request %06d " % number + "." * (size - 16) + "\\n")
    sys.stdout.write("%d\\n" % number)
    sys.stdout.flush()
"""
STRESS = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, format="%(message)s")
for number in range(2000):
    logging.debug("%099d", number)
print("done", flush=True)
"""
# The tool writes 100 chunks of 4 KiB around each of its 20 calls of the host.
TOOL = """
import os, sys
for call in range(20):
    for chunk in range(100):
        os.write(2, b"%03d %03d " % (call, chunk) * 512)
    os.write(1, b"call %d\\n" % call)
print("end", flush=True)
sys.stdin.read()
"""
HOST = """
import asyncio, os, sys, time
async def main():
    tool = await asyncio.create_subprocess_exec(
        sys.executable, "-S", "-E", "-c", sys.argv[1], stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ, LD_PRELOAD=sys.argv[2], PIPESHIM_DRAIN="stdio",
                 PIPESHIM_DRAIN_EXIT="0", PIPESHIM_LOG="/dev/null"))
    stream = asyncio.ensure_future(tool.stderr.read())
    answered = 0
    while (line := await tool.stdout.readline()) != b"end\\n":
        if line:
            time.sleep(0.3)
            answered += 1
    tool.stdin.close()
    data = await stream
    expected = b"".join(b"%03d %03d " % (call, chunk) * 512
                        for call in range(20) for chunk in range(100))
    print(answered, data == expected, await tool.wait())
asyncio.run(main())
"""
MANY_PIPES = """
import os, threading
def work(fd, which):
    for number in range(200):
        os.write(fd, b"%02d %06d " % (which, number) * 100)
ends = [int(fd) for fd in os.environ["ENDS"].split(",")]
threads = [threading.Thread(target=work, args=(fd, i)) for i, fd in enumerate(ends)]
[t.start() for t in threads]
[t.join() for t in threads]
"""
FORK_STORM = """
import os
os.write(2, b"p" * 100000)
for number in range(100):
    if os.fork() == 0:
        os.write(2, b"%c" % (128 + number) * 1000)
        os._exit(0)
    os.write(2, b"q" * 100)
for _ in range(100):
    os.wait()
os.write(2, b"r" * 100)
"""


class Hosts(DrainCase):
    def test_engines_whose_log_is_read_at_the_end_only(self):
        for smallest, largest in ((600, 1200), (4000, 16000), (1000, 3000)):
            with self.subTest(sizes=(smallest, largest)):
                run = self.python(ENGINE, str(smallest), str(largest))
                for number in range(2000):
                    run.process.stdin.write(b"%d\n" % number)
                    run.process.stdin.flush()
                    self.assertEqual(run.process.stdout.readline(), b"%d\n" % number)
                run.process.stdin.close()
                self.assertEqual(run.wait(), 0)
                expected = []
                for number in range(2000):
                    size = smallest + 7919 * number % (largest - smallest + 1)
                    expected.append(b"request %06d " % number + b"." * (size - 16) + b"\n")
                self.assertTrue(run.read() == b"".join(expected))

    def test_the_engine_hangs_without_the_library(self):
        """What the others would prove nothing without."""
        run = self.drained([victim("engine"), "100", "1024"], library=False)
        child = wait_until(lambda: self.stuck_child(run.process.pid), "stuck engine")
        self.assertIsNone(run.process.poll())
        os.kill(child, 9)
        self.assertEqual(run.wait(), 1)
        run = self.drained([victim("engine"), "2000", "1024"])
        self.assertEqual(run.wait(), 0)

    @staticmethod
    def stuck_child(pid):
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            for child in map(int, file.read().split()):
                with open("/proc/%d/wchan" % child) as channel:
                    if "pipe_w" in channel.read():
                        return child
        return None

    def test_stress_of_200_kb(self):
        run = self.python(STRESS)
        self.assertEqual(run.process.stdout.readline(), b"done\n")
        self.assertEqual(run.wait(), 0)
        self.assertEqual(run.read(), b"".join(b"%099d\n" % i for i in range(2000)))

    def test_host_that_blocks_its_loop_in_20_tool_calls(self):
        run = self.python(HOST, TOOL, LIBRARY, library=False)
        self.assertEqual(run.process.stdout.readline(), b"20 True 0\n")
        self.assertEqual(run.wait(), 0)

    def test_many_pipes_at_once(self):
        pipes = [os.pipe() for _ in range(16)]
        for reader, writer in pipes:
            self.addCleanup(os.close, reader)
            os.set_inheritable(writer, True)
        os.environ["ENDS"] = ",".join(str(writer) for _, writer in pipes)
        self.addCleanup(os.environ.pop, "ENDS")
        run = self.drained(["/usr/bin/python3", "-S", "-c", MANY_PIPES], DRAIN="all",
                           inherit=[writer for _, writer in pipes])
        for _, writer in pipes:
            os.close(writer)
        self.assertEqual(run.wait(), 0)
        for which, (reader, _) in enumerate(pipes):
            with os.fdopen(os.dup(reader), "rb") as file:
                data = file.read()
            self.assertEqual(data, b"".join(b"%02d %06d " % (which, number) * 100
                                            for number in range(200)))

    def test_fork_storm(self):
        for mode in ("full", "behind"):
            run = self.python(FORK_STORM, DRAIN_MODE=mode)
            self.assertEqual(run.wait(), 0)
            data = run.read()
            self.assertEqual(data[:100000], b"p" * 100000)
            self.assertEqual(data[-100:], b"r" * 100)
            self.assertEqual(data.count(b"q"), 100 * 100)
            for number in range(100):
                self.assertEqual(data.count(b"%c" % (128 + number) * 1000), 1)
            self.assertEqual(len(data), 100000 + 100 * 1100 + 100)
            self.assert_helper_leaves(run)

    def test_two_fds_of_one_pipe_are_one_stream(self):
        program = ("import os\n"
                   "for i in range(3000):\n"
                   "    os.write(1 + i % 2, b'%06d ' % i * 20)\n")
        reader, writer = os.pipe()
        run = self.python("import os, sys; os.dup2(2, 1)\n" + program, pipe=(reader, writer),
                          DRAIN="stdio")
        self.assertEqual(run.wait(), 0)
        self.assertEqual(run.read(), b"".join(b"%06d " % i * 20 for i in range(3000)))

    def test_reader_that_stalls_and_goes_on(self):
        shape = (2, 2000, 1, 4096)
        run = self.writers("write", *shape, DRAIN_MAX="1M")  # less than what is written
        wait_until(lambda: self.asleep(run.process.pid), "writer that waits for the queue")
        check_writers(self, run.read(), *shape)
        self.assertEqual(run.process.wait(DEADLINE_S), 0)

    @staticmethod
    def asleep(pid):
        with open("/proc/%d/wchan" % pid) as file:
            return "futex" in file.read()


if __name__ == "__main__":
    unittest.main()
