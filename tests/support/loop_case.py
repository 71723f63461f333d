# SPDX-License-Identifier: MIT
"""Shared by the tests of event loops."""
import os
import signal

from pipeshim_case import PipeshimCase

AT_ONCE = 4  # victims: two cores, and a loop that gets none is late for that reason alone
SETTINGS = {"PIPESHIM_THRESHOLD": "200ms"}


def is_starved(event):
    """The machine had no CPU for the loop, for a tenth of the time at least: a true report, and no fault of
    what is tested."""
    shares = event.get("shares", event.get("cause"))
    return event.get("cause") == "starved" or shares.get("starved", 0) > event["lag_ms"] / 10


class LoopCase(PipeshimCase):
    def start(self, *command, settings=None, **options):
        return super().start(*command, settings={**SETTINGS, **(settings or {})}, **options)

    def starved(self, run, story=None):
        return [e["seq"] for e in run.events() if e["event"] == "lag" and e["pid"] == run.process.pid and
                is_starved(e) and e["seq"] != story]

    def told(self, run, story=None):
        """What was told of the victim's loop; `story`: the report that is looked at."""
        starved = self.starved(run, story)
        return [e for e in run.events() if e["pid"] == run.process.pid and
                e["event"] not in ("start", "summary", "deadlock") and
                (e["seq"] == story or (e["seq"] not in starved and e.get("ref") not in starved))]

    def assert_silent(self, run):
        self.assertEqual([e["event"] for e in run.events() if e["event"] in ("start", "summary")
                          and e["pid"] == run.process.pid], ["start", "summary"])
        self.assertEqual(self.told(run), [])

    def release(self, run, event):
        os.kill(run.process.pid, signal.SIGUSR1)

    def end(self, run, event):
        self.assertIsNone(run.process.poll(), "it was reported while it lasted")
        self.release(run, event)
        self.assertEqual(run.drain()[2], 0)

    def check_story(self, run, event, cause):
        """The report, its end if it is a call's, and the end of the lag with its cause."""
        told = self.told(run, event["seq"])
        kinds = ["lag", "lag_end"] if event["event"] == "lag" else ["blocked", "unblocked", "lag_end"]
        # A loop that reads a pipe whose only writer it is itself is a finding as well.
        told = [e for e in told if e["event"] not in ("finding", "still")]
        if event.get("ref") in self.starved(run, event["seq"]):
            # The call's report belongs to a lag that began before it: that one's end is not this story's.
            self.assertEqual([e["event"] for e in told], ["blocked", "unblocked"])
            return
        self.assertEqual([e["event"] for e in told], kinds, told)
        self.assertEqual({e["ref"] for e in told[1:]}, {event["seq"]})
        end = told[-1]
        shares = end["cause"]
        self.assertAlmostEqual(sum(shares.values()), end["lag_ms"], delta=end["lag_ms"] / 100 + 0.1)
        if shares.get("starved", 0) > end["lag_ms"] / 2 and cause != "cpu":
            # It had been woken, and neither it nor the watchdog got a CPU: what it waited in is there still.
            self.assertIn(cause, [call["class"] for call in end["calls"]], end)
            return
        known = {name: share for name, share in shares.items() if name != "starved"}
        self.assertEqual(max(known, key=known.get, default=cause), cause, end)

    def check_ways(self, ways):
        names = list(ways)
        for first in range(0, len(names), AT_ONCE):
            runs = {way: self.start_way(way) for way in names[first:first + AT_ONCE]}
            events = {way: run.wait_for("blocked")[0] for way, run in runs.items()}
            for way, run in runs.items():
                with self.subTest(way):
                    self.check_call(way, events[way], ways[way])
                    self.end(run, events[way])
                    self.check_story(run, events[way], ways[way][0])
