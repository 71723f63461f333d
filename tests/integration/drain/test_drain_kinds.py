# SPDX-License-Identifier: MIT
"""Kinds of descriptors that the drainer meets, and what it must leave alone."""
import fcntl
import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import DEADLINE_S, PipeshimCase, read_text, wait_until  # noqa: E402

FILL = """
import os, sys
for i in range(3000):
    os.write(%d, b"%%09d\\n" %% i * 10)
sys.stdin.read()
"""
CONTENT = b"".join(b"%09d\n" % i * 10 for i in range(3000))
NON_BLOCKING = """
import os, sys
os.set_blocking(2, False)
written = 0
try:
    while True:
        written += os.write(2, b"x" * 1000)
except BlockingIOError:
    print(written, flush=True)
sys.stdin.read()
"""
LOGGING = """
import logging, sys
logging.basicConfig(stream=sys.stderr, format="%(message)s")
for i in range(3000):
    logging.error("line %d %s", i, "x" * 90)
sys.stdin.read()
"""
F_GETPIPE_SZ = 1032


CONNECTION = """
import os, socket, sys
end = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sent = 0
while sent < 50000000:
    sent += os.write(end.fileno(), bytes(50000000 - sent))
"""


class DrainKinds(PipeshimCase):
    def drained(self, program, sockets=False, **settings):
        settings = {"PIPESHIM_" + key: value for key, value in settings.items()}
        return self.start("/usr/bin/python3", "-S", "-c", program, sockets=sockets,
                          settings={"PIPESHIM_DRAIN": "stdio", "PIPESHIM_DRAIN_EXIT": "0",
                                    **settings})

    def wait_written(self, run):
        """The program is through: it waits for its standard input."""
        wait_until(lambda: "pipe_read" in read_text("/proc/%d/wchan" % run.process.pid), "read")

    def test_socketpair(self):
        for mode in ("full", "behind"):
            run = self.drained(FILL % 1, sockets=True, DRAIN_MODE=mode)
            self.wait_written(run)
            self.assertGreater(run.wait_for("drain_start")[0]["queued_bytes"], 0)
            out, err, status = run.drain()
            self.assertTrue(out == CONTENT)
            self.assertEqual(status, 0)

    def test_network_connection_is_left_alone(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            run = self.start("/usr/bin/python3", "-S", "-c", CONNECTION,
                             str(server.getsockname()[1]), settings={"PIPESHIM_DRAIN": "all"})
            connection, _ = server.accept()
        with connection:
            wait_until(lambda: "wait_woken" in read_text("/proc/%d/wchan" % run.process.pid),
                       "write that waits for the network")
            size = 0
            while data := connection.recv(1 << 20):
                size += len(data)
        self.assertEqual(size, 50000000)
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual(run.events("summary")[0]["drain"]["episodes"], 0)

    def test_fifo(self):
        path = os.path.join(self.temporary_folder(), "fifo")
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        run = self.drained("import os\nos.dup2(os.open(%r, os.O_WRONLY), 2)\n%s" % (
            path, FILL % 2))
        self.wait_written(run)
        self.assertEqual(run.wait_for("drain_start")[0]["object"], path)
        os.set_blocking(reader, True)
        read = b""
        while len(read) < len(CONTENT):
            read += os.read(reader, 65536)
        self.assertTrue(read == CONTENT)
        run.drain()

    @unittest.skipIf(os.geteuid() != 0, "needs root, to give it up")
    def test_fifo_that_may_not_be_opened_again(self):
        """Of another user than the program has become: it is drained, in order, as any other."""
        for mode in ("full", "behind"):
            for size in (100, 6000):  # in one piece, and not
                with self.subTest(mode=mode, size=size):
                    path = os.path.join(self.temporary_folder(), "fifo")
                    os.mkfifo(path, 0o600)
                    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
                    run = self.drained(
                        "import os\nos.dup2(os.open(%r, os.O_WRONLY), 2)\n"
                        "os.setgroups([])\nos.setresgid(65534, 65534, 65534)\n"
                        "os.setresuid(65534, 65534, 65534)\n%s" % (
                            path, (FILL % 2).replace("* 10", "* %d" % (size // 10))),
                        DRAIN_MODE=mode)
                    self.wait_written(run)  # though nobody has read
                    os.set_blocking(reader, True)
                    content = b"".join(b"%09d\n" % i * (size // 10) for i in range(3000))
                    read = b""
                    while len(read) < len(content) and (chunk := os.read(reader, 65536)):
                        read += chunk
                    self.assertTrue(read == content)
                    os.close(reader)
                    self.assertEqual(run.drain()[2], 0)
                    self.doCleanups()

    def test_logging(self):
        run = self.drained(LOGGING)
        self.wait_written(run)
        out, err, status = run.drain()
        self.assertTrue(err == b"".join(b"line %d " % i + b"x" * 90 + b"\n" for i in range(3000)))

    def test_non_blocking_keeps_its_error(self):
        for mode in ("full", "behind"):
            run = self.drained(NON_BLOCKING, DRAIN_MODE=mode)
            written = int(os.read(run.readers[0], 100))
            self.assertLessEqual(written, 65536)
            self.assertEqual(run.events("drain_start"), [])
            out, err, status = run.drain()
            self.assertEqual((err, status), (b"x" * written, 0))

    def test_program_keeps_its_blocking_descriptor(self):
        run = self.drained(FILL % 2)
        self.wait_written(run)
        with open("/proc/%d/fdinfo/2" % run.process.pid) as file:
            flags, = (int(line.split()[1], 8) for line in file if line.startswith("flags"))
        self.assertFalse(flags & os.O_NONBLOCK)
        run.drain()

    def test_grow(self):
        run = self.drained(FILL % 2, GROW="512K")
        self.wait_written(run)
        self.assertEqual(fcntl.fcntl(run.readers[1], F_GETPIPE_SZ), 512 << 10)
        self.assertEqual(run.events("drain_start"), [], "all of it fits")
        out, err, status = run.drain()
        self.assertTrue(err == CONTENT)

    def test_nothing_is_drained_that_is_not_named(self):
        run = self.drained(FILL % 1, DRAIN="stderr")
        run.wait_stuck()
        self.assertEqual(len(run.wait_for("blocked")), 1)
        out, err, status = run.drain()
        self.assertTrue(out == CONTENT)
        self.assertEqual(run.process.wait(DEADLINE_S), 0)


if __name__ == "__main__":
    unittest.main()
