# SPDX-License-Identifier: MIT
"""pipeshim top and metrics from the host into another PID namespace."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import BUILD, LIBRARY, PipeshimCase, read_text, wait_until  # noqa: E402

TOOL = os.path.join(BUILD, "pipeshim")
# Process 1 of its namespace waits for a child, 2, whose output it does not read.
WAITS = """
import os, subprocess, sys
environment = dict(os.environ)
if sys.argv[2] == "child":
    environment["LD_PRELOAD"] = sys.argv[1]
child = subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE,
                         env=environment)
child.wait()
"""


def unshare_works():
    return subprocess.run(["unshare", "-p", "-f", "--mount-proc", "true"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


@unittest.skipUnless(os.getuid() == 0 and unshare_works(), "PID namespaces need root")
class Containers(PipeshimCase):
    def launch(self, who):
        """The pids of parent and child, as the host has them."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(PIPESHIM_THRESHOLD="50ms", PIPESHIM_LOG="/dev/null")
        inner = ["/usr/bin/python3", "-c", WAITS, LIBRARY, who]
        if who == "both":
            inner = ["env", "LD_PRELOAD=" + LIBRARY] + inner
        outer = subprocess.Popen(["unshare", "-p", "-f", "--kill-child", "--mount-proc"] + inner,
                                 env=environment, stdin=subprocess.DEVNULL)
        self.addCleanup(outer.wait)
        self.addCleanup(outer.kill)

        def child_of(pid):
            return [int(word) for word in
                    read_text("/proc/%d/task/%d/children" % (pid, pid)).split()]
        parent = wait_until(lambda: child_of(outer.pid), "the first process")[0]
        child = wait_until(lambda: child_of(parent), "its child")[0]
        self.assertEqual(self.inner_pid(parent), 1)
        return parent, child

    def inner_pid(self, pid):
        return int(read_text("/proc/%d/status" % pid).split("NSpid:")[1].splitlines()[0].split()[-1])

    def rows(self):
        out = subprocess.run([TOOL, "top", "--json", "-n", "1"], stdout=subprocess.PIPE, check=True).stdout
        return {process["pid"]: process for process in json.loads(out)["processes"]}

    def test_both_are_seen_by_the_pids_of_the_host(self):
        parent, child = self.launch("both")
        rows = wait_until(lambda: (r := self.rows()) and all(
            r.get(pid, {}).get("state") == "DEADLOCK" for pid in (parent, child)) and r,
            "a deadlock in a container")
        self.assertTrue(rows[parent]["watched"] and rows[child]["watched"])
        self.assertEqual(rows[child]["stdio"]["stdout"], {"used": 65536, "capacity": 65536})
        # What it says of itself is in its own numbers.
        self.assertEqual({m["pid"] for m in rows[child]["chains"][0]["chain"]},
                         {1, self.inner_pid(child)})
        text = subprocess.run([TOOL, "metrics"], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertIn('finding="deadlock"} ', text)

    def test_one_without_the_library_has_the_pid_of_the_host(self):
        parent, child = self.launch("child")
        row = wait_until(lambda: self.rows().get(parent), "a row for the parent")
        self.assertEqual((row["watched"], row["named_by"], row["for_pid"]), (False, child, child))
        self.assertEqual(row["state"], "DEADLOCK")


if __name__ == "__main__":
    unittest.main()
