# SPDX-License-Identifier: MIT
"""What the log says of the drainer."""
import os
import select
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import DEADLINE_S, PipeshimCase, wait_until  # noqa: E402
from drain_case import read_soon  # noqa: E402

FILL_AND_WAIT = """
import os, sys
os.write(2, b"x" * 300000)
sys.stdin.read()
"""
MANY_WRITES = """
import os, sys
for i in range(3000):
    os.write(2, b"%09d\\n" % i * 100)
os.write(1, b"written")
sys.stdin.read()
"""
MANY_PIPES = """
import fcntl, os, resource, sys, threading
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
pipes = [os.pipe() for _ in range(1030)]
for _, end in pipes:
    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 4096)
for _, end in pipes[:1024]:
    os.write(end, b"x" * 5000)
os.write(1, b"queued")
threading.Thread(target=os.write, args=(pipes[1024][1], b"x" * 5000), daemon=True).start()
sys.stdin.readline()
for reader, _ in pipes[:1025]:
    got = 0
    while got < 5000:
        got += len(os.read(reader, 5000))
os.write(1, b" read")
sys.stdin.read()
"""
BEYOND = 300000 - 65536  # what a pipe of the usual size does not take


class DrainEvents(PipeshimCase):
    def drained(self, program, **settings):
        settings = {"PIPESHIM_" + key: value for key, value in settings.items()}
        return self.start("/usr/bin/python3", "-S", "-c", program,
                          settings={"PIPESHIM_DRAIN": "stderr", "PIPESHIM_DRAIN_EXIT": "0",
                                    **settings})

    def test_start_and_end(self):
        run = self.drained(FILL_AND_WAIT)
        start = run.wait_for("drain_start")[0]
        inode = os.fstat(run.readers[1]).st_ino
        self.assertEqual((start["fd"], start["object"]), (2, "pipe:[%d]" % inode))
        self.assertGreater(start["queued_bytes"], 0)  # until then
        self.assertLessEqual(start["queued_bytes"], BEYOND)
        self.assertTrue(start["pipe"]["full"])
        self.assertIn(os.getpid(), [peer["pid"] for peer in start["pipe"]["peers"]])
        run.begin_drain()
        end = run.wait_for("drain_end")[0]
        self.assertEqual(end["ref"], start["seq"])
        self.assertEqual((end["fd"], end["object"], end["queued_bytes"]),
                         (2, start["object"], BEYOND))
        self.assertGreaterEqual(end["peak_bytes"], BEYOND - 65536)  # one record is on its way
        self.assertGreater(end["ms"], 0)
        out, err, status = run.finish()
        self.assertEqual((err, status), (b"x" * 300000, 0))
        self.assertEqual(run.events("blocked"), [], "the program did not block")
        self.assertEqual(len(run.events("drain_start")), 1)
        summary = run.events("summary")[0]["drain"]
        self.assertEqual(summary["episodes"], 1)
        self.assertEqual(summary["queued_bytes"], BEYOND)
        self.assertEqual((summary["dropped_bytes"], summary["lost_bytes"],
                          summary["handed_over_bytes"]), (0, 0, 0))

    def test_hand_over_at_exit(self):
        run = self.drained(MANY_WRITES)
        run.wait_for("drain_start")
        run.process.stdin.close()
        self.assertEqual(run.process.wait(DEADLINE_S), 0)
        handed_over = run.wait_for("drain_handoff")[0]
        run.begin_drain()
        for thread in run.threads:
            thread.join(DEADLINE_S)
        self.assertEqual(run.contents[1], b"".join(b"%09d\n" % i * 100 for i in range(3000)))
        summary = run.events("summary")[0]["drain"]
        # Whole writes; at most one batch is on its way.
        self.assertEqual(handed_over["bytes"], handed_over["writes"] * 1000)
        self.assertIn(summary["queued_bytes"] - handed_over["bytes"], range(0, 9001))
        self.assertEqual(summary["handed_over_bytes"], handed_over["bytes"])

    def test_drops_are_told(self):
        for policy in ("drop-new", "drop-old"):
            run = self.drained(MANY_WRITES, DRAIN_MAX="1M", DRAIN_OVERFLOW=policy)
            run.wait_for("drain_drop")
            self.assertEqual(read_soon(run.readers[0]), b"written") # a reader makes room again
            run.begin_drain()
            out, err, status = run.finish()
            drops = run.events("drain_drop")
            summary = run.events("summary")[0]["drain"]
            self.assertEqual(sum(event["bytes"] for event in drops), 3000000 - len(err))
            self.assertEqual(sum(event["writes"] for event in drops) * 1000, 3000000 - len(err))
            self.assertEqual(summary["dropped_bytes"], 3000000 - len(err))
            # Whole writes, in order, the first or the last ones among them.
            writes = [int(err[at:at + 9]) for at in range(0, len(err), 1000)]
            self.assertEqual(err, b"".join(b"%09d\n" % i * 100 for i in writes))
            self.assertEqual(writes, sorted(writes))
            self.assertEqual(writes[-1] == 2999, policy == "drop-old")

    def test_reader_that_goes_away(self):
        run = self.drained(FILL_AND_WAIT)
        run.wait_for("drain_start")
        os.close(run.readers[1])
        run.readers[1] = os.open("/dev/null", os.O_RDONLY)
        run.wait_for("drain_end")
        run.drain()
        # All that the pipe had not taken: the pipe's own content went unread as well, uncounted.
        self.assertEqual(run.events("summary")[0]["drain"]["lost_bytes"], BEYOND)

    @unittest.skipIf(os.geteuid() != 0, "so many pipes, and processes, are root's")
    def test_1024_pipes_at_once_and_one_more(self):
        run = self.drained(MANY_PIPES, DRAIN="all")
        self.assertTrue(select.select([run.readers[0]], [], [], 6 * DEADLINE_S)[0], "1024 processes")
        self.assertEqual(read_soon(run.readers[0]), b"queued")
        wait_until(lambda: [e for e in run.events("warning") if "1024" in e["message"]], "warning")
        run.process.stdin.write(b"go on\n")
        run.process.stdin.flush()
        self.assertEqual(read_soon(run.readers[0]), b" read")
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual(run.events("summary")[0]["drain"]["episodes"], 1024)


if __name__ == "__main__":
    unittest.main()
