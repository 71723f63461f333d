# SPDX-License-Identifier: MIT
"""PIPESHIM_ACTION_ON: about which waits something is done, and about which nothing."""
import json
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from action_case import HELD, LAG, ActionCase  # noqa: E402
from pipeshim_case import DEADLINE_S, read_text, wait_until  # noqa: E402

# Its write waits for a reader that comes late; and one that waits for its input for ever.
SLOW = """
r, w = os.pipe()
os.write(2, b"x" * 70000)
sys.stdin.read()
"""


class ActionReasons(ActionCase):
    def test_not_of_what_is_not_named(self):
        """The twin: the same deadlock, of which only the log tells."""
        for settings in ({"PIPESHIM_ACTION_ON": "lag,no_reader"}, {"PIPESHIM_ACTION_AFTER": "3600s"}):
            run = self.begin_deadlock("term", **settings)
            run.wait_for("deadlock")
            self.wait_until_due()
            self.assertIsNone(run.process.poll())
            self.assertEqual(run.events("action"), [])

    def test_not_of_a_fifo_whose_reader_may_come(self):
        """It is told as no_reader, which is a reason by default."""
        fifo = os.path.join(self.temporary_folder(), "fifo")
        os.mkfifo(fifo)
        run = self.begin_deadlock("term", "open(%r, 'w')" % fifo)
        finding = run.wait_for("finding")[0]
        self.assertEqual((finding["kind"], finding["certainty"]), ("no_reader", "likely"))
        self.wait_until_due()
        self.assertIsNone(run.process.poll())
        self.assertEqual(run.events("action"), [])
        os.close(os.open(fifo, os.O_RDONLY))
        self.assertEqual(run.process.wait(DEADLINE_S), 0)

    def test_blocked_when_it_is_asked_for(self):
        run = self.begin_deadlock("term", script=SLOW, PIPESHIM_ACTION_ON="blocked")
        blocked = self.wait_for_stuck_write(run)
        event = run.wait_for("action")[0]
        self.assertEqual((event["action"], event["ref"]), ("term", blocked["seq"]))
        self.assertEqual(run.process.wait(DEADLINE_S), -signal.SIGTERM)

    def test_lag_when_it_is_asked_for(self):
        run = self.begin_deadlock("term", LAG, PIPESHIM_LOOP="main", PIPESHIM_ACTION_ON="lag")
        event = run.wait_for("action")[0]
        self.assertEqual((event["action"], event["ref"]), ("term", run.events("lag")[-1]["seq"]))
        self.assertEqual(run.process.wait(DEADLINE_S), -signal.SIGTERM)

    def test_lag_of_a_loop_that_one_call_holds(self):
        """It is told as `blocked`, and is a loop that is away all the same."""
        out = os.path.join(self.temporary_folder(), "out")
        run = self.begin_deadlock("exec:cat > %s; echo $PIPESHIM_EVENT >> %s" % (out, out), HELD,
                                  PIPESHIM_LOOP="main", PIPESHIM_ACTION_ON="lag")
        event = run.wait_for("action")[0]
        cause = next(e for e in run.events() if e["seq"] == event["ref"])
        if cause["event"] != "lag":  # a busy machine made it late before
            self.assertEqual((cause["event"], cause["loop"], cause["class"]), ("blocked", True, "pipe_read"))
        self.assertEqual((event["action"], event["tid"], event["result"]),
                         ("exec", run.process.pid, "exit 0"))
        told, name = read_text(out).splitlines()
        told = json.loads(told)
        self.assertEqual((told["event"], told["seq"], told["cause"], name),
                         ("lag", event["ref"], "pipe_read", "lag"))
        self.assertGreaterEqual(told["lag_ms"], 1000)

    def test_a_loop_that_comes_back(self):
        """The twin: it was away, and is not when the action would be due."""
        run = self.begin_deadlock("term", HELD, PIPESHIM_LOOP="main", PIPESHIM_ACTION_ON="lag",
                                  PIPESHIM_ACTION_AFTER="3600s")
        wait_until(lambda: [e for e in run.events("blocked") if e["class"] == "pipe_read"], "stuck read")
        self.set(run, "threshold=600s")  # a busy machine makes loops late
        run.process.stdin.write(b"on\n")
        run.process.stdin.flush()
        run.wait_for("lag_end")
        self.set(run, "action-after=1s")
        self.wait_until_due()
        self.assertIsNone(run.process.poll())
        self.assertEqual(run.events("action"), [])

    def test_lag_is_no_reason_by_itself(self):
        run = self.begin_deadlock("term", LAG, PIPESHIM_LOOP="main")
        run.wait_for("lag")
        self.wait_until_due()
        self.assertIsNone(run.process.poll())
        self.assertEqual(run.events("action"), [])

    def test_an_action_that_is_set_later(self):
        """Of a deadlock that was reported before; and not of what the new setting does not name."""
        for settings, acts in ((["action-on=deadlock"], True), (["action-on=no_reader"], False)):
            with self.subTest(settings):
                run = self.begin_deadlock("log")
                run.wait_for("deadlock")
                self.set(run, "action=term", "action-after=10ms", *settings)
                if acts:
                    self.assert_action(run, "term")
                    self.assertEqual(run.process.wait(DEADLINE_S), -signal.SIGTERM)
                else:
                    self.wait_until_due()
                    self.assertIsNone(run.process.poll())
                    self.assertEqual(run.events("action"), [])


if __name__ == "__main__":
    unittest.main()
