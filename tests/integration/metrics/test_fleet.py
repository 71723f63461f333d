# SPDX-License-Identifier: MIT
"""The configurations of docs/fleet.md: labels, and fields that the library really writes."""
import json
import os
import re
import subprocess
import sys
import tomllib
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
import monitoring  # noqa: E402
from pipeshim_case import DEADLINE_S, LIBRARY, PipeshimCase, read_text, wait_until  # noqa: E402

try:
    import yaml
except ImportError:
    yaml = None

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../..")
LABELS = {"event", "class", "exe"}
EVENT = re.compile(r"`([a-z_]+)`")


def contrib(path):
    return os.path.join(ROOT, "contrib", path)


def event_names():
    """The headings of EVENTS.md before its objects."""
    text = read_text(os.path.join(ROOT, "EVENTS.md")).split("\n# ")[0]
    return {name for line in text.splitlines() if line.startswith("## `")
            for name in EVENT.findall(line)}


class Fleet(PipeshimCase):
    def load(self, path):
        if yaml is None:
            self.skipTest("no python3-yaml")
        with open(contrib(path), encoding="utf-8") as file:
            return yaml.safe_load(file)

    def events(self):
        """Of a program whose stderr is full."""
        log = os.path.join(self.temporary_folder(), "log")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_LOG=log, PIPESHIM_FORMAT="json",
                           PIPESHIM_THRESHOLD="50ms")
        process = subprocess.Popen(["/usr/bin/python3", "-c", "import os; os.write(2, b'x' * 70000)"],
                                   env=environment, stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_until(lambda: '"event":"blocked"' in read_text(log), "a report")
        process.stderr.read()
        process.wait(DEADLINE_S)
        return [json.loads(line) for line in read_text(log).splitlines()]

    def assert_written(self, fields):
        """Each is a field of a blocked call's event."""
        blocked = next(event for event in self.events() if event["event"] == "blocked")
        self.assertLessEqual(set(fields), set(blocked))

    def test_vector(self):
        with open(contrib("vector/pipeshim.toml"), "rb") as file:
            config = tomllib.load(file)
        sink = config["sinks"]["loki"]
        self.assertEqual(set(sink["labels"]), LABELS)
        self.assertEqual(sink["inputs"], list(config["transforms"]))
        self.assertEqual(config["transforms"]["pipeshim_event"]["inputs"], list(config["sources"]))
        source = config["transforms"]["pipeshim_event"]["source"]
        made = set(re.findall(r'^  "(\w+)":', source, re.M))
        self.assertEqual(made, LABELS | {"message", "timestamp"})
        self.assert_written(re.findall(r"\bevent\.(\w+)", source))

    def test_promtail(self):
        config = self.load("loki/promtail.yml")
        stages = config["scrape_configs"][0]["pipeline_stages"]
        by_name = {name: stage for one in stages for name, stage in one.items()}
        self.assertEqual(set(by_name["labels"]), LABELS)
        self.assertEqual(by_name["labeldrop"], ["filename"])
        self.assert_written(by_name["json"]["expressions"].values())

    def test_collector(self):
        config = self.load("otel/collector.yml")
        for pipeline in config["service"]["pipelines"].values():
            self.assertLessEqual(set(pipeline["receivers"]), set(config["receivers"]))
            self.assertLessEqual(set(pipeline["exporters"]), set(config["exporters"]))
        operators = config["receivers"]["filelog"]["operators"]
        mapped = [name for names in operators[0]["severity"]["mapping"].values() for name in names]
        self.assertEqual(len(mapped), len(set(mapped)))
        self.assertGreater(len(event_names()), 12)
        self.assertLessEqual(event_names(), set(mapped))
        self.assert_written(re.findall(r"attributes\.(?!exe_name)(\w+)", json.dumps(operators)))

    def test_prometheus(self):
        if monitoring.have("promtool"):
            done = monitoring.promtool("check", "config", contrib("prometheus/prometheus.yml"))
            self.assertEqual(done.returncode, 0, done.stdout)

    def test_the_document_names_every_alert_and_file(self):
        text = read_text(os.path.join(ROOT, "docs/fleet.md"))
        alerts = set(re.findall(r"alert: (\w+)", read_text(contrib("prometheus/pipeshim.rules.yml"))))
        self.assertEqual(set(re.findall(r"^\| `(Pipeshim\w+)` \|", text, re.M)), alerts)
        for path in re.findall(r"`(contrib/[\w./-]+)`", text):
            self.assertTrue(os.path.exists(os.path.join(ROOT, path)), path)


if __name__ == "__main__":
    unittest.main()
