# SPDX-License-Identifier: MIT
"""What is in contrib/ for Prometheus and Grafana, and the servers themselves, where they are there."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
sys.path.insert(0, os.path.dirname(__file__))
import monitoring  # noqa: E402
from pipeshim_case import DEADLINE_S, wait_until  # noqa: E402
from test_host_metrics import HostCase  # noqa: E402
from test_metrics import TOOL, WRITES  # noqa: E402

CONTRIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../contrib")
RULES = os.path.join(CONTRIB, "prometheus/pipeshim.rules.yml")
NAME = re.compile(r"\bpipeshim_\w+")


def exported_names():
    """What `pipeshim metrics` makes: each family is declared, with series or without."""
    text = subprocess.run([TOOL, "metrics"], stdout=subprocess.PIPE, text=True, check=True).stdout
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
        parts = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names |= {name + part for part in parts}
    return names


class Contrib(unittest.TestCase):
    def test_the_dashboard_asks_for_what_there_is(self):
        with open(os.path.join(CONTRIB, "grafana/pipeshim.json"), encoding="utf-8") as file:
            dashboard = json.load(file)
        queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]
                   if panel["datasource"]["type"] == "prometheus"]
        queries += [one["query"]["query"] for one in dashboard["templating"]["list"]
                    if one["type"] == "query"]
        queries += [one["expr"] for one in dashboard["annotations"]["list"]]
        asked = {name for query in queries for name in NAME.findall(query)}
        self.assertGreater(len(asked), 12)
        self.assertLessEqual(asked, exported_names())
        places = [panel["gridPos"] for panel in dashboard["panels"]]
        for at in places:
            self.assertLessEqual(at["x"] + at["w"], 24)
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        if not monitoring.have("promtool"):
            return
        for query in queries:
            if query.startswith("label_values"):
                continue
            for name, instead in (("$__rate_interval", "5m"), ("$exe", ".*"), ("$instance", ".*")):
                query = query.replace(name, instead)
            done = monitoring.promtool("check", "rules", self.as_rule(query))
            self.assertEqual(done.returncode, 0, query + done.stdout)

    def as_rule(self, query):
        path = os.path.join(self.folder.name, "rule.yml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"groups": [{"name": "x", "rules": [{"record": "x:y", "expr": query}]}]}, file)
        return path

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def test_the_rules_ask_for_what_there_is(self):
        with open(RULES, encoding="utf-8") as file:
            expressions = re.findall(r"expr: (.*(?:\n {10,}.*)*)", file.read())
        asked = {name for one in expressions for name in NAME.findall(one)}
        self.assertGreater(len(asked), 6)
        self.assertLessEqual(asked, exported_names())

    def test_promtool_takes_the_rules(self):
        if not monitoring.have("promtool"):
            return
        done = monitoring.promtool("check", "rules", RULES)
        self.assertEqual(done.returncode, 0, done.stdout)
        done = monitoring.promtool("test", "rules", RULES.replace(".yml", ".test.yml"))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("SUCCESS", done.stdout)


class Servers(HostCase):
    def blocked_program(self):
        name = "scraped-%d" % os.getpid()
        return name, self.launch([self.program(name), "-c", WRITES])

    def test_node_exporter_serves_the_textfile(self):
        """Of the exporter, and of a process's own."""
        if not monitoring.have(monitoring.NODE_EXPORTER):
            return
        name, run = self.blocked_program()
        self.export()
        own = "own-%d" % os.getpid()
        self.launch([self.program(own), "-c", WRITES], settings={
            "PIPESHIM_METRICS": os.path.join(self.folder, "%e.prom"),
            "PIPESHIM_METRICS_EVERY": "100ms", "PIPESHIM_METRICS_LABELS": "service=api"})
        port = monitoring.free_port()
        url = "http://127.0.0.1:%d/metrics" % port
        monitoring.start(self, [monitoring.program(monitoring.NODE_EXPORTER),
                                "--collector.disable-defaults", "--collector.textfile",
                                "--collector.textfile.directory=" + self.folder,
                                "--web.listen-address=127.0.0.1:%d" % port], url)

        def served():
            text = monitoring.get(url)
            wanted = ('pipeshim_blocked_now{class="pipe_write",exe="%s"} 1' % name,
                      'pipeshim_blocked_now{class="pipe_write",exe="%s",service="api"} 1' % own)
            return text if all(line in text.splitlines() for line in wanted) else None
        text = wait_until(served, "both blocked calls in node_exporter")
        self.assertIn("node_textfile_scrape_error 0", text)
        # node_exporter says of a family that it does not know what it is: `untyped`.
        kinds = dict(re.findall(r"^# TYPE (pipeshim_\w+) (\w+)$", text, re.M))
        self.assertEqual(kinds["pipeshim_findings_total"], "counter")
        self.assertEqual(kinds["pipeshim_blocked_seconds"], "histogram")
        self.assertNotIn("untyped", kinds.values())
        self.assertIsNone(run.poll())

    def query(self, port, expression):
        text = monitoring.get("http://127.0.0.1:%d/api/v1/query?%s" % (
            port, urllib.parse.urlencode({"query": expression})))
        return json.loads(text)["data"]["result"] if text else []

    def test_prometheus_scrapes_and_fires(self):
        """A scrape of --listen; and the alert of a deadlock that a real program is in."""
        if not monitoring.have("prometheus"):
            return
        name, run = self.blocked_program()
        ours, port = monitoring.free_port(), monitoring.free_port()
        monitoring.start(self, [TOOL, "metrics", "--listen", "127.0.0.1:%d" % ours],
                         "http://127.0.0.1:%d/metrics" % ours)
        config = os.path.join(self.folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"global": {"scrape_interval": "200ms", "evaluation_interval": "200ms"},
                       "rule_files": [os.path.abspath(RULES)],
                       "scrape_configs": [{"job_name": "pipeshim", "static_configs": [
                           {"targets": ["127.0.0.1:%d" % ours]}]}]}, file)
        server = monitoring.start(self, [monitoring.program("prometheus"), "--config.file=" + config,
                                         "--storage.tsdb.path=" + self.folder + "/data",
                                         "--web.listen-address=127.0.0.1:%d" % port],
                                  "http://127.0.0.1:%d/-/ready" % port)
        found = wait_until(lambda: [r for r in self.query(port, 'pipeshim_blocked_now{exe="%s"} > 0' % name)],
                           "a blocked call in Prometheus")
        self.assertEqual(found[0]["metric"]["class"], "pipe_write")
        self.assertEqual(found[0]["value"][1], "1")
        up = self.query(port, 'up{job="pipeshim"}')
        self.assertEqual(up[0]["value"][1], "1")
        # The rules are loaded, and one is pending: nobody reads that program's stderr.
        wait_until(lambda: self.query(port, 'ALERTS{alertname=~"Pipeshim.*",exe="%s"}' % name),
                   "an alert that is pending")
        run.stderr.read1(70000)
        wait_until(lambda: self.query(port, 'pipeshim_blocked_seconds_count{exe="%s"} == 1' % name),
                   "its end in Prometheus")
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(DEADLINE_S), 0)


if __name__ == "__main__":
    unittest.main()
