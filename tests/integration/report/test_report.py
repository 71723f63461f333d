# SPDX-License-Identifier: MIT
"""pipeshim report: what it makes of logs, whole and damaged, as text."""
import json
import os
import random
import re
import resource
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from log_maker import Process, frame, pipe, write_log  # noqa: E402
from report_case import ReportTest, engine_and_reader  # noqa: E402


class Text(ReportTest):
    def test_ranks_call_sites_and_names_the_other_end(self):
        engine, python = engine_and_reader()
        text, remarks = self.run_tool(write_log(self.path("log"), engine, python))
        self.assertEqual(remarks, "")
        self.assertIn("5 blocked calls, 4.40 s in all", text)
        first, second, third = (text.index(words) for words in (
            "1. 2.50 s  57%  python3: read (pipe_read)",
            "2. 1.40 s  32%  engine: write (pipe_write)",
            "3. 500 ms  11%  engine: write (pipe_write)"))
        self.assertTrue(first < second < third)
        site = text[second:third]
        self.assertIn("3 times", site)
        self.assertIn("longest 1.00 s", site)
        self.assertIn("other end: reader python3, state S, in read fd 3  (3 of 3 times, last pid 2210)", site)
        self.assertIn("advice: drain stderr in parallel", site)
        self.assertRegex(site, r"#0 +__write .*\n +#1 +log_line  /usr/bin/engine\n +#2 +main")
        # Of the interpreter only what the Python code called is shown.
        self.assertRegex(text[first:second], r"#0 +__read .*\n +#1 +Worker.collect  /app/orchestrator.py:41\n"
                                             r" +#2 +<module>  /app/orchestrator.py:99\n\n")
        self.assertIn("on an event loop", text[first:second])

    def test_a_call_that_never_returned_lasts_until_its_process_was_last_heard_of(self):
        engine = Process(7, "engine")
        engine.start(0)
        engine.blocked(1, fd=2)
        engine.event("filling", 5.0, tid=8, pipe=pipe(used=50000))
        other = Process(8, "other")
        other.start(90)
        text, _ = self.run_tool(write_log(self.path("log"), engine, other))
        self.assertIn("1 blocked call, 4.00 s in all, 1 never returned", text)

    def test_a_call_whose_return_is_lost_counts_what_is_known_of_it(self):
        engine = Process(7, "engine")
        engine.blocked(1, fd=2)
        engine.call(3, 200, fd=2)
        text, _ = self.run_tool(write_log(self.path("log"), engine))
        self.assertIn("2 blocked calls, 300 ms in all\n", text)

    def test_says_deadlock_lag_and_drain(self):
        engine = Process(2707, "engine")
        chain = [{"pid": 2707, "comm": "engine", "tid": 2707, "waits_in": "write fd 2",
                  "object": "pipe:[1]", "for_pid": 2210},
                 {"pid": 2210, "comm": "python3", "tid": 2210, "waits_in": "read fd 3",
                  "object": "pipe:[2]", "for_pid": 2707}]
        engine.event("deadlock", 1, chain=chain, advice="drain stderr")
        engine.event("deadlock", 2, chain=chain[::-1], advice="drain stderr")
        lag = engine.event("lag", 3.1, lag_ms=100, cause="cpu", stack=[frame("crunch")], calls=[])
        engine.event("lag_end", 3.5, ref=lag["seq"], lag_ms=500, cause={"cpu": 400, "lock": 100})
        engine.event("drain_start", 4, fd=2, object="pipe:[1]")
        engine.event("drain_end", 5, fd=2, object="pipe:[1]", queued_bytes=0, peak_bytes=123456, ms=1000)
        engine.event("drain_drop", 5, bytes=77, writes=3)
        text, _ = self.run_tool(write_log(self.path("log"), engine))
        self.assertEqual(text.count("DEADLOCK"), 1)  # each member reports the same one
        self.assertIn("reported 2 times", text)
        self.assertIn("  engine[2707]  write fd 2 on pipe:[1]  for python3[2210]\n", text)
        self.assertIn("fix: drain stderr", text)
        self.assertIn("1 time an event loop was away from its wait, 500 ms in all", text)
        self.assertIn("crunch", text)
        self.assertIn("cpu 400 ms, lock 100 ms", text)
        self.assertIn("engine[2707] fd 2 pipe:[1]: 1 time, 1.00 s, at most 123456 bytes queued", text)
        self.assertIn("dropped: 77 bytes in 3 writes", text)
        self.assertIn("0 blocked calls", text)  # lag overlaps the calls: it is not one

    def test_one_pid_on_two_hosts_is_two_processes(self):
        one, two = Process(1, "node", host="alpha"), Process(1, "node", host="beta")
        one.start(0)
        two.start(0.1)
        two.event("warning", 0.2, message="that the two do not count alike")
        first = one.blocked(1)
        second = two.blocked(1)
        one.unblocked(first, 1, 300)
        two.unblocked(second, 1, 700)
        logs = write_log(self.path("one"), one), write_log(self.path("two"), two)
        for names in [write_log(self.path("merged"), one, two)], logs:
            text, remarks = self.run_tool(*names)
            self.assertIn("2 processes on 2 hosts", text)
            self.assertIn("2 blocked calls, 1.00 s in all\n", text)
            self.assertEqual(remarks, "")

    def test_only_the_start_names_the_host_also_for_a_rotated_log(self):
        process = Process(5, "node", host="alpha")
        process.start(0)
        report = process.blocked(1)
        write_log(self.path("old"), process)
        process.events.clear()
        process.unblocked(report, 1, 900)
        html = self.run_tool("--format", "html", self.path("old"),
                             write_log(self.path("new"), process))[0]
        data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])
        self.assertEqual([one["host"] for one in data["processes"]], ["alpha"])

    def test_one_pid_in_two_files_is_two_processes_but_a_rotated_log_is_one(self):
        one, two = Process(1, "node"), Process(1, "node")
        one.call(1, 300)
        two.call(1, 300)
        text, _ = self.run_tool(write_log(self.path("a"), one), write_log(self.path("b"), two))
        self.assertIn("2 processes,", text)
        rotated = Process(5, "node")
        report = rotated.blocked(1)
        write_log(self.path("old"), rotated)
        rotated.events.clear()
        rotated.unblocked(report, 1, 900)
        text, remarks = self.run_tool(self.path("old"), write_log(self.path("new"), rotated))
        self.assertIn("1 process,", text)
        self.assertIn("1 blocked call, 900 ms in all\n", text)
        self.assertEqual(remarks, "")

    def test_a_pid_that_is_used_again_is_a_new_process(self):
        old, new = Process(5, "first"), Process(5, "second")
        old.start(0)
        old.blocked(1)
        new.start(10)
        new.call(11, 400)
        text, _ = self.run_tool(write_log(self.path("log"), old, new))
        self.assertIn("2 processes,", text)
        self.assertIn("2 blocked calls, 500 ms in all, 1 never returned", text)

    def test_what_was_done_to_a_process(self):
        engine = Process(7, "/usr/bin/engine")
        engine.start(0)
        engine.event("config", 1, changed={"PIPESHIM_THRESHOLD": "20ms", "PIPESHIM_DRAIN": "2"},
                     before={"PIPESHIM_THRESHOLD": "50ms", "PIPESHIM_DRAIN": ""})
        engine.event("action", 2, action="term", result="SIGTERM is \x1b[2Jsent", ref=4)
        text, remarks = self.run_tool(write_log(self.path("log"), engine))
        self.assertEqual(remarks, "")
        self.assertRegex(text, r"\nActions and settings\n    2026-01-02 03:04:06\S* engine\[7\] changed from "
                               r"outside: PIPESHIM_THRESHOLD=20ms \(was 50ms\) PIPESHIM_DRAIN=2 "
                               r"\(was not set\)\n    2026-01-02 03:04:07\S* engine\[7\] action term: SIGTERM")
        self.assertNotIn("\x1b", text)
        quiet = Process(8, "engine")
        quiet.call(1, 300, fd=2)
        self.assertNotIn("Actions", self.run_tool(write_log(self.path("quiet"), quiet))[0])

    def test_terminal_commands_in_a_log_stay_text(self):
        evil = Process(5, "\x1b[2Jevil\x9b31m\u202e")
        evil.call(1, 200, call="write\n\x07", object="\x1b]0;title\x07",
                  stack=[frame("f\x1b[H", module="/tmp/\r\nx")])
        text, _ = self.run_tool(write_log(self.path("log"), evil))
        self.assertIn("evil", text)
        self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")

    def test_a_stack_that_was_shown_before_is_known_by_its_number(self):
        one, two = Process(5, "engine"), Process(6, "engine")
        one.call(1, 300, stack=[frame("decode")], stack_id="0x22a32fb0cd8ce9c2")
        two.call(1, 400, stack_id="0x22a32fb0cd8ce9c2")  # another process: other addresses
        one.call(2, 500)
        del one.events[-2]["stack"]
        one.events[-2]["stack_id"] = "0x22a32fb0cd8ce9c2"
        out, _ = self.run_tool("-f", "folded", write_log(self.path("log"), one, two))
        self.assertEqual(sorted(out.splitlines()), ["engine;decode;write [pipe_write] 800000",
                                                    "engine;write [pipe_write] 400000"])

    def test_the_library_s_own_frame_and_folder_are_left_out(self):
        engine = Process(5, "/opt/bin/engine")
        engine.call(1, 300, stack=[frame("write", 1, "/opt/lib/libpipeshim.so"), frame("log_line")])
        out, _ = self.run_tool("-f", "folded", write_log(self.path("log"), engine))
        self.assertEqual(out, "engine;log_line;write [pipe_write] 300000\n")

    def test_what_the_library_held_back_is_said(self):
        engine = Process(5, "engine")
        engine.event("warning", 0, message="PIPESHIM_RATE: 'x' is no rate")
        engine.call(1, 300, note="a note")
        engine.event("summary", 2, held_back=7, suppressed_total=3, dropped_total=2, overhead_ms=12.5, sites=[])
        text, remarks = self.run_tool(write_log(self.path("log"), engine))
        self.assertIn("PIPESHIM_RATE: 'x' is no rate", text)
        self.assertIn("own cost: 12 ms of CPU", text)
        self.assertIn("note: a note", text)
        for words in ("7 reports are counted", "3 reports were suppressed", "2 lines could not be written"):
            self.assertIn(words, remarks)

    def test_limit_says_what_it_leaves_out(self):
        engine = Process(5, "engine")
        for i in range(5):
            engine.call(i, 100 + i, stack=[frame(f"site{i}", i)])
        text, _ = self.run_tool("--limit", "2", write_log(self.path("log"), engine))
        self.assertIn("site4", text)
        self.assertNotIn("site2", text)
        self.assertIn("and 3 more, 303 ms together", text)

    def test_reads_stdin_and_writes_a_file(self):
        engine, python = engine_and_reader()
        with open(write_log(self.path("log"), engine, python), "rb") as log:
            out, _ = self.run_tool("-", "-o", self.path("out"), stdin=log)
        self.assertEqual(out, "")
        with open(self.path("out"), encoding="utf-8") as written:
            self.assertIn("5 blocked calls", written.read())


    def test_names_the_users_line_first_and_no_frame_of_the_interpreter_without_a_name(self):
        server = Process(9, "python3")
        server.start(0)
        server.call(1, 700, call="poll", class_="socket_read", loop=True, fd=6, object="socket:[5]",
                    stack=[frame("", 0x6b2935, "/usr/bin/python3.11"), frame("sock_recv", 0x10, "/usr/lib/_socket.so"),
                           frame("", 0x6b2936, "/usr/bin/python3.11"), frame("", 0x77, "/usr/lib/libother.so"),
                           frame("_PyEval_EvalFrameDefault", 0x9999, "/usr/bin/python3.11")],
                    python=[{"file": "/usr/lib/python3.11/socket.py", "line": 706, "function": "SocketIO.readinto"},
                            {"file": "/app/embed.py", "line": 10, "function": "embed"}])
        out, _ = self.run_tool(write_log(self.path("log"), server))
        self.assertIn("on an event loop\n    in: embed  /app/embed.py:10\n    on: socket:[5]\n", out)
        shown = re.findall(r"^      #\d+ +(\S+)", out, re.M)
        self.assertEqual(shown, ["sock_recv", "libother.so+0x77", "SocketIO.readinto", "embed"])


