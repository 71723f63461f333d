#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A Node whose event loop waits has no frame of the call that started the child: the line is found
in the text of its script, or, where that does not say it for certain, none is told."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from nodes import find_nodes  # noqa: E402
from pipeshim_case import Run  # noqa: E402
from waits_case import WaitsCase  # noqa: E402

NODES, _ = find_nodes()
# Its stdout is the pipe that nobody reads.
CHILD = "while True:\n    print('x' * 100, flush=True)\n"
# Names what it will do in other places than the call as well.
HOST = """// starts python3 child.py: spawn('python3', ['child.py'])
const { spawn } = require('child_process')
const child = %s
child.on('exit', () => console.log('python3 child.py', 'is done'))
"""
CALL = "spawn('python3', ['child.py'])"


@unittest.skipUnless(NODES, "there is no Node")
class SpawnLine(WaitsCase):
    def begin_host(self, text, settings=None, **files):
        folder = self.temporary_folder()
        for name, content in {"host_js": text, "child_py": CHILD, **files}.items():
            with open(os.path.join(folder, name.replace("_", ".")), "w") as file:
                file.write(content)
        run = Run(folder, [NODES[0].path, os.path.join(folder, "host.js")], cwd=folder,
                  start_new_session=True, settings=settings or {"LD_PRELOAD": ""})
        self.addCleanup(self.end, run)
        return run

    def assert_found(self, link, run):
        self.assertEqual(link["where"], os.path.join(run.folder, "host.js") + ":3 spawn")
        self.assertEqual(link["source"], "const child = " + CALL)
        self.assertRegex(link["note"], "^its event loop waits: by the text of its script")

    def assert_not_guessed(self, link):
        self.assertNotIn("where", link)
        self.assertNotIn("source", link)
        self.assertRegex(link["note"], "^its event loop waits: see where it starts")

    def test_in_diagnose(self):
        run = self.begin_host(HOST % CALL)
        self.assert_found(self.diagnosed(run), run)

    def test_in_the_logs_of_both(self):
        run = self.begin_host(HOST % CALL, settings={"PIPESHIM_LOOP": "auto"})
        events = run.wait_for("deadlock", 2)
        self.assertEqual(len({event["pid"] for event in events}), 2)
        for event in events:
            self.assert_found(self.own_link(event, run), run)

    def test_two_calls_that_may_have_done_it(self):
        run = self.begin_host(HOST % ("process.argv[2] ? %s : %s" % (CALL, CALL)))
        self.assert_not_guessed(self.diagnosed(run))

    def test_a_call_in_another_file(self):
        run = self.begin_host("require('./start.js')\nconst { spawn } = require('child_process')\n"
                              "if (process.argv[2]) spawn('python3', ['other.py'])\n",
                              start_js=HOST % CALL)
        self.assert_not_guessed(self.diagnosed(run))

    def test_a_text_that_was_changed_since(self):
        run = self.begin_host(HOST % CALL)
        self.diagnosed(run)
        path = os.path.join(run.folder, "host.js")
        later = os.stat(path).st_mtime + 3600
        os.utime(path, (later, later))
        self.assert_not_guessed(self.diagnosed(run))


if __name__ == "__main__":
    unittest.main()
