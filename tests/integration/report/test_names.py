#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Names as the program's author knows them: C++ and Rust functions demangled, whole or shortened by
whole parts; places in generated JavaScript by its source map, in every format, in `run` and in
`diagnose`, and never by a map that is newer than what ran."""
import base64
import json
import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from javascript_case import NODES, JavascriptCase  # noqa: E402
from pipeshim_case import BUILD, LIBRARY, victim, wait_until  # noqa: E402
from waits_case import PYTHON  # noqa: E402

PIPESHIM = os.path.join(os.path.abspath(BUILD), "pipeshim")
FORMATS = ("text", "folded", "speedscope", "perfetto", "html", "markdown", "junit", "otlp-json")
ELLIPSIS = "\u2026"
NAMES = {
    "_ZN3app5QueueISt6vectorIiSaIiEEE8push_allEi":
        "app::Queue<std::vector<int, std::allocator<int> > >::push_all(int)",
    "_ZN3app3runEv.cold": "app::run() [clone .cold]",
    "_ZN4core3ptr29drop_in_place$LT$app..Job$GT$17h0123456789abcdefE":
        "core::ptr::drop_in_place<app::Job>",
    "main": "main",
    "_Zebra": "_Zebra",
    # Cut off in the middle of a name, as the library writes what is too long.
    "_ZN3app5QueueISt6vec": "app::Queue" + ELLIPSIS,
    "_ZN3app5QueueIiE8push_a": "app::Queue" + ELLIPSIS,
}
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# What the person wrote, and what a bundler made of it: everything in one line.
SOURCE = """import fs from 'fs';

export function send(text: string) {
  fs.writeSync(9, text);
}

