# SPDX-License-Identifier: MIT
"""A wait that cannot end, and what is done about it (PIPESHIM_ACTION)."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from pipeshim_case import BUILD, DEADLINE_S, wait_until  # noqa: E402
from waits_case import WaitsCase  # noqa: E402

TOOL = os.path.join(BUILD, "pipeshim")
DEADLOCK = """
child = subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE,
                         env=environment())
child.wait()
"""
# An event loop whose own work keeps it away from its wait.
LAG = """
import asyncio, os
async def main():
    for _ in range(20):
        await asyncio.sleep(0.01)
    while True:
        os.getppid()
asyncio.run(main())
"""
# A callback of an event loop that waits for a line of input.
HELD = """
import asyncio, os
async def main():
    for _ in range(20):
        await asyncio.sleep(0.01)
    os.read(0, 100)
    while True:
        await asyncio.sleep(0.01)
asyncio.run(main())
"""


class ActionCase(WaitsCase):
    def wait_until_due(self):
        """An action that was begun now was done: one of before is due for long."""
        run = self.begin_deadlock("term")
        self.assert_action(run, "term")

    def wait_for_still(self, run, blocked):
        """A call of 300 ms threshold has lasted for ten times that: an action after 1 s is due."""
        wait_until(lambda: [e for e in run.events("still") if e["ref"] == blocked["seq"]], "still")

    def begin_deadlock(self, action, script=DEADLOCK, **settings):
        return self.begin("parent", script, PIPESHIM_ACTION=action,
                          **{"PIPESHIM_ACTION_AFTER": "1s", **settings})

    def assert_action(self, run, action):
        event = run.wait_for("action")[0]
        deadlock = run.wait_for("deadlock")[0]
        self.assertEqual((event["action"], event["ref"], event["pid"]),
                         (action, deadlock["seq"], run.process.pid))
        return event

    def wait_for_stuck_write(self, run, count=1):
        """Not a file of Python's own, which a slow disk may well hold up. The last of them."""
        def told():
            found = [e for e in run.events("blocked") if e["class"] == "pipe_write"]
            return found[count - 1] if len(found) >= count else None
        return wait_until(told, "stuck write")

    def set(self, run, *assignments):
        done = subprocess.run([TOOL, "set", str(run.process.pid), *assignments],
                              capture_output=True, text=True, timeout=DEADLINE_S)
        self.assertEqual(done.returncode, 0, done.stderr)
