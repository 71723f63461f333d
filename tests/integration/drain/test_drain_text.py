# SPDX-License-Identifier: MIT
"""What the log says of the drainer to a person: PIPESHIM_FORMAT=text."""
import glob
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import DEADLINE_S, PipeshimCase, read_text, wait_until  # noqa: E402
from drain_case import read_soon, wait_for_stuck_helper  # noqa: E402

FILL = """
import os, sys
os.write(2, b"x" * 300000)
sys.stdin.read()
"""
MANY_WRITES = """
import os, sys
for i in range(3000):
    os.write(2, b"%09d\\n" % i * 100)
sys.stdin.read()
"""
LINES = """
import os, sys
for i in range(4000):
    sys.stderr.write("line %04d %s\\n" % (i, "." * 90))
os.write(1, b"done\\n")
sys.stdin.read()
"""
BEYOND = 300000 - 65536  # what a pipe of the usual size does not take
WHO = r"\w[\w.]*\[%d\](?: thread \w+\[\d+\])? "


class Text(PipeshimCase):
    def drained(self, program, **settings):
        settings = {"PIPESHIM_" + key: value for key, value in settings.items()}
        return self.start("/usr/bin/python3", "-S", "-c", program,
                          settings={"PIPESHIM_DRAIN": "stderr", "PIPESHIM_DRAIN_EXIT": "0",
                                    "PIPESHIM_FORMAT": "text", **settings})

    @staticmethod
    def log(run):
        return "".join(read_text(path) for path in glob.glob(run.folder + "/log.*"))

    def found(self, run, word, rest):
        """All lines "pipeshim: WORD program[PID] REST"."""
        who = WHO % run.process.pid
        return re.findall(r"(?m)^pipeshim: %s %s%s$" % (word, who, rest), self.log(run))

    def wait_line(self, run, word):
        wait_until(lambda: self.found(run, word, ".*"), word)

    def summary_line(self, run):
        """The numbers of the drainer's line, which belongs to the summary."""
        summary = self.log(run).split("pipeshim: SUMMARY ")
        self.assertEqual(len(summary), 2)
        lines = [line for line in summary[1].splitlines() if "drained" in line]
        self.assertEqual(len(lines), 1)
        numbers = re.fullmatch(r"  drained: (\d+) bytes in (\d+) episodes, at most (\d+) at once, "
                               r"(\d+) dropped, (\d+) lost, (\d+) handed over",
                               lines[0])
        self.assertTrue(numbers, lines[0])
        names = ("queued", "episodes", "peak", "dropped", "lost", "handed_over")
        return dict(zip(names, map(int, numbers.groups())))

    def test_start_and_end(self):
        run = self.drained(FILL)
        self.wait_line(run, "DRAIN")
        inode = os.fstat(run.readers[1]).st_ino
        run.begin_drain()
        self.wait_line(run, "DRAINED")
        out, err, status = run.finish()
        self.assertEqual((err, status), (b"x" * 300000, 0))
        queued, = self.found(run, "DRAIN", r"pipe:\[%d\] \(fd 2\) is not read fast enough: "
                             r"(\d+) bytes queued, the program goes on" % inode)
        self.assertLessEqual(int(queued), BEYOND)
        ms, bytes_, peak = self.found(run, "DRAINED", (
            r"pipe:\[%d\] \(fd 2\): the queue is empty again after ([\d.]+) ms, (\d+) bytes queued, "
            r"(\d+) at once \(report \d+\)" % inode))[0]
        self.assertGreater(float(ms), 0)
        self.assertEqual(int(bytes_), BEYOND)
        self.assertGreaterEqual(int(peak), BEYOND - 65536)
        # Who should read is told right below the line.
        log = self.log(run).splitlines()
        line, = (i for i, text in enumerate(log) if text.startswith("pipeshim: DRAIN "))
        self.assertRegex(log[line + 1], r"^  its reader: \S+\[%d\] fd %d" % (
            os.getpid(), run.readers[1]))
        totals = self.summary_line(run)
        peak = totals.pop("peak")
        self.assertGreaterEqual(peak, BEYOND - 65536)
        self.assertEqual(totals, {"queued": BEYOND, "episodes": 1, "dropped": 0, "lost": 0,
                                  "handed_over": 0})
        self.assertNotIn("BLOCKED", self.log(run))

    def test_drops(self):
        for policy in ("drop-new", "drop-old"):
            run = self.drained(MANY_WRITES, DRAIN_MAX="1M", DRAIN_OVERFLOW=policy)
            self.wait_line(run, "DROPPED")
            run.begin_drain()
            out, err, status = run.finish()
            drops = self.found(run, "DROPPED", r"(\d+) bytes of (\d+) writes dropped: "
                               r"the queue is full")
            self.assertEqual(len(drops), self.log(run).count("pipeshim: DROPPED "))
            self.assertEqual(sum(int(bytes_) for bytes_, _ in drops), 3000000 - len(err))
            self.assertEqual(sum(int(writes) for _, writes in drops) * 1000, 3000000 - len(err))
            self.assertEqual(self.summary_line(run)["dropped"], 3000000 - len(err))

    def test_hand_over(self):
        run = self.drained(FILL)
        inode = os.fstat(run.readers[1]).st_ino
        wait_for_stuck_helper(inode)
        run.process.stdin.close()
        self.assertEqual(run.process.wait(DEADLINE_S), 0)
        left = BEYOND  # the record that the helper has in its hands included
        self.assertEqual(self.found(run, "HANDOFF", r"(\d+) bytes of (\d+) writes are still queued: "
                                    "a helper process goes on sending them"), [(str(left), "1")])
        self.assertEqual(self.summary_line(run)["handed_over"], left)

    def test_reader_that_goes_away(self):
        run = self.drained(FILL)
        self.wait_line(run, "DRAIN")
        os.close(run.readers[1])
        run.readers[1] = os.open("/dev/null", os.O_RDONLY)
        self.wait_line(run, "DRAINED")
        run.drain()
        self.assertEqual(self.summary_line(run)["lost"], BEYOND)

    def test_nothing_to_tell(self):
        run = self.drained("import os; os.write(2, b'x' * 60000)", SUMMARY="on")
        out, err, status = run.drain()
        self.assertEqual((err, status), (b"x" * 60000, 0))
        self.assertEqual(self.log(run), "")

    def test_log_on_the_drained_pipe_itself(self):
        """The log as it comes: its records are whole lines between the program's."""
        for mode in ("full", "behind"):
            run = self.drained(LINES, LOG="stderr", DRAIN_MODE=mode)
            self.assertEqual(read_soon(run.readers[0]), b"done\n")
            out, err, status = run.drain()
            lines = err.splitlines(True)
            told = [line for line in lines if line.startswith((b"pipeshim: ", b"  "))]
            written = b"".join(line for line in lines if line not in told)
            self.assertTrue(written == b"".join(b"line %04d %s\n" % (i, b"." * 90)
                                                for i in range(4000)))
            self.assertEqual(status, 0)


if __name__ == "__main__":
    unittest.main()