export function answer() {
  send('x'.repeat(9));
}
"""
GENERATED = "'use strict';const fs=require('fs');function send(t){fs.writeSync(9,t);}" \
    "function answer(){send('x'.repeat(9));}answer();"


def process_start(pid):
    """Seconds since the epoch, to a tick (proc(5), starttime)."""
    with open("/proc/%d/stat" % pid, encoding="utf-8") as file:
        ticks = int(file.read().rsplit(")", 1)[1].split()[19])
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + ticks / os.sysconf("SC_CLK_TCK")


def number(value):
    value = -value << 1 | 1 if value < 0 else value << 1
    text = ""
    while True:
        digit, value = value & 31, value >> 5
        text += DIGITS[digit | (32 if value else 0)]
        if not value:
            return text


def mappings():
    """One line: each piece of GENERATED, and the (line, column) of SOURCE that it comes from."""
    pieces = [("function send", 2, 7), ("fs.writeSync", 3, 2), ("writeSync", 3, 5),
              ("function answer", 6, 7), ("send('x'", 7, 2), ("answer();", 6, 16)]
    segments, last = [], (0, 0, 0)
    for piece, line, column in pieces:
        at = (GENERATED.rindex(piece) if piece == "answer();" else GENERATED.index(piece), line, column)
        segments.append(number(at[0] - last[0]) + number(0) + number(at[1] - last[1]) +
                        number(at[2] - last[2]))
        last = at
    return ",".join(segments)


def source_map():
    return json.dumps({"version": 3, "sources": ["../src/app.ts"], "names": [],
                       "mappings": mappings()})


class Names(JavascriptCase):
    def project(self, inline=False, module=False):
        """dist/app.js with its map, made from src/app.ts; a module is dist/app.mjs, whose name is a
        URL for V8. Returns the folder."""
        folder = os.path.join(self.folder, "my project, 100%% %d" % time.monotonic_ns())
        for name in ("src", "dist"):
            os.makedirs(os.path.join(folder, name))
        with open(os.path.join(folder, "src/app.ts"), "w", encoding="utf-8") as file:
            file.write(SOURCE)
        url = "app.js.map"
        if inline:
            url = "data:application/json;charset=utf-8;base64," + \
                base64.b64encode(source_map().encode()).decode()
        else:
            with open(os.path.join(folder, "dist/app.js.map"), "w", encoding="utf-8") as file:
                file.write(source_map())
        with open(os.path.join(folder, "dist/app.js"), "w", encoding="utf-8") as file:
            file.write(GENERATED + "\n//# sourceMappingURL=" + url + "\n")
        if module:  # of the same columns
            with open(os.path.join(folder, "dist/app.mjs"), "w", encoding="utf-8") as file:
                text = GENERATED.replace("'use strict';const fs=require('fs');",
                                         "import       *as  fs  from  'fs';   ")
                assert len(text) == len(GENERATED)
                file.write(text + "\n//# sourceMappingURL=" + url + "\n")
        return os.path.realpath(folder)

    def report(self, log, name):
        return subprocess.run([PIPESHIM, "report", "--format", name, log], capture_output=True,
                              text=True, timeout=60, check=True).stdout

    def write_log(self, **fields):
        log = os.path.join(self.folder, "log%d" % time.monotonic_ns())
        event = {"event": "blocked", "v": 1, "seq": 1, "time": "2026-11-25T12:00:00.000000Z",
                 "pid": 7, "tid": 7, "exe": "/usr/bin/engine", "thread": "engine", "call": "write",
                 "class": "pipe_write", "fd": 1, "object": "pipe:[1]", "blocked_ms": 2000}
        with open(log, "w", encoding="utf-8") as file:
            file.write(json.dumps(dict(event, **fields)) + "\n")
        return log

    def test_demangled(self):
        for symbol, name in NAMES.items():
            frame = {"pc": "0x1234", "module": "/usr/bin/engine", "offset": "0x1234",
                     "symbol": symbol, "symbol_offset": 4}
            log = self.write_log(stack=[frame], where="engine+0x1234 " + symbol)
            folded = self.report(log, "folded")
            self.assertIn(name.replace(";", ":"), folded, symbol)
            if name != symbol:
                for form in FORMATS:
                    self.assertNotIn(symbol, self.report(log, form), form)

    def test_a_long_name_is_shortened_by_whole_parts(self):
        """A type of 8,000 bytes: its templates' arguments are left out, not half of a name."""
        symbol = "_ZN3app5QueueI%sE8push_allEi" % ("80" + "argument" * 10 + "S1_" * 100)
        frame = {"pc": "0x1", "module": "/usr/bin/engine", "offset": "0x1", "symbol": symbol}
        folded = self.report(self.write_log(stack=[frame]), "folded")
        self.assertIn("app::Queue<%s>::push_all(int)" % ELLIPSIS, folded)

    def test_the_library_writes_long_names_whole(self):
        """What it cuts cannot be demangled by anybody: 127 bytes were too few."""
        process, event = self.stuck_victim()
        names = [frame.get("symbol", "") for frame in event["stack"]]
        name = [name for name in names if name.startswith("_ZN3app5QueueI")][0]
        self.assertGreater(len(name), 127)
        self.assertTrue(name.endswith("i"), name)
        self.assertIn(name, event["where"])
        process.kill()
        process.wait()
        self.assertRegex(self.report(os.path.join(self.folder, "cpp.log"), "folded"),
                         r";app::Queue<std::map<.*> >::push_all\(.*, int\) \(write_template\.cc:\d+\);")

    def stuck_victim(self):
        log = os.path.join(self.folder, "cpp.log")
        process = subprocess.Popen([victim("write_template")], stdout=subprocess.PIPE,
                                   env=self.environment(LD_PRELOAD=os.path.abspath(LIBRARY),
                                                        PIPESHIM_FORMAT="json", PIPESHIM_LOG=log,
                                                        PIPESHIM_THRESHOLD="50ms"))

        def end():
            process.kill()
            process.wait()
            process.stdout.close()
        self.addCleanup(end)
        return process, wait_until(lambda: [e for e in self.events(log)
                                            if e["event"] == "blocked"], "report")[0]

    def test_cpp_in_diagnose_and_top(self):
        process, _ = self.stuck_victim()
        text = subprocess.run([PIPESHIM, "diagnose", "--stacks", str(process.pid)],
                              capture_output=True, text=True, timeout=60, check=False).stdout
        self.assertRegex(text, r"> \S*/write_template\.cc:\d+ app::Queue<.*>::push_all\(")
        self.assertRegex(text, r"#1 app::Queue<.*>::push_all\(.*\)  write_template\+0x[0-9a-f]+")
        top = subprocess.run([PIPESHIM, "top", "-b", "-n", "1", str(process.pid)], check=True,
                             capture_output=True, text=True, timeout=60).stdout
        self.assertIn("app::Queue", top)

    def test_source_maps(self):
        if not NODES:
            self.skipTest("there is no Node")
        for inline, name, stacks in ((False, "app.js", "full"), (True, "app.js", "compact"),
                                     (False, "app.mjs", "full")):
            with self.subTest(inline=inline, name=name, stacks=stacks):
                self.check_source_map(inline, name, stacks)

    def check_source_map(self, inline, name, stacks):
        folder = self.project(inline, name == "app.mjs")
        process, event = self.stuck(NODES[0], os.path.join(folder, "dist", name),
                                    settings={"PIPESHIM_STACK_FORMAT": stacks})
        # Of the library, that has not read the map: the generated place, marked as such.
        self.assertTrue([f for f in event["javascript"]
                         if (" (generated) send" in f if stacks == "compact" else
                             f.get("generated") and f["function"] == "send")], event["javascript"])
        place = os.path.join(folder, "src/app.ts") + ":4"
        status = subprocess.run([PIPESHIM, "diagnose", "--json", str(process.pid)],
                                capture_output=True, text=True, timeout=60, check=False)
        thread = [p for p in json.loads(status.stdout)["processes"]
                  if p["pid"] == process.pid][0]["threads"][0]
        self.assertEqual(thread["where"], place + " send")
        self.assertEqual(thread["source"], "fs.writeSync(9, text);")
        process.kill()
        process.wait()
        for form in FORMATS:
            self.assertIn("app.ts", self.report(process.log, form), form)
        text = self.report(process.log, "text")
        self.assertIn("send  " + place, text)
        self.assertIn("answer  " + os.path.join(folder, "src/app.ts") + ":8", text)

    def test_a_map_that_is_newer_than_what_ran(self):
        folder = self.project()
        frame = {"file": os.path.join(folder, "dist/app.js"), "line": 1, "function": "send",
                 "column": GENERATED.index("writeSync") + 1, "generated": True}
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() + 60))
        self.assertIn("app.ts", self.report(self.write_log(javascript=[frame], time=stamp), "text"))
        old = self.report(self.write_log(javascript=[frame]), "text")
        self.assertNotIn("app.ts", old)
        self.assertIn("dist/app.js:1", old)

    def test_a_map_that_is_newer_than_its_process(self):
        """Written and started within one tick is what runs; changed 0.3 s later is another text."""
        if not NODES:
            self.skipTest("there is no Node")
        folder = self.project()
        process, _ = self.stuck(NODES[0], os.path.join(folder, "dist/app.js"))
        start = process_start(process.pid)
        for name, age, place in (("app.js", 0.015, "src/app.ts:4"), ("app.js", 0.3, "dist/app.js:1"),
                                 ("app.js", -9, "src/app.ts:4"), ("app.js.map", 0.3, "dist/app.js:1"),
                                 ("app.js.map", 0.015, "src/app.ts:4")):
            with self.subTest(name=name, age=age):
                os.utime(os.path.join(folder, "dist", name), (start + age, start + age))
                status = subprocess.run([PIPESHIM, "diagnose", "--json", str(process.pid)],
                                        capture_output=True, text=True, timeout=60, check=False)
                thread = [p for p in json.loads(status.stdout)["processes"]
                          if p["pid"] == process.pid][0]["threads"][0]
                self.assertIn("/" + place, thread["where"])

    def test_what_a_line_is_worth(self):
        """Without its map a generated file is marked as such, as is a line that is one nearby."""
        frames = [{"file": "/app/hot.js", "line": 7, "column": 1, "function": "spin", "near": True},
                  {"file": "/app/dist.js", "line": 1, "column": 9, "function": "main", "generated": True},
                  {"file": "/app/own.js", "line": 3, "column": 2, "function": "begin"}]
        compact = ["/app/hot.js:7:1 (near) spin", "/app/dist.js:1:9 (generated) main", "/app/own.js:3:2 begin"]
        for form in ("text", "folded", "html"):
            for stack in (frames, compact):
                said = self.report(self.write_log(javascript=stack), form)
                self.assertIn("hot.js:7 (near)", said)
                self.assertIn("dist.js:1 (generated)", said)
                self.assertIn("own.js:3", said)
                self.assertNotIn("own.js:3 (", said)
                self.assertIn("spin", said)
                self.assertNotIn("(near) spin", said)
        for form in ("markdown", "perfetto"):
            self.assertRegex(self.report(self.write_log(javascript=frames), form), r"hot\.js:7 \(near\)")
        shared = json.loads(self.report(self.write_log(javascript=frames), "speedscope"))["shared"]
        self.assertEqual([frame["name"] for frame in shared["frames"] if ".js" in frame.get("file", "")],
                         ["spin (near)", "main (generated)", "begin"])

    def test_the_users_file_among_those_of_a_bundle(self):
        """A package inside of the bundle is not the user's."""
        folder = self.project()
        with open(os.path.join(folder, "dist/app.js.map"), "w", encoding="utf-8") as file:
            json.dump({"version": 3, "sources": ["../node_modules/left/index.js", "../src/app.ts"],
                       "mappings": "AAAA,UCGA"}, file)
        path = os.path.join(folder, "dist/app.js")
        frames = [{"file": path, "line": 1, "column": 3, "function": "pad", "generated": True},
                  {"file": path, "line": 1, "column": 30, "function": "main", "generated": True}]
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() + 60))
        log = self.write_log(javascript=frames, where=path + ":1 pad", time=stamp)
        self.assertIn("main  %s/src/app.ts:4" % folder, self.report(log, "text"))

    def test_run_says_it(self):
        if not NODES:
            self.skipTest("there is no Node")
        folder = self.project()
        parent = ("import subprocess, sys\n"
                  "child = subprocess.Popen(['/bin/sh', '-c', 'exec 9>&1; exec \"$@\"', 'sh',"
                  " *sys.argv[1:]], stdout=subprocess.PIPE)\n"
                  "sys.stdin.read()\nchild.stdout.read()\n")
        program = os.path.join(folder, "dist/app.js")
        with open(program, "r+", encoding="utf-8") as file:
            text = file.read().replace("repeat(9)", "repeat(9e5)")
            file.seek(0)
            file.write(text)
        os.utime(program, (0, 0))
        run = subprocess.Popen([PIPESHIM, "run", "--threshold", "50ms", "--", PYTHON, "-c", parent,
                                NODES[0].path, program], stdin=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=self.environment())
        self.addCleanup(run.stderr.close)
        said = [run.stderr.readline()]  # while it is blocked
        run.stdin.close()
        said += run.stderr.readlines()
        run.wait()
        self.assertRegex(said[0], "BLOCKED")
        self.assertRegex("".join(said), r"send  /.*/src/app\.ts:4")


if __name__ == "__main__":
    sys.exit(unittest.main())