class Damage(ReportTest):
    def good_line(self, pid=1):
        engine = Process(pid, "engine")
        engine.call(1, 300)
        return [json.dumps(event).encode() for event in engine.events]

    def test_damaged_lines_are_counted_and_the_rest_is_read(self):
        first, second = self.good_line()
        damage = [
            first[:40],                                      # cut
            first[:60] + first,                              # cut by a crash, then written on
            b"\xff\xfe" + first,                             # no UTF-8
            first.replace(b'"engine"', b'"eng\xc3ine"'),
            b'{"event":"blocked","x":"' + b"A" * (600 << 10) + b'"}',  # longer than any real line
            b"[" * 100000,                                   # nested
            b'{"a":' * 3000 + b"1" + b"}" * 3000,
            b"[1,2,3]", b'"text"', b"123", b"nonsense", b"\0\0\0\0", b'{"event":"\\u0000"}',
        ]
        lines = [first] + damage + [b"", b"   ", second]
        text, remarks = self.run_tool(self.write("log", b"\n".join(lines) + b"\n"))
        self.assertIn("1 blocked call, 300 ms in all\n", text)
        self.assertIn(f"{len(damage)} lines are damaged", remarks)

    def test_a_last_line_without_newline_is_read_if_it_is_whole(self):
        first, second = self.good_line()
        text, remarks = self.run_tool(self.write("log", first + b"\n" + second))
        self.assertIn("1 blocked call, 300 ms in all\n", text)
        self.assertEqual(remarks, "")
        text, remarks = self.run_tool(self.write("log", first + b"\n" + second[:-5]))
        self.assertIn("1 never returned", text)
        self.assertIn("1 line is damaged", remarks)

    def test_wrong_types_and_values_are_survived(self):
        first, second = [json.loads(line) for line in self.good_line()]
        wrong = [None, True, -1, 1e300, -1e300, 2**62, "x", "", [], {}, [[]], [None], {"a": []},
                 [{}], [1, "2", None], {"peers": [None, 1]}, {"peers": {}, "used": "x", "inode": -1}]
        lines = []
        for event in (first, second, dict(first, event="lag", lag_ms=5), dict(second, event="lag_end"),
                      dict(first, event="deadlock", chain=[{}]), dict(first, event="drain_end"),
                      dict(first, event="filling"), dict(first, event="summary")):
            keys = set(event) | {"stack", "python", "pipe", "socket", "child", "chain", "cause", "loop",
                                 "fd", "object", "advice", "host", "ms", "bytes", "writes", "lag_ms"}
            for key in sorted(keys):
                for value in wrong:
                    lines.append(json.dumps(dict(event, **{key: value})))
        frames = [dict(frame("f"), **{key: value}) for value in wrong
                  for key in ("pc", "module", "offset", "build_id", "symbol")]
        lines.append(json.dumps(dict(first, stack=frames)))
        log = self.write("log", "\n".join(lines).encode())
        for form in ("text", "folded", "speedscope", "perfetto", "html", "otlp-json"):
            out, remarks = self.run_tool("--format", form, log)
            self.assertNotIn("damaged", remarks)
            if form in ("speedscope", "perfetto", "otlp-json"):
                json.loads(out)

    def test_random_damage_never_ends_the_tool(self):
        engine, python = engine_and_reader()
        with open(write_log(self.path("whole"), engine, python), "rb") as log:
            whole = log.read()
        chance = random.Random(20260102)
        for _ in range(60):
            data = bytearray(whole)
            for _ in range(chance.randrange(1, 60)):
                at = chance.randrange(len(data))
                if chance.random() < 0.5:
                    data[at] = chance.randrange(256)
                else:
                    del data[at:at + chance.randrange(40)]
            # 1: not one event was left of it.
            self.run_tool("--format", chance.choice(["text", "perfetto", "html", "otlp-json"]),
                          self.write("damaged", bytes(data)), status=(0, 1))

    def test_what_is_no_log(self):
        _, error = self.run_tool(self.write("text", b"pipeshim: BLOCKED engine[1]\n"), status=1)
        self.assertIn("not a log; expected JSON Lines", error)
        self.run_tool(self.write("empty", b""))

    def test_numbers_that_are_missing_and_returns_without_report_are_said(self):
        engine = Process(1, "engine")
        engine.start(0)
        lost = engine.blocked(1)
        engine.unblocked(lost, 1, 200)
        engine.call(3, 200)
        engine.events.remove(lost)
        _, remarks = self.run_tool(write_log(self.path("log"), engine))
        self.assertIn("1 call is known by its end alone: its `blocked` event is not in these logs", remarks)
        self.assertIn("1 event is missing by the numbers", remarks)

    def test_a_late_loop_ends_after_the_call_that_explained_it(self):
        engine = Process(1, "engine")
        engine.start(0)
        call = engine.blocked(1)
        engine.unblocked(call, 1.2, 200)
        engine.event("lag_end", 1.21, ref=call["seq"], lag_ms=210, cause={"pipe_write": 210},
                     of_call=True)
        _, remarks = self.run_tool(write_log(self.path("log"), engine))
        self.assertEqual(remarks, "")

    def test_wrong_use(self):
        log = self.write("log", b"")
        for arguments in ([], ["--format", "nonsense", log], ["--bogus", log], ["--limit", "-1", log],
                          ["-o", log, log], ["--format"]):
            _, said = self.run_tool(*arguments, status=64)
            self.assertEqual(said.count("\n"), 1, said)
        self.run_tool(self.path("absent"), status=1)
        out, said = self.run_tool(self.folder, log, status=1)  # a folder cannot be read, the rest can
        self.assertIn("Is a directory", said)
        self.assertIn("0 blocked calls", out)
        self.run_tool(log, "-o", "/dev/full", status=1)
        self.assertIn("usage:", self.run_tool("--help")[0])
        self.assertRegex(self.run_tool("--version")[0], r"^pipeshim \d")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    unittest.main(verbosity=2)
