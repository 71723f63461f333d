# SPDX-License-Identifier: MIT
"""The configurations of docs/fleet.md: labels, and fields that the library really writes."""
import datetime
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
# VRL, Vector's own compiler and runtime, on lines as the file source hands them to a remap transform.
REMAP = """
const vrl = require('@bpinternal/verel');
const {errors, warnings} = vrl.check(given.program);
const run = line => {
    try { return vrl.execute(given.program, {message: line, file: '/log', host: 'h', source_type: 'file'}).event; }
    catch (error) { return {dropped: String(error)}; }
};
console.log(JSON.stringify({told: [...errors, ...warnings].map(vrl.formatDiagnostic), made: given.lines.map(run)}));
"""
# The queries that Grafana's grammar of LogQL does not take.
LOGQL = """
const {parser} = require('@grafana/lezer-logql');
const wrong = query => {
    let errors = 0;
    parser.parse(query).iterate({enter(node) { errors += node.type.isError; }});
    return errors > 0;
};
console.log(JSON.stringify(given.filter(wrong)));
"""
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

    def lines(self):
        """The log of a program whose stderr is full."""
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
        return read_text(log).splitlines()

    def assert_written(self, fields):
        """Each is a field of a blocked call's event."""
        blocked = next(json.loads(line) for line in self.lines() if '"event":"blocked"' in line)
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

    def test_vector_runs_it(self):
        """The labels that come out of real lines, and a line that a full disk cut off."""
        if not monitoring.have_module("@bpinternal/verel"):
            return
        with open(contrib("vector/pipeshim.toml"), "rb") as file:
            program = tomllib.load(file)["transforms"]["pipeshim_event"]["source"]
        lines = self.lines()
        ran = monitoring.javascript(REMAP, {"program": program, "lines": lines + [lines[0][:40]]})
        self.assertEqual(ran["told"], [])
        self.assertIn("unable to parse json", ran["made"].pop()["dropped"])
        self.assertLessEqual({"start", "blocked", "summary"}, {made["event"] for made in ran["made"]})
        for line, made in zip(lines, ran["made"]):
            event = json.loads(line)
            # Zeros at the end of a second's parts go on the way.
            self.assertEqual(*map(datetime.datetime.fromisoformat, (made.pop("timestamp"), event["time"])))
            self.assertEqual(made, {"event": event["event"], "class": event.get("class", "none"),
                                    "exe": os.path.basename(event["exe"]), "message": line})

    def test_queries(self):
        """Those of the document, the dashboard and Vector's comment are LogQL."""
        if not monitoring.have_module("@grafana/lezer-logql"):
            return
        text = read_text(os.path.join(ROOT, "docs/fleet.md"))
        queries = [re.sub(r"  .*", "", line) for line in text.splitlines()
                   if re.match(r"(\{|sum by .*count_over_time)", line)]
        self.assertEqual(len(queries), 3)
        queries += re.findall(r"\{event=.*", read_text(contrib("vector/pipeshim.toml")))
        with open(contrib("grafana/pipeshim.json"), encoding="utf-8") as file:
            queries += [target["expr"] for panel in json.load(file)["panels"]
                        if panel["datasource"]["type"] == "loki" for target in panel["targets"]]
        self.assertEqual(len(queries), 5)
        self.assertEqual(monitoring.javascript(LOGQL, queries), [])
        self.assertEqual(monitoring.javascript(LOGQL, ["{event=\"x\" | json"]), ["{event=\"x\" | json"])

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
