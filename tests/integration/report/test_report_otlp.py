#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""report --format otlp-json: spans that OpenTelemetry's collector takes."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from log_maker import Process, frame, pipe, write_log  # noqa: E402
from pipeshim_case import BUILD  # noqa: E402

PIPESHIM = os.path.join(BUILD, "pipeshim")
TEXT, HEX16, HEX8 = str, re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{16}")
INT64 = re.compile("-?[0-9]+")  # as protobuf's JSON has 64-bit numbers: in quotes
ATTRIBUTES = [{"key": TEXT, "value": {"stringValue": TEXT, "intValue": INT64}}]
# The messages of opentelemetry/proto/trace/v1/trace.proto, common.proto and resource.proto that are
# used, in JSON's lowerCamelCase.
REQUEST = {"resourceSpans": [{
    "resource": {"attributes": ATTRIBUTES},
    "scopeSpans": [{
        "scope": {"name": TEXT, "version": TEXT},
        "spans": [{
            "traceId": HEX16, "spanId": HEX8, "parentSpanId": HEX8, "name": TEXT, "kind": int,
            "startTimeUnixNano": INT64, "endTimeUnixNano": INT64, "attributes": ATTRIBUTES,
            "links": [{"traceId": HEX16, "spanId": HEX8, "attributes": ATTRIBUTES}],
            "status": {"code": int, "message": TEXT}}]}]}]}


