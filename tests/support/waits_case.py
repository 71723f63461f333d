# SPDX-License-Identifier: MIT
"""Two programs that wait for each other, of which the library runs in the parent, the child or
both. The parent is a Python script; it starts its children with `environment()`, which loads the
library into them or not."""
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from diagnose_support import PIPESHIM  # noqa: E402
from pipeshim_case import LIBRARY, PipeshimCase, Run, wait_until  # noqa: E402

PYTHON = "/usr/bin/python3"
SIDES = ("parent", "child", "both")
PRELUDE = """
import os, subprocess, sys
def environment():
    env = dict(os.environ)
    env.pop("LD_PRELOAD", None)
    if os.environ.get("TEST_CHILD_LIBRARY"):
        env["LD_PRELOAD"] = os.environ["TEST_CHILD_LIBRARY"]
    return env
"""


class WaitsCase(PipeshimCase):
    def begin(self, side, script, *arguments, before=(), **settings):
        """Starts `script` in the folder as parent.py, so that it has a name and lines; by the command
        `before` it."""
        folder = self.temporary_folder()
        path = os.path.join(folder, "parent.py")
        with open(path, "w") as file:
            file.write(PRELUDE + script)
        environment = {"LD_PRELOAD": LIBRARY if side != "child" else "",
                       "TEST_CHILD_LIBRARY": LIBRARY if side != "parent" else "", **settings}
        run = Run(folder, [*before, PYTHON, path, *arguments], settings=environment,
                  start_new_session=True)
        self.addCleanup(self.end, run)
        return run

    def end(self, run):
        """The children of a hung parent must not outlive the test."""
        try:
            os.killpg(run.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        run.close()

    def own_link(self, event, run):
        """The started program's own link of the chain."""
        return next(link for link in event["chain"] if link["pid"] == run.process.pid)

    def diagnosed(self, run):
        """The same, by `pipeshim diagnose`, once that finds a deadlock."""
        def stuck():
            done = subprocess.run([PIPESHIM, "diagnose", "--json", str(run.process.pid)],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=60)
            return done.returncode == 2 and json.loads(done.stdout)["findings"][0]
        return self.own_link(wait_until(stuck, "deadlock"), run)

    def watched(self, run, side, child):
        """The pids that run the library."""
        return {"parent": {run.process.pid}, "child": {child},
                "both": {run.process.pid, child}}[side]

    def assert_told_by_each(self, run, side, members=2):
        """`deadlock` once in the log of each member that runs the library, with one id."""
        first = run.wait_for("deadlock", 2 if side == "both" else 1)
        pids = [link["pid"] for link in first[0]["chain"]]
        self.assertEqual(len(pids), members, first[0])
        self.assertIn(run.process.pid, pids)
        child = next(pid for pid in pids if pid != run.process.pid)
        self.assertEqual({e["pid"] for e in first}, self.watched(run, side, child))
        self.assertEqual(len({e["id"] for e in first}), 1)
        for event in first:
            self.assert_closed(event)
        return first[0]

    def assert_closed(self, event):
        chain = event["chain"]
        for link, following in zip(chain, chain[1:] + chain[:1]):
            self.assertEqual(link["for_pid"], following["pid"])


def thread_count(pid):
    return len(os.listdir("/proc/%d/task" % pid))
