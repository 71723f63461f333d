# SPDX-License-Identifier: MIT
"""pipeshim metrics: sums by executable, unit and container, of the living and the dead."""
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
sys.path.insert(0, os.path.dirname(__file__))
import monitoring  # noqa: E402
from fake_page import make_library  # noqa: E402
from pipeshim_case import DEADLINE_S, LIBRARY, PipeshimCase, read_text, wait_until  # noqa: E402
from test_metrics import TOOL, WRITES, samples, value  # noqa: E402

CONTAINER = "docker-" + 8 * "3f1c92ab" + ".scope"
# It waits a tenth of a second for its stderr, then becomes another program, with or without the library.
BECOMES = """
import os, sys
os.write(2, b"x" * 70000)
if sys.argv[1] == "without":
    os.environ.pop("LD_PRELOAD")
os.execv(sys.argv[2], [sys.argv[2], "-c", sys.argv[3], "again"])
"""
WAITS = "import sys; print('here', flush=True); sys.stdin.read()"


class HostCase(PipeshimCase):
    def setUp(self):
        self.folder = self.temporary_folder()
        self.target = os.path.join(self.folder, "host.prom")

    def program(self, name):
        """python3 by another name, so that others of this machine do not count."""
        path = os.path.join(self.folder, name)
        shutil.copy(os.path.realpath("/usr/bin/python3"), path)
        return path

    def launch(self, command, settings=None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update({"PIPESHIM_THRESHOLD": "50ms", "LD_PRELOAD": LIBRARY,
                            "PIPESHIM_LOG": os.path.join(self.folder, "log"), **(settings or {})})
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for stream in (process.stdin, process.stdout, process.stderr):
            self.addCleanup(stream.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def export(self):
        process = subprocess.Popen([TOOL, "metrics", "--every", "100ms", "--textfile", self.target],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def wait_for(self, wanted, name, **labels):
        def there():
            text = read_text(self.target)
            return text if value(text, name, **labels) == wanted else None
        return wait_until(there, "%s %s = %s" % (name, labels, wanted))


class Groups(HostCase):
    def in_group(self, name):
        """A control group of that name where one can be made; a file to write a pid to."""
        for root in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
            path = os.path.join(root, name)
            try:
                os.makedirs(path)
                self.addCleanup(self.remove_group, path)
                procs = os.path.join(path, "cgroup.procs")
                seen = subprocess.run(["sh", "-c", "echo 0 >'%s' && cat /proc/self/cgroup" % procs],
                                      capture_output=True, text=True).stdout
                if name in seen:
                    return procs
            except OSError:
                continue
        return None

    def remove_group(self, path):
        wait_until(lambda: not read_text(os.path.join(path, "cgroup.procs")), "an empty group")
        os.rmdir(path)

    def test_units_and_containers(self):
        name = "grouped-%d" % os.getpid()
        path = self.program(name)
        groups = {unit: self.in_group(unit) for unit in ("pipeshim-test.service", CONTAINER)}
        if None in groups.values():
            self.skipTest("no control group can be made here")
        for procs in groups.values():
            self.launch(["sh", "-c", "echo 0 >'%s'; exec '%s' -c '%s'" % (procs, path, WRITES)])
        self.launch([path, "-c", WRITES])
        self.export()
        self.wait_for(1, "pipeshim_blocked_now", exe=name, unit="pipeshim-test.service")
        self.wait_for(1, "pipeshim_blocked_now", exe=name, container="3f1c92ab3f1c")
        text = self.wait_for(3, "pipeshim_watched_processes", exe=name)
        keys = [sorted(dict(labels)) for metric, labels in samples(text)
                if metric == "pipeshim_watched_processes" and dict(labels)["exe"] == name]
        self.assertEqual(sorted(keys), [["container", "exe"], ["exe"], ["exe", "unit"]])
        if monitoring.have("promtool"):
            done = monitoring.promtool("check", "metrics", text=text)
            self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_a_name_that_no_label_can_hold(self):
        """Two names that look the same in a label are one series: else Prometheus refuses all."""
        names = ["n\xe4me-%d" % os.getpid(), "n\xf6me-%d" % os.getpid()]
        runs = [self.launch([self.program(name), "-c", WRITES]) for name in names]
        self.export()
        shown = "n??me-%d" % os.getpid()
        text = self.wait_for(2, "pipeshim_watched_processes", exe=shown)
        samples(text)  # no series twice
        self.assertIsNone(runs[0].poll())


class Unread(HostCase):
    def test_a_page_of_another_version(self):
        """It is counted as one that is not read, and others beside it as ever."""
        name = "known-%d" % os.getpid()
        self.launch([self.program(name), "-c", WAITS])
        self.export()
        self.wait_for(1, "pipeshim_watched_processes", exe=name)
        other = self.launch([self.program("other"), "-c", WAITS],
                            settings={"LD_PRELOAD": make_library(self.folder, 9, 2)})
        self.assertEqual(other.stdout.readline(), b"here\n")
        # Other tests may have such a process at the same time.
        text = wait_until(lambda: (value(t := read_text(self.target), "pipeshim_unread_processes",
                                         reason="version") or 0) >= 1 and t, "one that is not read")
        self.assertEqual(value(text, "pipeshim_watched_processes", exe=name), 1)
        self.assertIsNone(value(text, "pipeshim_watched_processes", exe="other"))
        self.assertIsNone(other.poll())


class Execs(HostCase):
    def becomes(self, how):
        first, second = "first-%d" % os.getpid(), "second-%d" % os.getpid()
        run = self.launch([self.program(first), "-c", BECOMES, how, self.program(second), WAITS])
        self.export()
        self.wait_for(1, "pipeshim_blocked_now", exe=first)
        run.stderr.read1(70000)
        self.assertEqual(run.stdout.readline(), b"here\n")
        return first, second, run

    def test_what_it_counted_before_an_exec_stays(self):
        first, second, run = self.becomes("with")
        self.wait_for(0, "pipeshim_watched_processes", exe=first)
        text = self.wait_for(1, "pipeshim_watched_processes", exe=second)
        self.assertEqual(value(text, "pipeshim_blocked_now", exe=first), 0)
        # The last look may have been before the write returned; that it was blocked it has seen.
        self.assertIn('pipeshim_blocked_seconds_count{exe="%s",class="pipe_write"}' % first, text)
        self.assertEqual(value(text, "pipeshim_watchdog_cpu_seconds_total", exe=first) > 0, True)
        self.assertIsNone(run.poll())

    def test_an_exec_without_the_library(self):
        first, second, run = self.becomes("without")
        text = self.wait_for(0, "pipeshim_watched_processes", exe=first)
        self.assertIn('pipeshim_blocked_seconds_count{exe="%s",class="pipe_write"}' % first, text)
        self.assertIsNone(value(text, "pipeshim_watched_processes", exe=second))
        self.assertIsNone(run.poll())


class Stdio(HostCase):
    def test_fill_of_stdio(self):
        name = "fill-%d" % os.getpid()
        path = self.program(name)
        run = self.launch([path, "-c", """
import os, sys
os.write(1, b"x" * 16384)
while line := sys.stdin.readline():
    os.write(2, b"." * int(line))
"""])
        self.export()
        self.wait_for(0.25, "pipeshim_stdio_fill_ratio", exe=name, stream="stdout")
        text = self.wait_for(0, "pipeshim_stdio_fill_ratio", exe=name, stream="stderr")
        run.stdin.write(b"70000\n")
        run.stdin.flush()
        self.wait_for(1, "pipeshim_stdio_fill_ratio", exe=name, stream="stderr")
        run.stderr.read(70000)
        self.wait_for(0, "pipeshim_stdio_fill_ratio", exe=name, stream="stderr")
        # It is idle by now, and nobody writes: that it was read is seen all the same.
        run.stdout.read1(70000)
        self.wait_for(0, "pipeshim_stdio_fill_ratio", exe=name, stream="stdout")
        self.assertIsNotNone(text)

    def test_what_is_no_pipe_has_no_fill(self):
        name = "null-%d" % os.getpid()
        environment = dict(os.environ, LD_PRELOAD=LIBRARY, PIPESHIM_LOG="/dev/null")
        run = subprocess.Popen([self.program(name), "-c", WAITS], env=environment,
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        self.addCleanup(run.wait, DEADLINE_S)
        self.addCleanup(run.stdin.close)
        self.export()
        text = self.wait_for(1, "pipeshim_watched_processes", exe=name)
        self.assertIsNone(value(text, "pipeshim_stdio_fill_ratio", exe=name, stream="stdout"))


if __name__ == "__main__":
    unittest.main()
