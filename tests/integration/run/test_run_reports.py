# SPDX-License-Identifier: MIT
"""pipeshim run: what it says about the program it ran."""
import fcntl
import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from log_maker import Process, frame, pipe  # noqa: E402
from run_case import DEADLINE, LIBRARY, TOOL, RunTest  # noqa: E402


class Reports(RunTest):
    """What the library would write, written by the program itself into the log that run made."""

    def script_of(self, name, *processes):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            for process in processes:
                out.writelines(json.dumps(event) + "\n" for event in process.events)
                process.events.clear()
        return path

    def engine(self):
        engine = Process(77, "engine")
        engine.start(0)
        report = engine.blocked(1, fd=2, object="pipe:[5]", stack=[frame("log_line")], advice="drain it",
                                pipe=pipe(peers=[{"pid": 9, "comm": "parent", "waits_in": "read fd 3"}]))
        return engine, report

    def test_reports_are_shown_while_the_call_hangs_and_the_summary_comes_last(self):
        engine, report = self.engine()
        first = self.script_of("first", engine)
        engine.unblocked(report, 1, 2500)
        second = self.script_of("second", engine)
        process = self.start("sh", "-c", 'cat "$0" >>"$PIPESHIM_LOG"; read x; cat "$1" >>"$PIPESHIM_LOG"; exit 5',
                             first, second, stdin=subprocess.PIPE)
        seen = process.stderr.readline()  # it hangs now, and is reported
        self.assertIn("BLOCKED engine[77] 100.0 ms in write(fd 2) on pipe:[5]: full 65536 of 65536 bytes", seen)
        for words in ("reader: parent[9], which waits in read fd 3", "fix: drain it", "stack, taken", "#0 log_line"):
            self.assertIn(words, process.stderr.readline())
        self.assertIsNone(process.poll())
        process.stdin.write("\n")
        process.stdin.close()
        process.stdin = None
        rest = process.stderr.read().splitlines()
        self.assertIn("RESOLVED engine[77] after 2500.0 ms", rest[0])
        self.assertEqual(rest[1], "pipeshim: 1 process watched, 1 call blocked, 2.50 s in all")
        self.assertIn("2.50 s in 1 call, longest 2.50 s: engine write pipe:[5], in log_line", rest[2])
        self.assertEqual(process.wait(DEADLINE), 5)
        self.assertEqual(os.listdir(self.temporary), [])

    def test_the_process_at_the_other_end_of_a_connection_has_its_name(self):
        """As the text log says it; one of a library that did not tell the name is a process."""
        for name, words in (({"peer_name": "ollama.py"}, "ollama.py"), ({}, "process")):
            engine = Process(77, "engine")
            engine.start(0)
            engine.call(1, 200, call="recv", class_="socket_read", fd=4, object="socket:[5]",
                        socket={"family": "inet", "remote": "127.0.0.1:11434", "peer_pid": 9, **name})
            done = self.run_tool("sh", "-c", 'cat "$0" >>"$PIPESHIM_LOG"', self.script_of("log", engine))
            self.assertIn("  connected to 127.0.0.1:11434, which is %s[9]\n" % words, done.stderr)
            self.assertIn("other end: peer 127.0.0.1:11434%s\n" % (", which is ollama.py" if name else ""),
                          done.stderr)

    def test_json_is_passed_on_line_by_line(self):
        engine, _ = self.engine()
        wanted = list(engine.events)
        done = self.run_tool("--json", "sh", "-c", 'cat "$0" >>"$PIPESHIM_LOG"', self.script_of("log", engine))
        self.assertEqual([json.loads(line) for line in done.stderr.splitlines()], wanted)

    def test_summary_of_a_log_of_the_user_s_counts_this_run_only(self):
        engine, _ = self.engine()
        log = self.script_of("log.jsonl", engine)
        before = open(log, "rb")
        self.addCleanup(before.close)
        old = before.read()
        again, report = self.engine()
        again.unblocked(report, 1, 700)
        added = self.script_of("added", again)
        done = self.run_tool("--json", "--log", os.path.join(self.folder, "log.%h"), "sh", "-c", 'cat "$0" >>"$1"',
                             added, log)
        self.assertEqual(done.stderr.splitlines()[0],
                         "pipeshim: 1 process watched, 1 call blocked, 700 ms in all")
        with open(log, "rb") as now:
            self.assertTrue(now.read().startswith(old))

    def test_summary_of_a_text_log_is_shown_again(self):
        log = os.path.join(self.folder, "log")
        with open(log, "w", encoding="utf-8") as out:
            out.write("pipeshim: SUMMARY old[1] ran 1 ms\n  an old line\n")
        text = ("pipeshim: BLOCKED engine[77] 1 ms in write(fd 2)\n  fix: drain it\n"
                "pipeshim: SUMMARY engine[77] ran 5 ms\n  write: 1 times\npipeshim: START engine[78]\n")
        done = self.run_tool("--log", log, "sh", "-c", 'printf %s "$0" >>"$1"', text, log)
        self.assertEqual(done.stderr, "pipeshim: SUMMARY engine[77] ran 5 ms\n  write: 1 times\n"
                                      f"pipeshim: all reports are in {log}\n")

    def test_clean_run_says_so_in_one_line(self):
        engine = Process(77, "engine")
        engine.start(0)
        done = self.run_tool("sh", "-c", 'cat "$0" >>"$PIPESHIM_LOG"', self.script_of("log", engine))
        self.assertEqual(done.stderr, "pipeshim: 1 process watched, no call blocked for longer than its threshold\n")
        self.assertIn("no program was watched", self.run_tool("true").stderr)
        self.assertEqual(self.run_tool("--summary", "off", "true").stderr, "")
        self.assertEqual(self.run_tool("--off", "true").stderr, "")

    def test_a_full_stderr_that_nobody_reads_does_not_hold_it_up(self):
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        os.set_blocking(write_end, False)
        try:
            while True:
                os.write(write_end, b"x" * 4096)
        except BlockingIOError:
            pass
        os.set_blocking(write_end, True)
        engine, _ = self.engine()
        process = self.start("sh", "-c", 'cat "$0" >>"$PIPESHIM_LOG"; exit 4', self.script_of("log", engine),
                             stderr=write_end)
        os.close(write_end)
        self.assertEqual(process.wait(DEADLINE), 4)
        # Nor was the pipe, which the program shares, switched to non-blocking.
        self.assertEqual(fcntl.fcntl(read_end, fcntl.F_GETFL) & os.O_NONBLOCK, 0)

    def test_a_long_run_does_not_fill_the_disk(self):
        engine, _ = self.engine()
        line = json.dumps(dict(engine.events[-1], filler="x" * 20000))
        script = ('import os, sys, time\n'
                  'with open(os.environ["PIPESHIM_LOG"], "a") as log:\n'
                  '    for i in range(1000):\n'
                  '        log.write(sys.argv[1] + "\\n")\n'
                  '        log.flush()\n'
                  'print("written", flush=True)\n'
                  'sys.stdin.read()\n')
        process = self.start(sys.executable, "-c", script, line, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.assertEqual(process.stdout.readline(), "written\n")
        log = os.path.join(self.temporary, os.listdir(self.temporary)[0], "log.jsonl")
        self.assertGreater(os.stat(log).st_size, 19 << 20)
        self.wait_until(lambda: os.stat(log).st_blocks * 512 < 4 << 20, "what was read is given back")


@unittest.skipUnless(os.path.exists(LIBRARY), "libpipeshim.so is not built")
class RealLibrary(RunTest):
    WRITER = ("import os, sys\n"
              "def write_memory():\n"
              "    os.write(2, b'x' * 300000)\n"
              "write_memory()\n"
              "print('done')\n")

    def arguments(self, *arguments, library=None):
        return [TOOL, "run", *arguments]

    def read(self, path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    def test_a_write_to_a_full_pipe_is_reported_while_it_hangs(self):
        log = os.path.join(self.folder, "log.jsonl")
        process = self.start("--json", "--log", log, "/usr/bin/python3", "-c", self.WRITER)

        def blocked():
            if not os.path.exists(log):
                return None
            with open(log, encoding="utf-8") as lines:
                return [line for line in lines if '"blocked"' in line]
        report = json.loads(self.wait_until(blocked, "the report")[0])
        self.assertEqual((report["class"], report["fd"]), ("pipe_write", 2))
        self.assertIsNone(process.poll())
        _, said = process.communicate(timeout=DEADLINE)  # now stderr is read
        self.assertEqual(process.returncode, 0)
        summary = said[said.index("pipeshim: "):]
        self.assertRegex(summary, r"pipeshim: \d+ process(es)? watched, \d+ calls? blocked")
        self.assertIn("write", summary)

    def test_the_default_shows_the_report_and_the_summary(self):
        # The parent drains the child's stderr late; what run says goes to its own stderr meanwhile.
        parent = ("import subprocess, sys\n"
                  "child = subprocess.Popen([sys.executable, '-c', 'import os; os.write(2, bytes(200000))'],\n"
                  "                         stderr=subprocess.PIPE)\n"
                  "sys.stdin.read(1)\n"
                  "print(len(child.stderr.read()), child.wait())\n")
        process = self.start("/usr/bin/python3", "-c", parent, stdin=subprocess.PIPE)
        seen = process.stderr.readline()
        self.assertRegex(seen, r"^pipeshim: BLOCKED python3\S*\[\d+\] .* in write\(fd 2, 200000 bytes\) on pipe:")
        out, said = process.communicate("x", timeout=DEADLINE)
        self.assertEqual((process.returncode, out), (0, "200000 0\n"))
        self.assertRegex(said, r"pipeshim: RESOLVED .*(.*\n)*pipeshim: 2 processes watched, 1 call blocked")

    def test_it_says_what_the_text_log_says(self):
        parent = ("import subprocess, sys\n"
                  "child = subprocess.Popen([sys.executable, '-c', 'import os; os.write(2, bytes(200000))'],\n"
                  "                         stderr=subprocess.PIPE)\n"
                  "sys.stdin.read(1)\n"
                  "print(len(child.stderr.read()), child.wait())\n")
        log = os.path.join(self.folder, "log")
        live = self.start("/usr/bin/python3", "-c", parent, stdin=subprocess.PIPE)
        seen = live.stderr.readline()  # it hangs now
        live.stdin.write("x")
        live.stdin.close()
        seen += live.stderr.read()
        logged = self.start("--log", log, "/usr/bin/python3", "-c", parent, stdin=subprocess.PIPE)
        self.wait_until(lambda: os.path.exists(log) and "BLOCKED" in self.read(log), "the report")
        logged.communicate("x", timeout=DEADLINE)

        def lines(text):  # numbers differ
            return re.sub(r"0x[0-9a-f]+|\d+(\.\d+)?", "N", text).splitlines()
        shown = lines(seen)
        shown = shown[:[line.startswith("pipeshim: RESOLVED") for line in shown].index(True) + 1]
        self.assertGreater(len(shown), 5)
        self.assertEqual([line for line in shown if line not in lines(self.read(log))], [])

    def test_text_log_and_report_tool(self):
        log = os.path.join(self.folder, "log")
        writer = ("(until grep -qi blocked \"$0\" 2>/dev/null; do sleep 0.05; done; cat >/dev/null)"
                  " < <(head -c 300000 /dev/zero); wait $!; "
                  "until grep -qi summary \"$0\"; do sleep 0.05; done")
        done = self.run_tool("--log", log, "bash", "-c", writer, log)
        self.assertEqual(done.returncode, 0)
        self.assertIn("pipeshim: SUMMARY head[", done.stderr)
        json_log = os.path.join(self.folder, "log.jsonl")
        self.run_tool("--json", "--log", json_log, "bash", "-c", writer, json_log)
        done = subprocess.run([TOOL, "report", json_log], capture_output=True, text=True, check=True, timeout=60)


if __name__ == "__main__":
    unittest.main(verbosity=2)
