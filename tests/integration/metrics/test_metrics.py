# SPDX-License-Identifier: MIT
"""PIPESHIM_METRICS and pipeshim metrics: what Prometheus and node_exporter are given."""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
import monitoring  # noqa: E402
from pipeshim_case import BUILD, DEADLINE_S, LIBRARY, PipeshimCase, read_text, wait_until  # noqa: E402

TOOL = os.path.join(BUILD, "pipeshim")
# Its stdout is full; when it is read the write returns, and the program ends with its input.
WRITES = """
import os, sys
os.write(2, b"x" * 70000)
sys.stdin.read()
"""
SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\]|\\.)*",?)*)\})? (\S+)$')


def samples(text):
    """{(name, labels): value}; the text must be whole."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        key = (name, tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or ""))))
        assert key not in found, line
        found[key] = float(value)
    return found


def value(text, name, **labels):
    """The sum of the series with these labels."""
    found = [v for (n, l), v in samples(text).items() if n == name and
             set(labels.items()) <= set(l)]
    return sum(found) if found else None


class MetricsCase(PipeshimCase):
    def launch(self, command, **settings):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_THRESHOLD="50ms",
                           PIPESHIM_METRICS_EVERY="100ms")
        environment.setdefault("PIPESHIM_LOG", os.path.join(self.folder, "log"))
        environment.update(settings)
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        process.kill()
        process.wait()
        process.stdin.close()
        process.stderr.close()

    def setUp(self):
        self.folder = self.temporary_folder()

    def promtool(self, text):
        if monitoring.have("promtool"):
            done = monitoring.promtool("check", "metrics", text=text)
            self.assertEqual((done.returncode, done.stdout), (0, ""), text)


class OfAProcess(MetricsCase):
    def test_a_blocked_call_and_its_end(self):
        path = os.path.join(self.folder, "app.prom")
        process = self.launch(["/usr/bin/python3", "-c", WRITES], PIPESHIM_METRICS=path,
                              PIPESHIM_METRICS_LABELS="service=api,pod=x-1")
        exe = {"exe": os.path.basename(os.path.realpath("/usr/bin/python3")), "service": "api",
               "pod": "x-1"}
        text = wait_until(lambda: value(t := read_text(path), "pipeshim_blocked_now", **exe,
                                        **{"class": "pipe_write"}) and t, "a blocked call")
        self.promtool(text)
        self.assertGreater(value(text, "pipeshim_blocked_oldest_seconds", **exe), 0.05)
        self.assertEqual(value(text, "pipeshim_watched_processes", **exe), 1)
        self.assertEqual(value(text, "pipeshim_finding_active", finding="deadlock"), 0)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)
        process.stderr.read1(70000)
        text = wait_until(lambda: value(t := read_text(path), "pipeshim_blocked_seconds_count") and t,
                          "a call that has returned")
        self.assertEqual(value(text, "pipeshim_blocked_now", **{"class": "pipe_write"}), 0)
        buckets = [v for (n, l), v in samples(text).items() if n == "pipeshim_blocked_seconds_bucket"]
        self.assertEqual((buckets, buckets[0], buckets[-1]), (sorted(buckets), 0, 1))
        self.promtool(text)
        self.assertEqual(os.listdir(self.folder).count("app.prom"), 1)
        process.stdin.close()
        self.assertEqual(process.wait(DEADLINE_S), 0)
        wait_until(lambda: not os.path.exists(path), "removal")
        self.assertEqual([n for n in os.listdir(self.folder) if n.endswith(".tmp")], [])

    def test_openmetrics(self):
        path = os.path.join(self.folder, "%e-%p.metrics")
        process = self.launch(["/usr/bin/python3", "-c", WRITES], PIPESHIM_METRICS=path)
        exe = os.path.basename(os.path.realpath("/usr/bin/python3"))
        real = os.path.join(self.folder, "%s-%d.metrics" % (exe, process.pid))
        text = wait_until(lambda: "# EOF" in (t := read_text(real)) and t, "a file")
        self.assertTrue(text.endswith("# EOF\n"))
        self.assertIn("# TYPE pipeshim_findings counter\n", text)
        self.assertEqual(value(text, "pipeshim_findings_total", finding="no_reader",
                               pid=str(process.pid)), 0)

    def test_no_reader_of_it_finds_a_half_file(self):
        path = os.path.join(self.folder, "app.prom")
        self.launch(["/usr/bin/python3", "-c", WRITES], PIPESHIM_METRICS=path)
        wait_until(lambda: os.path.exists(path), "a file")
        seen = set()

        def read_whole():
            text = read_text(path)
            self.assertIn("pipeshim_watchdog_cpu_seconds_total", text.splitlines()[-1])
            seen.add(os.stat(path).st_ino)
            return len(seen) >= 5
        wait_until(read_whole, "five files")

    def warnings_of(self, path):
        log = os.path.join(self.temporary_folder(), "log")
        process = self.launch(["/usr/bin/python3", "-c", WRITES], PIPESHIM_METRICS=path,
                              PIPESHIM_LOG=log)
        process.stderr.read1(70000)
        wait_until(lambda: "cannot be written" in read_text(log), "a warning")
        process.stdin.close()
        self.assertEqual(process.wait(DEADLINE_S), 0)
        return [line for line in read_text(log).splitlines() if "PIPESHIM_METRICS=" + path in line
                and "WARNING" in line]

    def test_a_directory_and_a_missing_one(self):
        for path, why in ((self.folder, "it is a directory"),
                          (self.folder + "/none/x.prom", "no such file or directory")):
            lines = self.warnings_of(path)
            self.assertEqual(len(lines), 1, lines)
            self.assertIn(why, lines[0])

    def test_labels_that_are_none(self):
        for labels in ("exe=x", "a", "a=", "1a=b", "a=b\"", "a=b,c=d,e=f,g=h,i=j", "__a=b", "a=b,"):
            log = os.path.join(self.folder, "log")
            subprocess.run(["/bin/true"], check=True, timeout=DEADLINE_S, env={
                "LD_PRELOAD": LIBRARY, "PIPESHIM_METRICS_LABELS": labels, "PIPESHIM_LOG": log})
            self.assertIn("PIPESHIM_METRICS_LABELS=", read_text(log), labels)
            self.assertIn("expected at most 4 labels NAME=VALUE", read_text(log), labels)
            os.unlink(log)

    def test_nothing_is_written_unasked(self):
        process = self.launch(["/usr/bin/python3", "-c", WRITES])
        wait_until(lambda: "BLOCKED" in read_text(os.path.join(self.folder, "log")), "a report")
        self.assertEqual(os.listdir(self.folder), ["log"])
        self.assertIsNone(process.poll())


class OfTheHost(MetricsCase):
    def program(self):
        """python3 by another name, so that others of this machine do not count."""
        name = "metrics-%d" % os.getpid()
        path = os.path.join(self.folder, name)
        shutil.copy(os.path.realpath("/usr/bin/python3"), path)
        return path, name

    def start_exporter(self, *arguments):
        process = subprocess.Popen([TOOL, "metrics", "--every", "100ms", *arguments],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_the_dead_still_count(self):
        path, name = self.program()
        target = os.path.join(self.folder, "host.prom")
        exporter = self.start_exporter("--textfile", target)
        runs = [self.launch([path, "-c", WRITES]) for _ in range(2)]
        text = wait_until(lambda: value(t := read_text(target), "pipeshim_blocked_now", exe=name)
                          == 2 and t, "two blocked calls")
        self.promtool(text)
        for run in runs:
            run.stderr.read1(70000)
        wait_until(lambda: value(read_text(target), "pipeshim_blocked_seconds_count", exe=name) == 2,
                   "two that have returned")
        for run in runs:
            run.stdin.close()
            run.wait(DEADLINE_S)
        text = wait_until(lambda: value(t := read_text(target), "pipeshim_watched_processes",
                                        exe=name) == 0 and t, "no process")
        self.assertEqual(value(text, "pipeshim_blocked_seconds_count", exe=name), 2)
        exporter.send_signal(signal.SIGTERM)
        self.assertEqual(exporter.wait(DEADLINE_S), 0)
        self.assertFalse(os.path.exists(target))

    def test_listen(self):
        path, name = self.program()
        run = self.launch([path, "-c", WRITES])
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.start_exporter("--listen", "127.0.0.1:%d" % port)
        url = "http://127.0.0.1:%d/metrics" % port

        def get(**headers):
            try:
                with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as got:
                    return got.headers["Content-Type"], got.read().decode()
            except OSError:
                return None, ""
        wait_until(lambda: value(get()[1], "pipeshim_blocked_now", exe=name) == 1, "a scrape")
        kind, text = get()
        self.assertEqual(kind, "text/plain; version=0.0.4; charset=utf-8")
        self.promtool(text)
        kind, text = get(Accept="application/openmetrics-text; version=1.0.0")
        self.assertTrue(kind.startswith("application/openmetrics-text; version=1.0.0"))
        self.assertTrue(text.endswith("# EOF\n"))
        # Somebody who connects and says nothing is in nobody's way for long.
        with socket.create_connection(("127.0.0.1", port)):
            self.assertEqual(get()[0], "text/plain; version=0.0.4; charset=utf-8")
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(url + "/other")
        self.assertIsNone(run.poll())

    def test_one_who_asks_byte_by_byte_is_not_waited_for(self):
        port = monitoring.free_port()
        self.start_exporter("--listen", "127.0.0.1:%d" % port)
        url = "http://127.0.0.1:%d/metrics" % port
        wait_until(lambda: "pipeshim_build_info" in monitoring.get(url), "a scrape")
        slow = socket.create_connection(("127.0.0.1", port))
        self.addCleanup(slow.close)
        over = threading.Event()

        def drip():
            try:
                while not over.wait(0.2):
                    slow.send(b"G")
            except OSError:
                pass
        thread = threading.Thread(target=drip)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(over.set)
        # All that wait behind it.
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as got:
            self.assertIn("pipeshim_build_info", got.read().decode())

    def test_wrong_use(self):
        def metrics(*arguments):
            return subprocess.run([TOOL, "metrics", *arguments], capture_output=True, text=True,
                                  timeout=DEADLINE_S, stdin=subprocess.DEVNULL)
        for arguments in (["--listen", "nowhere"], ["--every", "soon"], ["extra"],
                          ["--listen", "127.0.0.1:1", "--textfile", "x"], ["--nonsense"]):
            done = metrics(*arguments)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (64, 1), arguments)
        done = metrics("--textfile", self.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot be written", done.stderr)


if __name__ == "__main__":
    unittest.main()
