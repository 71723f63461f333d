#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What is made of JavaScript frames: events, text, suppressions, call sites, the report's formats."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from nodes import find_engine  # noqa: E402
from javascript_case import NODES, PIPE_FD, PROGRAMS, JavascriptCase, full_pipe  # noqa: E402
from pipeshim_case import BUILD, LIBRARY, read_text, victim, wait_until  # noqa: E402

PIPESHIM = os.path.join(os.path.abspath(BUILD), "pipeshim")
PIPE_BYTES, BLOCK_BYTES = 65536, 200000  # what the pipe is full of; what tiers.js writes
HOST = victim("addon_host")


class Reports(JavascriptCase):
    def start_with_pipe(self, program, log, reader, writer, flags=(), **settings):
        environment = self.environment(LD_PRELOAD=os.path.abspath(LIBRARY), PIPESHIM_LOG=log,
                                       PIPESHIM_ONLY="node*", PIPESHIM_THRESHOLD="50ms",
                                       PIPESHIM_LOOP_THRESHOLD="3600s", **settings)
        process = subprocess.Popen(
            ["/bin/sh", "-c", "exec %d>&%d; exec \"$@\"" % (PIPE_FD, writer), "sh", NODES[0].path,
             *flags, program], cwd=PROGRAMS, env=environment, pass_fds=[writer], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def end():
            process.kill()
            process.wait()
        self.addCleanup(end)
        self.addCleanup(os.close, reader)
        os.close(writer)
        return process

    def log(self):
        return tempfile.mktemp(dir=self.folder)

    def blocked(self, log):
        return [event for event in self.events(log) if event["event"] == "blocked"]

    def run_pipeshim(self, *arguments):
        return subprocess.run([PIPESHIM, *arguments], capture_output=True, text=True, timeout=60,
                              check=True).stdout

    def test_two_tiers_are_one_site(self):
        log = self.log()
        reader, writer = full_pipe()
        process = self.start_with_pipe("tiers.js", log, reader, writer, PIPESHIM_FORMAT="json",
                                       PIPESHIM_REPEAT="0", flags=["--allow-natives-syntax"])
        for count, left in ((1, PIPE_BYTES + BLOCK_BYTES), (2, BLOCK_BYTES)):
            wait_until(lambda: len(self.blocked(log)) == count, "stuck write")
            while left > 0:
                left -= len(os.read(reader, min(left, 65536)))
        wait_until(lambda: process.poll() is not None, "end")
        first, second = self.blocked(log)
        self.assertEqual(first["stack_id"], second["stack_id"])
        tiers = [[frame.get("tier") for frame in event["javascript"]
                  if frame["function"] in ("send", "once")] for event in (first, second)]
        self.assertEqual(tiers[0], ["interpreted"] * 2)
        self.assertEqual(set(tiers[1]), {"turbofan"})
        where = "%s:10 send" % os.path.join(os.path.realpath(PROGRAMS), "tiers.js")
        self.assertEqual(first["where"], where)
        summary = [e for e in self.events(log) if e["event"] == "summary"][0]
        sites = [site for site in summary["sites"] if site["class"] == "pipe_write"]
        self.assertEqual([(site["count"], site["where"]) for site in sites], [(2, where)])
        text = self.run_pipeshim("report", log)
        self.assertRegex(text, r"(?s)2 times.*writeSync  node:fs:\d+.*send  \S*/tiers.js:10")
        self.assertEqual(text.count("other end:"), 1, text)

    def test_formats(self):
        process, event = self.stuck(NODES[0], "builtins.js")
        log = process.log
        process.kill()
        process.wait()
        folded = self.run_pipeshim("report", "--format", "folded", log)
        self.assertRegex(folded, r"take \(builtins.js:16\).*;writeSync \(node:fs:\d+\);")
        frames = json.loads(self.run_pipeshim("report", "--format", "speedscope", log))["shared"]["frames"]
        self.assertTrue([frame for frame in frames if frame["name"] == "take"
                         and frame["file"].endswith("/builtins.js") and frame["line"] == 16])
        self.assertIn("builtins.js:16", self.run_pipeshim("report", "--format", "html", log))
        slices = json.loads(self.run_pipeshim("report", "--format", "perfetto", log))["traceEvents"]
        write = [event["args"] for event in slices if event.get("ph") == "X"][0]
        self.assertEqual((write["function"], write["in"]), ("stuck", "uv__fs_work"))
        self.assertRegex(write["line"], r"/stuck\.js:\d+$")

    def test_text(self):
        log = self.log()
        reader, writer = full_pipe()
        self.start_with_pipe("calls.js", log, reader, writer, PIPESHIM_FORMAT="text")
        wait_until(lambda: "JavaScript, innermost first:" in read_text(log), "report")
        self.assertRegex(read_text(log), r"\n    viaSetter  \S*/calls.js:15:38\n")

    def deadlock_of(self, node, **settings):
        """A parent that reads its Node child's stdout and never its stderr."""
        log = self.log()
        parent = ("import subprocess, sys\n"
                  "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE,"
                  " stderr=subprocess.PIPE)\nchild.stdout.read()\n")
        environment = self.environment(LD_PRELOAD=os.path.abspath(LIBRARY), PIPESHIM_LOG=log,
                                       PIPESHIM_FORMAT="json", PIPESHIM_ONLY="node*",
                                       PIPESHIM_THRESHOLD="50ms", **settings)
        process = subprocess.Popen([sys.executable, "-c", parent, node.path, "noise.js"],
                                   cwd=PROGRAMS, env=environment, stdin=subprocess.DEVNULL,
                                   start_new_session=True)

        def end():
            os.killpg(process.pid, 9)
            process.wait()
        self.addCleanup(end)

        def told():
            return [e for e in self.events(log) if e["event"] == "deadlock"]
        event = wait_until(told, "deadlock of %s" % node)[0]
        return event, [link for link in event["chain"] if link["pid"] == event["pid"]][0]

    def test_deadlock(self):
        for node in NODES:
            with self.subTest(str(node)):
                _, member = self.deadlock_of(node)
                names = [(frame.get("function"), frame.get("line")) for frame in member["javascript"]]
                self.assertEqual(names[1:4], [("log", 5), ("answer", 9), ("<anonymous>", 12)])
                self.assertRegex(member["where"], r"/noise.js:5 log$")
                self.assertEqual(member["column"], 6)

    def test_deadlock_in_a_compact_record(self):
        event, member = self.deadlock_of(NODES[0], PIPESHIM_STACK_FORMAT="compact")
        self.assertNotIn("javascript", member)
        self.assertRegex(member["where"], r"/noise.js:5 log$")
        self.assertEqual(member["where"], event["where"])
        self.assertEqual(member["column"], 6)

    def run_with_reader(self, node, stopped):
        """noise.js, whose stderr a `cat` reads, or would, if it were not stopped."""
        log = self.log()
        reader, writer = os.pipe()
        cat = subprocess.Popen(["cat"], stdin=reader, stdout=subprocess.DEVNULL)
        self.addCleanup(cat.wait)
        self.addCleanup(cat.kill)
        os.close(reader)
        if stopped:
            cat.send_signal(signal.SIGSTOP)
        environment = self.environment(LD_PRELOAD=os.path.abspath(LIBRARY), PIPESHIM_LOG=log,
                                       PIPESHIM_FORMAT="json", PIPESHIM_THRESHOLD="50ms")
        process = subprocess.Popen([node.path, "noise.js"], cwd=PROGRAMS, env=environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writer)
        os.close(writer)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, log, cat.pid

    def findings(self, log):
        return [event for event in self.events(log) if event["event"] == "finding"]

    def test_finding(self):
        for node in NODES:
            with self.subTest(str(node)):
                process, log, reader = self.run_with_reader(node, stopped=True)
                event = wait_until(lambda: self.findings(log), "finding of %s" % node)[0]
                self.assertEqual(event["kind"], "reader_stopped")
                member = [link for link in event["chain"] if link["pid"] == process.pid][0]
                frames = [(frame.get("function"), frame.get("line"), frame.get("column"))
                          for frame in member["javascript"]]
                self.assertEqual(frames[1:4], [("log", 5, 6), ("answer", 9, 5), ("<anonymous>", 12, 1)])
                self.assertRegex(event["where"], r"/noise.js:5 log$")
                os.kill(reader, signal.SIGCONT)
                self.assertEqual(process.wait(120), 0)

    def test_no_finding_of_one_that_is_read(self):
        process, log, _ = self.run_with_reader(NODES[0], stopped=False)
        self.assertEqual(process.wait(120), 0)
        self.assertEqual(self.findings(log), [])

    def test_off(self):
        _, event = self.stuck(NODES[0], "calls.js", settings={"PIPESHIM_JAVASCRIPT": "off"})
        self.assertNotIn("javascript", event)
        self.assertTrue(event["stack"])

    def test_suppressed(self):
        rules = os.path.join(self.folder, "rules")
        for rule, told in (("javascript:viaSetter", False), ("javascript:*/calls.js", False),
                           ("javascript:other", True)):
            with self.subTest(rule):
                with open(rules, "w", encoding="utf-8") as file:
                    file.write(rule + "\n")
                log = self.log()
                reader, writer = full_pipe()
                process = self.start_with_pipe("calls.js", log, reader, writer,
                                               PIPESHIM_FORMAT="json", PIPESHIM_SUPPRESS=rules)
                wait_until(lambda: self.blocked(log) if told else self.suppressed(process), "report")
                while os.read(reader, 65536):
                    pass
                wait_until(lambda: process.poll() is not None, "end")
                self.assertEqual(bool(self.blocked(log)), told)
                summary = [e for e in self.events(log) if e["event"] == "summary"][0]
                self.assertEqual(summary["suppressed_total"], 0 if told else 1)

    def suppressed(self, process):
        """Whether the watchdog has held back a report by a rule, as its page says."""
        shown = subprocess.run([PIPESHIM, "top", "--json", "-n", "1", str(process.pid)], capture_output=True,
                               text=True, timeout=60, check=False).stdout
        return any(p.get("suppressed") for p in json.loads(shown)["processes"]) if shown else False

    def features(self, name):
        path = os.path.join(self.folder, name)
        shutil.copy(HOST, path)
        log = self.log()
        environment = self.environment(LD_PRELOAD=os.path.abspath(LIBRARY), PIPESHIM_LOG=log,
                                       PIPESHIM_FORMAT="json", PIPESHIM_THRESHOLD="50ms")
        reader, writer = full_pipe()
        process = subprocess.Popen([path], env=environment, stdin=subprocess.DEVNULL, stdout=writer)
        os.close(writer)
        try:
            return wait_until(lambda: self.events(log), "event")[0]["features"]
        finally:
            process.kill()
            process.wait()
            os.close(reader)

    # Of npm's packages; Electron's fetches its binary from elsewhere. All are stuck in their write.
    ENGINES = {
        "@deno/linux-x64-glibc": ("deno", ["eval", "Deno.stdout.writeSync(new Uint8Array(100000))"]),
        "@oven/bun-linux-x64-baseline": ("bin/bun", ["-e", "require('fs').writeSync(1, Buffer.alloc(100000))"]),
    }

    def test_real_engines_that_cannot_be_read(self):
        """Deno's V8 does not say how it is laid out, and Bun has another engine, and calls the kernel
        past libc: one word, and the call with its C stack all the same."""
        for package, (binary, arguments) in self.ENGINES.items():
            with self.subTest(package):
                path, reason = find_engine(package, binary)
                if not path:
                    print("left out: %s" % reason)
                    continue
                self.check_engine([path, *arguments])

    def check_engine(self, command):
        log = self.log()
        reader, writer = full_pipe()
        process = subprocess.Popen(
            command, stdout=writer, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=self.environment(LD_PRELOAD=os.path.abspath(LIBRARY), PIPESHIM_LOG=log,
                                 PIPESHIM_FORMAT="json", PIPESHIM_THRESHOLD="50ms"))
        os.close(writer)
        try:
            blocked = wait_until(lambda: [e for e in self.blocked(log) if e["class"] == "pipe_write"],
                                 "report")[0]
        finally:
            process.kill()
            process.wait()
            os.close(reader)
        self.assertEqual(self.events(log)[0]["features"]["javascript"], "unknown")
        self.assertNotIn("javascript", blocked)
        self.assertTrue(blocked["stack"])

    def test_unknown_engines_are_one_word(self):
        for name in ("deno", "bun", "electron", "node"):
            self.assertEqual(self.features(name).get("javascript"), "unknown")
        self.assertNotIn("javascript", self.features("other"))


if __name__ == "__main__":
    sys.exit(unittest.main())
