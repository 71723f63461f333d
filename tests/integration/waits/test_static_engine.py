#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An engine that cannot load the library, in Go or in C linked statically, logs to a stderr that
nobody reads: only its parent can tell, and does."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import BUILD, read_text, victim, wait_until  # noqa: E402
from waits_case import SIDES, WaitsCase  # noqa: E402

PIPESHIM = os.path.join(BUILD, "pipeshim")
DEADLOCK = 2
# Logs what it got, then answers; both in pieces of 1,000 bytes. An argument: it thinks first.
GO = """
package main

import (
	"os"
	"time"
)

func main() {
	line := make([]byte, 1000)
	for i := 0; i < 100; i++ {
		if len(os.Args) > 1 {
			time.Sleep(25 * time.Millisecond)
		}
		os.Stderr.Write(line)
	}
	os.Stdout.Write([]byte("done\\n"))
}
"""
# The two ways to wait for it.
WAITS = {
    "read": "child.stdout.readline()",
    "wait4": "child.wait()",
}
START = """
import threading
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=environment())
"""
# In its own time: the engine waits for room all the while.
READS = """
import time
def read():
    while child.stderr.read(4096):
        time.sleep(0.05)
threading.Thread(target=read).start()
"""


def has_go():
    try:
        return subprocess.run(["go", "version"], stdout=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


class StaticEngine(WaitsCase):
    def engine_in_go(self):
        folder = self.temporary_folder()
        source, program = os.path.join(folder, "engine.go"), os.path.join(folder, "engine")
        with open(source, "w") as file:
            file.write(GO)
        subprocess.run(["go", "build", "-o", program, source], check=True,
                       env={**os.environ, "GOCACHE": folder + "/cache", "GOFLAGS": "-p=1"})
        return program

    def assert_deadlock_from_outside(self, run):
        """`diagnose` sees both, so that a silent log is one of somebody who does not speak."""
        def stuck():
            done = subprocess.run([PIPESHIM, "diagnose", "--json", str(run.process.pid)],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=60, check=False)
            return done.returncode == DEADLOCK and json.loads(done.stdout)["findings"]
        finding = wait_until(stuck, "deadlock by diagnose")[0]
        self.assertIn(run.process.pid, [link["pid"] for link in finding["chain"]])
        self.assertNotIn("timeout", finding["words"])
        self.assertNotIn("timeout_ms", finding)

    def assert_told_by_the_parent(self, *engine):
        runs = [(call, side, self.begin(side, START + wait, *engine))
                for call, wait in WAITS.items() for side in SIDES]
        for call, side, run in runs:
            with self.subTest(call=call, side=side):
                if side == "child":
                    self.assert_deadlock_from_outside(run)
                    self.assertEqual(run.events(), [])
                    continue
                event = run.wait_for("deadlock")[0]
                self.assert_closed(event)
                child, parent = event["chain"]
                self.assertEqual((event["pid"], parent["pid"]), (run.process.pid,) * 2)
                self.assertEqual((child["name"], child["waits_in"]),
                                 (os.path.basename(engine[0]), "write fd 2"))
                self.assertTrue(parent["waits_in"].startswith(call), parent)
                self.assertRegex(event["where"], r"/parent\.py:\d+ <module>$")
                self.assertIn("its stderr): full", event["words"])
                # Go's runtime has timers in other threads; neither of these two waits has one.
                self.assertNotIn("timeout", event["words"])
                self.assertEqual({e["pid"] for e in run.events()}, {run.process.pid})
                maps = read_text("/proc/%d/maps" % child["pid"])
                self.assertTrue(maps)
                self.assertNotIn("libpipeshim", maps)

    def assert_silent_where_it_is_read(self, *engine):
        runs = [self.begin("both", START + READS + wait, *engine) for wait in WAITS.values()]
        for run in runs:
            self.assertEqual(run.drain()[2], 0)
            self.assertEqual(run.events("deadlock") + run.events("finding"), [])

    @unittest.skipUnless(has_go(), "no go")
    def test_in_go(self):
        """Its other threads wait for work, or for 60 s to tidy up."""
        engine = self.engine_in_go()
        self.assert_told_by_the_parent(engine)
        self.assert_silent_where_it_is_read(engine, "slowly")

    def test_in_c(self):
        self.assert_told_by_the_parent(victim("static_writer"), "2", "3000", "0")
        self.assert_silent_where_it_is_read(victim("static_writer"), "2", "3000", "0")


if __name__ == "__main__":
    sys.exit(unittest.main())
