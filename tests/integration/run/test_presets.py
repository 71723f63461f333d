#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Presets: the README's table is that of the source, and `start` names the one that is used."""
import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import DEADLINE_S, LIBRARY, PipeshimCase, read_text  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../..")
PRESETS = ("dev", "ci", "canary")
ROW = re.compile(r'^PRESET\((\w+), (NULL|"[^"]*"), (NULL|"[^"]*"), (NULL|"[^"]*")\)$', re.M)


def in_source():
    """{variable: (dev, ci, canary)}, "" for the default."""
    text = read_text(os.path.join(ROOT, "shim/config/presets.def"))
    return {"PIPESHIM_" + row[0]: tuple("" if v == "NULL" else v.strip('"') for v in row[1:])
            for row in ROW.findall(text)}


def in_readme():
    text = read_text(os.path.join(ROOT, "README.md"))
    table = text[text.index("| preset | `dev` | `ci` | `canary` |"):].split("\n\n")[0]
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")]
            for line in table.splitlines()[2:]]
    return {row[0]: tuple(row[1:]) for row in rows}


class Presets(PipeshimCase):
    def test_the_readme_has_the_table_of_the_source(self):
        self.assertGreater(len(in_source()), 5)
        self.assertEqual(in_readme(), in_source())

    def start_of(self, **settings):
        log = os.path.join(self.temporary_folder(), "log")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_LOG=log, PIPESHIM_FORMAT="json",
                           PIPESHIM_SUMMARY="always", **settings)
        subprocess.run(["/usr/bin/python3", "-c", "input()"], env=environment, check=True, input="x\n",
                       text=True, timeout=DEADLINE_S)
        events = [json.loads(line) for line in read_text(log).splitlines()]
        return next(event for event in events if event["event"] == "start")

    def test_start_names_it(self):
        for preset in PRESETS:
            self.assertEqual(self.start_of(PIPESHIM_PRESET=preset)["config"]["PIPESHIM_PRESET"], preset)
        self.assertNotIn("PIPESHIM_PRESET", self.start_of()["config"])


if __name__ == "__main__":
    unittest.main()