def check(value, shape, at="request"):
    """Every field is one of its message's, and of its type."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), at
        for key, inner in value.items():
            assert key in shape, "%s.%s" % (at, key)
            check(inner, shape[key], "%s.%s" % (at, key))
    elif isinstance(shape, list):
        assert isinstance(value, list), at
        for i, inner in enumerate(value):
            check(inner, shape[0], "%s[%d]" % (at, i))
    elif isinstance(shape, re.Pattern):
        assert isinstance(value, str) and shape.fullmatch(value), (at, value)
        assert shape is INT64 or value.strip("0"), "an id of zeroes is none"
    else:
        assert type(value) is shape, (at, value)


def attributes(of):
    keys = [one["key"] for one in of["attributes"]]
    assert len(keys) == len(set(keys)), keys
    return {one["key"]: list(one["value"].values())[0] for one in of["attributes"]}


class Otlp(unittest.TestCase):
    def report(self, *processes):
        with tempfile.TemporaryDirectory() as folder:
            log = write_log(os.path.join(folder, "log"), *processes)
            done = subprocess.run([PIPESHIM, "report", "--format", "otlp-json", "--no-lines", log],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        request = json.loads(done.stdout)
        check(request, REQUEST)
        return request

    def spans(self, request):
        return [span for resource in request["resourceSpans"]
                for scope in resource["scopeSpans"] for span in scope["spans"]]

    def pair(self):
        """An engine that waits for its reader, and the reader for it."""
        engine, python = Process(2707, "engine", "alpha"), Process(2210, "python3", "alpha")
        engine.start(0)
        python.start(0)
        engine.call(1, 250, stack=[frame("write", 1, "/lib/libc.so.6"), frame("log_line", 2)], fd=2,
                    object="pipe:[81723]",
                    pipe=pipe(peers=[{"pid": 2210, "comm": "python3", "fd": 5, "state": "S"}]))
        python.call(0.9, 2500, call="read", class_="pipe_read", fd=3, object="pipe:[81724]",
                    python=[{"file": "/app/main.py", "line": 41, "function": "collect"}],
                    pipe=pipe(81724, 0, 65536, "reader", []))
        return engine, python

    def test_a_span_a_blocked_call(self):
        engine, python = self.pair()
        request = self.report(engine, python)
        resources = {attributes(r["resource"])["service.name"]: r for r in request["resourceSpans"]}
        self.assertEqual(set(resources), {"engine", "python3"})
        of = attributes(resources["engine"]["resource"])
        self.assertEqual((of["process.pid"], of["host.name"]), ("2707", "alpha"))
        write, read = sorted(self.spans(request), key=lambda span: span["name"], reverse=True)
        self.assertEqual((write["name"], read["name"]), ("write", "read"))
        self.assertEqual(int(write["endTimeUnixNano"]) - int(write["startTimeUnixNano"]),
                         250 * 1000 * 1000)
        self.assertEqual(int(read["endTimeUnixNano"]) - int(read["startTimeUnixNano"]),
                         2500 * 1000 * 1000)
        self.assertEqual(int(write["startTimeUnixNano"]) // 10**9, 1767323046)  # 2026-01-02 03:04:06
        of = attributes(write)
        self.assertEqual((of["pipeshim.class"], of["pipeshim.fd"], of["pipeshim.object"]),
                         ("pipe_write", "2", "pipe:[81723]"))
        self.assertEqual((of["code.function.name"], of["pipeshim.pipe.used"]), ("log_line", "65536"))
        of = attributes(read)
        self.assertEqual((of["code.function.name"], of["code.file.path"], of["code.line.number"]),
                         ("collect", "/app/main.py", "41"))
        # The writer waits for a reader that waits itself: a link, and two traces.
        self.assertEqual([(link["traceId"], link["spanId"]) for link in write["links"]],
                         [(read["traceId"], read["spanId"])])
        self.assertNotIn("links", read)
        self.assertNotEqual(write["traceId"], read["traceId"])
        self.assertNotIn("status", write)

    def test_javascript(self):
        """The user's function, not Node's own or a package's; what its line is worth."""
        frames = [{"file": "node:fs", "line": 930, "column": 1, "function": "writeSync"},
                  {"file": "/app/node_modules/log/index.js", "line": 4, "function": "flush"},
                  {"unreadable": True},
                  {"file": "/app/dist/main.js", "line": 41, "column": 3, "function": "collect",
                   "tier": "turbofan", "generated": True}]
        node = Process(31, "node", "alpha")
        node.call(1, 250, javascript=frames)
        node.call(2, 250, javascript=frames[:2])
        node.call(3, 250, javascript=[dict(frames[3], near=True, line=44), frames[3]])
        node.call(4, 250, javascript=[{"function": "anywhere"}])
        first, package, near, nowhere = map(attributes, sorted(
            self.spans(self.report(node)), key=lambda span: int(span["startTimeUnixNano"])))
        self.assertEqual((first["code.function.name"], first["code.file.path"], first["code.line.number"],
                          first.get("pipeshim.code.generated"), first.get("pipeshim.code.near")),
                         ("collect", "/app/dist/main.js", "41", "yes", None))
        self.assertEqual((package["code.function.name"], package["code.line.number"]), ("flush", "4"))
        self.assertNotIn("pipeshim.code.generated", package)
        self.assertEqual((near["code.line.number"], near["pipeshim.code.near"]), ("44", "yes"))
        self.assertEqual(nowhere["code.function.name"], "anywhere")
        self.assertNotIn("code.line.number", nowhere)

    def test_a_call_in_a_late_loop_is_its_child(self):
        loop = Process(5, "server", "alpha")
        lag = loop.event("lag", 1.1, lag_ms=100, cause="sleep")
        loop.call(1.02, 300, call="nanosleep", class_="sleep")
        loop.event("lag_end", 1.5, ref=lag["seq"], lag_ms=500, cause={})
        loop.call(3, 300, call="nanosleep", class_="sleep")
        spans = self.spans(self.report(loop))
        away = next(s for s in spans if s["name"] == "event loop away")
        within, after = sorted((s for s in spans if s["name"] == "nanosleep"),
                               key=lambda s: int(s["startTimeUnixNano"]))
        self.assertEqual((within["traceId"], within["parentSpanId"]), (away["traceId"], away["spanId"]))
        self.assertNotEqual(after["traceId"], away["traceId"])
        self.assertNotIn("parentSpanId", after)
        self.assertEqual(attributes(away)["pipeshim.cause"], "sleep")

    def test_what_never_returned_and_deadlocks_are_errors(self):
        engine = Process(7, "engine", "alpha")
        engine.blocked(1, fd=2)
        chain = [{"pid": 7, "comm": "engine", "tid": 7, "waits_in": "write fd 2", "for_pid": 8}]
        engine.event("deadlock", 3, id="0xabc", words="engine waits <for> itself", chain=chain,
                     advice="drain it", rescue="pipeshim rescue 7", blocked_ms=2000)
        call, deadlock = sorted(self.spans(self.report(engine)), key=lambda s: s["name"] == "deadlock")
        self.assertEqual(call["status"], {"code": 2, "message": "never returned"})
        self.assertEqual(deadlock["status"], {"code": 2, "message": "engine waits <for> itself"})
        self.assertEqual(attributes(deadlock)["pipeshim.rescue"], "pipeshim rescue 7")
        quiet = Process(9, "quiet")
        quiet.start(0)
        self.assertEqual(self.report(quiet), {"resourceSpans": []})

    def test_ids_are_the_same_each_time_and_in_a_longer_log(self):
        def ids(request):
            return {(s["name"], s["startTimeUnixNano"]): (s["traceId"], s["spanId"])
                    for s in self.spans(request)}
        engine, python = self.pair()
        first = ids(self.report(engine, python))
        self.assertEqual(ids(self.report(engine, python)), first)
        engine.call(9, 300, fd=2)
        longer = ids(self.report(engine, python))
        self.assertEqual({key: longer[key] for key in first}, first)
        self.assertEqual(len(set(longer.values())), 3)
        # Another host's process of the same pid and time is another span.
        for process in (engine, python):
            process.events[0]["host"] = "beta"
        self.assertFalse(set(ids(self.report(engine, python)).values()) & set(longer.values()))


if __name__ == "__main__":
    unittest.main()
