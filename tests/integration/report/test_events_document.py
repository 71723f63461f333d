#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""EVENTS.md lists each field of each event: the check that says so sees what is missing on either
side, and what the library really writes is in it."""
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BUILD = os.environ.get("PIPESHIM_BUILD", os.path.join(ROOT, "build"))
spec = importlib.util.spec_from_file_location("check_events",
                                              os.path.join(ROOT, "scripts", "check-events.py"))
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)

# A thread that loops over epoll and blocks in it, a pipe that its reader does not read, a deadlock.
PROGRAM = """
import asyncio, os, subprocess, sys, threading, time
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stderr.write('x' * 100000)"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
async def late():
    for _ in range(10):
        await asyncio.sleep(0.01)
    time.sleep(0.5)
    at = time.monotonic()
    while time.monotonic() - at < 0.5:
        pass
    await asyncio.sleep(0.1)
asyncio.run(late())
child.stdout.read()
"""


def paths(value, before=""):
    """Each field of a line by the names that the document gives it."""
    for key, inner in value.items():
        yield before + key
        if isinstance(inner, dict):
            yield from paths(inner, before + key + ".")
        if isinstance(inner, list):
            for element in inner:
                yield from paths(element, before + key + "[].")


def is_listed(path, listed):
    parent = path.rpartition(".")[0]
    return path in listed or (parent and parent + ".*" in listed)


class EventsDocument(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)

    def copy(self):
        shutil.copytree(os.path.join(ROOT, "shim/report"), os.path.join(self.root, "shim/report"))
        shutil.copy(os.path.join(ROOT, "EVENTS.md"), self.root)

    def change(self, file, old, new):
        path = os.path.join(self.root, file)
        with open(path, encoding="utf-8") as opened:
            text = opened.read()
        self.assertEqual(text.count(old), 1)
        with open(path, "w", encoding="utf-8") as opened:
            opened.write(text.replace(old, new))
        return list(check.differences(self.root))

    def test_document_and_code_agree(self):
        self.assertEqual([], list(check.differences(ROOT)))

    def test_a_field_that_only_the_code_has_is_seen(self):
        self.copy()
        found = self.change("shim/report/event_json.c", 'json_put_string(&json, "result", event->end',
                            'json_put_unsigned(&json, "new_ref", 1);'
                            'json_put_string(&json, "result", event->end')
        self.assertEqual(["EVENTS.md: `unblocked` lacks `new_ref`, which shim/report writes"], found)

    def test_a_field_inside_an_object_is_seen(self):
        self.copy()
        found = self.change("shim/report/event_json_object.c", 'known(json, "slots", pipe->slots);',
                            'known(json, "pages", pipe->slots);')
        for event in ("blocked", "filling", "drain_start", "drain_end"):
            self.assertIn("EVENTS.md: `%s` lacks `pipe.pages`, which shim/report writes" % event, found)
            self.assertIn("EVENTS.md: `%s` has `pipe.slots`, which is written nowhere" % event, found)

    def test_a_field_that_only_the_document_has_is_seen(self):
        self.copy()
        found = self.change("EVENTS.md", "| `result` | string | `returned`",
                            "| `result`, `outcome` | string | `returned`")
        self.assertEqual(["EVENTS.md: `unblocked` has `outcome`, which is written nowhere"], found)

    def test_an_event_without_a_section_is_seen(self):
        self.copy()
        found = self.change("EVENTS.md", "## `warning`", "## warnings")
        self.assertEqual(["EVENTS.md: no section `warning`, which shim/report writes"], found)

    def test_what_the_library_writes_is_listed(self):
        listed = check.of_document(ROOT)
        log = os.path.join(self.root, "%p.log")
        environment = dict(os.environ, LD_PRELOAD=os.path.abspath(BUILD) + "/libpipeshim.so",
                           PIPESHIM_FORMAT="json", PIPESHIM_LOG=log, PIPESHIM_THRESHOLD="50ms")
        program = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment,
                                   start_new_session=True)
        seen = {}
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and "deadlock" not in seen:
                time.sleep(0.05)
                for name in os.listdir(self.root):
                    with open(os.path.join(self.root, name), encoding="utf-8") as file:
                        for line in file.read().split("\n")[:-1]:
                            event = json.loads(line)
                            seen.setdefault(event["event"], set()).update(paths(event))
        finally:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()
        self.assertLessEqual({"start", "blocked", "unblocked", "deadlock"}, seen.keys())
        self.assertIn("chain[].python[].line", seen["deadlock"])
        for event, found in seen.items():
            self.assertEqual([], sorted(p for p in found if not is_listed(p, listed[event])), event)


if __name__ == "__main__":
    unittest.main()
