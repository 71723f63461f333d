# SPDX-License-Identifier: MIT
"""stdio, C++ streams, Python's print and logging: no call waits for a reader that reads nothing until
all of them have returned, and every byte arrives."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from drain_case import DrainCase, victim  # noqa: E402

MODES = ("full", "behind")
LINES = 3000
REASON = b": No such file or directory"
ON_STDERR = ("cerr", "unsynced cerr", "clog", "perror", "warn", "dprintf", "fprintf", "fwrite",
             "putc", "wide")
ON_STDOUT = ("puts", "buffered", "cout", "unsynced cout", "exit")
TURNS = ("cerr", "puts", "perror", "cout", "dprintf", "clog", "fprintf", "fwrite", "putc")

PRINT = """
import os, sys
for i in range(4000):
    print("line", i, "." * (7 * i % 150), file=sys.stderr)
print("x" * 1000000, file=sys.stderr, flush=True)
os.write(int(sys.argv[1]), b"done\\n")
sys.stdin.read()
sys.exit("farewell")
"""
PRINT_BOTH = """
import os, sys
for i in range(4000):
    print("out", i, "." * 90, flush=i % 3 == 0)
    print("err", i, "." * 90, file=sys.stderr)
sys.stdout.flush()
os.write(int(sys.argv[1]), b"done\\n")
sys.stdin.read()
print("left in the buffer")
"""
LOGGING = """
import logging, os, sys, threading
logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(threadName)s %(message)s")
log = logging.getLogger("engine")
def work():
    for i in range(1000):
        log.debug("request %d %s", i, "." * (7 * i % 150))
threads = [threading.Thread(target=work, name="t%d" % n) for n in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
try:
    raise ValueError("told")
except ValueError:
    log.exception("caught")
os.write(int(sys.argv[1]), b"done\\n")
sys.stdin.read()
"""


def line(number, way):
    prefix = b"drain_stdio: " if way == "warn" else b""
    suffix = REASON if way in ("perror", "warn") else b""
    return prefix + b"line %06d " % number + b"." * 90 + suffix + b"\n"


class Stdio(DrainCase):
    def ends(self, run):
        """Both streams, read after the program has gone."""
        run.process.stdin.close()
        status = run.wait()
        return run.process.stdout.read(), run.read(), status

    def assert_same(self, got, expected):
        """As assertEqual, without a difference of some 100 KB."""
        if got != expected:
            place = len(os.path.commonprefix([got, expected]))
            self.fail("%d bytes, %d expected; other from %d on: %r, expected %r" % (
                len(got), len(expected), place, got[place:place + 120],
                expected[place:place + 120]))

    def test_streams_to_stderr(self):
        for mode in MODES:
            for drain in ("stderr", "stdio"):
                for way in ON_STDERR:
                    run = self.finished([victim("drain_stdio"), way, str(LINES)],
                                        DRAIN_MODE=mode, DRAIN=drain)
                    out, err, status = self.ends(run)
                    self.assertEqual((out, status), (b"", 0), (mode, drain, way))
                    self.assert_same(err, b"".join(line(i, way) for i in range(LINES)))

    def test_streams_to_stdout(self):
        for mode in MODES:
            for way in ON_STDOUT:
                run = self.finished([victim("drain_stdio"), way, str(LINES)],
                                    DRAIN_MODE=mode, DRAIN="stdio")
                out, err, status = self.ends(run)
                self.assertEqual((err, status), (b"", 0), (mode, way))
                self.assert_same(out, b"".join(line(i, way) for i in range(LINES)))

    def test_streams_in_turn(self):
        """stdout's and stderr's calls, each to its own pipe."""
        for mode in MODES:
            run = self.finished([victim("drain_stdio"), "mixed", str(2 * LINES)],
                                DRAIN_MODE=mode, DRAIN="stdio")
            out, err, status = self.ends(run)
            self.assertEqual(status, 0)
            ways = [(i, TURNS[i % len(TURNS)]) for i in range(2 * LINES)]
            self.assert_same(out, b"".join(line(*w) for w in ways if w[1] in ("puts", "cout")))
            self.assert_same(err, b"".join(line(*w) for w in ways if w[1] not in ("puts", "cout")))

    def test_streams_in_turn_on_one_pipe(self):
        """2>&1: the order of the calls is that of the lines."""
        for mode in MODES:
            command = ["/bin/sh", "-c", 'exec "$@" 1>&2', "sh", victim("drain_stdio"), "mixed",
                       str(LINES)]
            run = self.finished(command, DRAIN_MODE=mode, DRAIN="stdio")
            out, err, status = self.ends(run)
            self.assertEqual((out, status), (b"", 0))
            self.assert_same(err, b"".join(line(i, TURNS[i % len(TURNS)]) for i in range(LINES)))

    def python_finished(self, program, mode, drain):
        return self.finished(["/usr/bin/python3", "-S", "-E", "-c", program],
                             DRAIN_MODE=mode, DRAIN=drain)

    def test_python_print(self):
        for mode in MODES:
            for drain in ("stderr", "stdio"):
                run = self.python_finished(PRINT, mode, drain)
                out, err, status = self.ends(run)
                self.assertEqual((out, status), (b"", 1))
                lines = [b"line %d %s\n" % (i, b"." * (7 * i % 150)) for i in range(4000)]
                self.assert_same(err, b"".join(lines) + b"x" * 1000000 + b"\nfarewell\n")

    def test_python_print_to_both(self):
        for mode in MODES:
            run = self.python_finished(PRINT_BOTH, mode, "stdio")
            out, err, status = self.ends(run)
            self.assertEqual(status, 0)
            self.assert_same(err, b"".join(b"err %d %s\n" % (i, b"." * 90) for i in range(4000)))
            self.assert_same(out, b"".join(b"out %d %s\n" % (i, b"." * 90) for i in range(4000)) +
                             b"left in the buffer\n")

    def test_python_logging(self):
        for mode in MODES:
            for drain in ("stderr", "stdio"):
                run = self.python_finished(LOGGING, mode, drain)
                out, err, status = self.ends(run)
                self.assertEqual((out, status), (b"", 0))
                told, _, end = err.partition(b"ERROR ")
                self.assertRegex(end, rb"\AMainThread caught\nTraceback [^\n]*\n  File [^\n]*\n"
                                 rb"ValueError: told\n\Z")
                lines = told.splitlines(True)
                for name in (b"t0", b"t1", b"t2", b"t3"):
                    own = [text for text in lines if text.startswith(b"DEBUG %s " % name)]
                    self.assert_same(b"".join(own), b"".join(
                        b"DEBUG %s request %d %s\n" % (name, i, b"." * (7 * i % 150))
                        for i in range(1000)))
                self.assertEqual(len(lines), 4000)


if __name__ == "__main__":
    unittest.main()
