#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A loop that its cgroup's CPU quota throttles is starved, not computing."""
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from loop_case import LoopCase  # noqa: E402
from pipeshim_case import read_text, victim, wait_until  # noqa: E402

PERIOD_US = 200000


def make_group():
    """A cgroup with a quota of a tenth of a CPU: version 2, or 1; None where that is not allowed."""
    name = "pipeshim-test-%d" % os.getpid()
    for parent, settings in (("/sys/fs/cgroup", {"cpu.max": "%d %d" % (PERIOD_US / 10, PERIOD_US)}),
                             ("/sys/fs/cgroup/cpu", {"cpu.cfs_period_us": str(PERIOD_US),
                                                     "cpu.cfs_quota_us": str(PERIOD_US // 10)})):
        group = os.path.join(parent, name)
        try:
            os.mkdir(group)
        except OSError:
            continue
        try:
            for setting, value in settings.items():
                with open(os.path.join(group, setting), "r+", encoding="ascii") as file:
                    file.write(value)
            return group
        except OSError:
            os.rmdir(group)
    return None


class ThrottledLoop(LoopCase):
    def test_cgroup_quota(self):
        group = make_group()
        if not group:
            self.skipTest("no cgroup with a CPU quota can be made here")
        self.addCleanup(os.rmdir, group)
        self.addCleanup(wait_until, lambda: not read_text(os.path.join(group, "cgroup.procs")),
                        "empty cgroup")
        # In the group from its start on: what it computes before counts as well.
        run = self.start("/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', os.path.join(group, "cgroup.procs"),
                         victim("epoll_loop"), "cpu")
        self.addCleanup(run.process.kill)
        lag = wait_until(lambda: next(iter(run.events("lag")), None), "lag")
        self.assertEqual(lag["cause"], "starved")
        self.assertGreater(lag["shares"]["starved"], lag["shares"].get("cpu", 0))
        os.kill(run.process.pid, signal.SIGUSR1)
        self.assertEqual(run.drain()[2], 0)
        end = [e for e in run.events("lag_end") if e["ref"] == lag["seq"]][0]
        self.assertEqual(max(end["cause"], key=end["cause"].get), "starved")


if __name__ == "__main__":
    sys.exit(unittest.main())
