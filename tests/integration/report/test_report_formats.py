# SPDX-License-Identifier: MIT
"""pipeshim report: flame graphs, traces and the web page."""
import collections
import json
import math
import os
import re
import resource
import shutil
import subprocess
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from log_maker import Process, frame, pipe, write_log  # noqa: E402
from report_case import ReportTest, engine_and_reader  # noqa: E402


class Folded(ReportTest):
    def test_every_line_is_a_stack_and_its_microseconds(self):
        engine, python = engine_and_reader()
        engine.call(20, 100, call="a;b c 7\n", stack=[frame("x;y"), frame("")])
        out, _ = self.run_tool("-f", "folded", write_log(self.path("log"), engine, python))
        stacks = {}
        for line in out.splitlines():
            match = re.fullmatch(r"([^;]+(?:;[^;]+)*) (\d+)", line)
            self.assertTrue(match, line)
            stacks[match[1]] = int(match[2])
        self.assertEqual(stacks["engine;main;log_line;__write;write [pipe_write]"], 1_400_000)
        self.assertEqual(stacks["python3;<module> (orchestrator.py:99);"
                                "Worker.collect (orchestrator.py:41);__read;read [pipe_read]"], 2_500_000)
        self.assertEqual(stacks["engine;engine+0x1000;x?y;a?b c 7? [pipe_write]"], 100_000)
        self.assertEqual(sum(stacks.values()), 4_500_000)


class Speedscope(ReportTest):
    def check_timelines(self, made):
        """One for each thread that was blocked: what is opened is closed, in time and order."""
        timelines = made["profiles"][1:]
        self.assertEqual([one["name"].split("[")[0] for one in timelines], ["python3", "engine"])
        blocked = {}
        for one in timelines:
            self.assertEqual(set(one), {"type", "name", "unit", "startValue", "endValue", "events"})
            self.assertEqual((one["type"], one["unit"]), ("evented", "microseconds"))
            open_frames, last = [], one["startValue"]
            for event in one["events"]:
                self.assertGreaterEqual(event["at"], last)
                last = event["at"]
                if event["type"] == "O":
                    open_frames.append((event["frame"], event["at"]))
                else:
                    frame, since = open_frames.pop()
                    self.assertEqual(frame, event["frame"])
                    name = made["shared"]["frames"][frame]["name"]
                    blocked[name] = blocked.get(name, 0) + event["at"] - since
            self.assertEqual(open_frames, [])
            self.assertLessEqual(last, one["endValue"])
        self.assertEqual((blocked["log_line"], blocked["flush"], blocked["Worker.collect"]),
                         (1_400_000, 500_000, 2_500_000))

    def test_follows_the_file_format(self):
        engine, python = engine_and_reader()
        made = self.json_report("speedscope", write_log(self.path("log"), engine, python))
        self.assertEqual(made["$schema"], "https://www.speedscope.app/file-format-schema.json")
        self.assertLessEqual(set(made), {"$schema", "shared", "profiles", "name", "activeProfileIndex",
                                         "exporter"})
        frames = made["shared"]["frames"]
        for one in frames:
            self.assertIsInstance(one["name"], str)
            self.assertLessEqual(set(one), {"name", "file", "line", "col"})
        profile = made["profiles"][0]
        self.check_timelines(made)
        self.assertEqual(set(profile), {"type", "name", "unit", "startValue", "endValue", "samples", "weights"})
        self.assertEqual((profile["type"], profile["unit"]), ("sampled", "microseconds"))
        self.assertEqual(len(profile["samples"]), len(profile["weights"]))
        self.assertEqual(profile["endValue"] - profile["startValue"], sum(profile["weights"]))
        by_names = {";".join(frames[i]["name"] for i in sample): weight
                    for sample, weight in zip(profile["samples"], profile["weights"])}
        self.assertEqual(by_names["engine;main;log_line;__write;write [pipe_write]"], 1_400_000)
        # The same program at the root of all its stacks is one frame, or the graph falls apart.
        self.assertEqual(len([one for one in frames if one["name"] == "engine"]), 1)
        python_frame = next(one for one in frames if one["name"] == "Worker.collect")
        self.assertEqual((python_frame["file"], python_frame["line"]), ("/app/orchestrator.py", 41))

    def test_empty(self):
        made = self.json_report("speedscope", self.write("log", b""))
        self.assertEqual(made["shared"]["frames"], [])


class Perfetto(ReportTest):
    def check_rules(self, trace):
        events = trace["traceEvents"]
        times = [event["ts"] for event in events]
        self.assertEqual(times, sorted(times))
        self.assertTrue(all(isinstance(event["pid"], int) and isinstance(event["tid"], int) and
                            event["ts"] >= 0 for event in events))
        slices = [event for event in events if event["ph"] == "X"]
        last_end = collections.Counter()
        for event in slices:  # one slice a blocked call: they follow one another in a thread
            thread = (event["pid"], event["tid"])
            self.assertGreaterEqual(event["ts"], last_end[thread])
            self.assertGreaterEqual(event["dur"], 0)
            last_end[thread] = event["ts"] + event["dur"]
        flows = collections.defaultdict(list)
        for event in events:
            if event["ph"] in "sf":
                flows[event["id"]].append(event)
                inside = [one for one in slices
                          if (one["pid"], one["tid"]) == (event["pid"], event["tid"]) and
                          one["ts"] <= event["ts"] <= one["ts"] + one["dur"]]
                self.assertTrue(inside, event)
        for pair in flows.values():
            self.assertEqual([event["ph"] for event in pair], ["s", "f"])
        begun = collections.Counter((e["pid"], e["cat"], e["id"]) for e in events if e["ph"] == "b")
        ended = collections.Counter((e["pid"], e["cat"], e["id"]) for e in events if e["ph"] == "e")
        self.assertEqual(begun, ended)
        return events, slices, flows

    def test_tracks_slices_counters_and_arrows(self):
        engine, python = engine_and_reader()
        lag = python.event("lag", 5.1, lag_ms=100, cause="cpu")
        python.event("lag_end", 5.5, ref=lag["seq"], lag_ms=500, cause={})
        engine.blocked(9, tid=2711, thread="worker", fd=4)
        events, slices, flows = self.check_rules(
            self.json_report("perfetto", write_log(self.path("log"), engine, python)))
        self.assertEqual(len(slices), 6)
        read = next(event for event in slices if event["name"] == "read")
        self.assertEqual((read["pid"], read["dur"], read["cat"]), (2210, 2_500_000, "pipe_read"))
        self.assertEqual(read["args"]["line"], "/app/orchestrator.py:41")
        self.assertEqual(read["args"]["in"], "__read")
        self.assertEqual((read["args"]["ms"], read["args"]["fd"]), (2500, 3))
        away = next(event for event in events if event["ph"] == "b")
        self.assertNotIn("fd", away["args"])
        names = {event["args"]["name"] for event in events if event["ph"] == "M"}
        self.assertLessEqual({"engine[2707]", "python3[2210]", "worker"}, names)
        fills = [event for event in events if event["ph"] == "C" and event["pid"] == 2707]
        self.assertEqual({(event["name"], event["args"]["bytes"]) for event in fills},
                         {("pipe:[81723] fill", 65536)})
        # The engine's first write waits for python's read of that time, and the read for the write.
        arrows = {(pair[0]["pid"], pair[1]["pid"]) for pair in flows.values()}
        self.assertEqual(arrows, {(2707, 2210), (2210, 2707)})
        self.assertEqual(sum(event["ph"] == "b" for event in events), 1)
        never = next(event for event in slices if event["tid"] == 2711)
        self.assertEqual(never["args"]["end"], "never returned")

    def test_a_deadlock_has_arrows_also_to_who_has_no_log(self):
        engine = Process(2707, "engine")
        engine.blocked(1)
        chain = [{"pid": 2707, "comm": "engine", "waits_in": "write fd 2", "for_pid": 2210,
                  "object": "pipe:[81723]", "where": "engine.c:7 log"},
                 {"pid": 2210, "comm": "python3", "name": "run.py", "waits_in": "wait4 2707",
                  "object": "process 2707", "for_pid": 2707}]
        engine.event("deadlock", 2, id="0x1", chain=chain)
        stuck = [{"pid": 2707, "comm": "engine", "waits_in": "write fd 1", "for_pid": 9},
                 {"pid": 9, "comm": "less", "waits_in": "read fd 3", "for_pid": 0}]
        engine.event("finding", 3, kind="reader_away", chain=stuck)
        events, slices, flows = self.check_rules(
            self.json_report("perfetto", write_log(self.path("log"), engine)))
        arrows = sorted((pair[0]["pid"], pair[1]["pid"]) for pair in flows.values())
        self.assertEqual(arrows, [(2210, 2707), (2707, 9), (2707, 2210)])
        parent = next(event for event in slices if event["pid"] == 2210)
        self.assertEqual((parent["name"], parent["args"]["on"]), ("wait4 2707", "process 2707"))
        own = next(event for event in slices if event["name"] == "write fd 2")
        self.assertEqual(own["args"]["line"], "engine.c:7 log")
        names = {(e["pid"], e["args"]["name"]) for e in events if e["ph"] == "M"}
        self.assertLessEqual({(2707, "engine[2707]"), (2210, "run.py[2210]"), (9, "less[9]"),
                              (2210, "deadlock"), (9, "reader_away")}, names)

    def test_rounded_times_do_not_overlap(self):
        engine = Process(5, "engine")
        engine.call(1.0, 500.4)
        engine.call(1.5, 300)
        self.check_rules(self.json_report("perfetto", write_log(self.path("log"), engine)))

    def test_the_same_pid_twice_is_two_tracks(self):
        one, two = Process(1, "node", host="alpha"), Process(1, "node", host="beta")
        one.start(0)
        two.start(0.1)
        one.call(1, 500)
        two.call(1.1, 500)
        _, slices, _ = self.check_rules(self.json_report("perfetto", write_log(self.path("log"), one, two)))
        self.assertEqual(len({event["pid"] for event in slices}), 2)

    def test_empty(self):
        self.check_rules(self.json_report("perfetto", self.write("log", b"")))


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update", "--disable-sync",
                    "--virtual-time-budget=4000"]


# What is seen of a colour by those who lack a kind of cone (Machado, Oliveira and Fernandes, 2009).
VISIONS = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "no red": ((.152286, 1.052583, -.204868), (.114503, .786281, .099216), (-.003882, -.048116, 1.051998)),
    "no green": ((.367322, .860646, -.227968), (.280085, .672501, .047413), (-.01182, .04294, .968881)),
    "no blue": ((1.255528, -.076749, -.178779), (-.078411, .930809, .147602), (.004733, .691367, .3039)),
}


def linear(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    return [p / 12.92 if p <= .04045 else ((p + .055) / 1.055) ** 2.4 for p in parts]


def lab(colour, vision):
    """CIELAB, in which 1 is what can just be told apart."""
    red, green, blue = [min(1, max(0, sum(a * b for a, b in zip(row, linear(colour))))) for row in vision]
    x, y, z = [p ** (1 / 3) if p > .008856 else 7.787 * p + 16 / 116 for p in (
        (.4124 * red + .3576 * green + .1805 * blue) / .95047, .2126 * red + .7152 * green + .0722 * blue,
        (.0193 * red + .1192 * green + .9505 * blue) / 1.08883)]
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


# A page in a frame as wide as a phone (a browser's own window may not be as narrow), and by how much it is wider.
PHONE = """<!doctype html><title>none</title><iframe width=390 height=844></iframe><script>
const frame = document.querySelector("iframe");
frame.onload = () => {
  const page = frame.contentDocument.documentElement;
  const texts = [...page.querySelectorAll("h1, h2, p, td, li, .deadlock, .deadlock *")];
  const ends = texts.map(text => text.getBoundingClientRect().right);
  document.title = `wide ${Math.ceil(Math.max(page.scrollWidth, ...ends)) - page.clientWidth}`;
};
frame.srcdoc = %s;
</script>"""


class Html(ReportTest):
    def test_colours_remain_apart_for_the_colour_blind(self):
        classes = re.findall(r'(\w+): "(#[0-9a-f]{6})"',
                             re.search(r"const COLOURS = \{(.*?)\}", self.make_page()[1], re.S)[1])
        self.assertEqual(len(classes), 14)
        for name, vision in VISIONS.items():
            places = [(class_, lab(colour, vision)) for class_, colour in classes]
            for i, (one, place) in enumerate(places):
                for other, there in places[:i]:
                    self.assertGreater(math.dist(place, there), 13, (name, one, other))

    def test_fits_a_phone(self):
        """390 px: nothing is cut off or has to be scrolled sideways, whatever the names."""
        if not CHROMIUM:
            self.skipTest("no chromium is installed: the page was not looked at")
        engine, python = engine_and_reader()
        long = "a_function_of_a_name_without_any_place_to_break_it" * 4
        engine.call(20, 700, stack=[frame(long)], fd=2, object="pipe:[1]", advice="x" * 300,
                    pipe=pipe(peers=[{"pid": 9, "comm": "y", "name": "z" * 63, "waits_in": "read fd 3"}]))
        chain = [{"pid": 2707, "comm": "engine", "waits_in": "write fd 2", "for_pid": 2210, "where": "/x" * 150},
                 {"pid": 2210, "comm": "python3", "waits_in": "read fd 3", "for_pid": 2707}]
        engine.event("deadlock", 30, id="0x1", words="w" * 300, chain=chain)
        html = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", self.make_page(engine, python)[1])
        for fitting, text in (True, html), (False, html.replace("</main>", '<hr style="width: 500px"></main>')):
            quoted = json.dumps(text).replace("</", "<\\/").replace("<!--", "<\\!--")
            phone = self.write("phone.html", (PHONE % quoted).encode())
            wider = re.search(r"<title>wide (-?\d+)", self.browse(phone, "--dump-dom").stdout.decode())
            self.assertTrue(wider)
            self.assertEqual(int(wider[1]) <= 0, fitting, wider[1])

    def make_page(self, *processes):
        page = self.path("page.html")
        self.run_tool("-f", "html", "-o", page, write_log(self.path("log"), *processes))
        with open(page, encoding="utf-8") as file:
            return page, file.read()

    def data_of(self, html):
        return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)[1])

    def test_holds_its_data_and_asks_for_nothing_else(self):
        _, html = self.make_page(*engine_and_reader())
        data = self.data_of(html)
        self.assertEqual((data["calls"], data["blocked"], len(data["slices"])), (5, 4_400_000, 5))
        self.assertNotIn("@DATA@", html)
        self.assertIn("default-src 'none'", html)
        page = html.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
        self.assertNotRegex(page, r"https?:|//[a-z]+\.|@import|<link|<img|<iframe|\bsrc=|url\(")

    def test_what_is_written_on_colours_can_be_read(self):
        """WCAG 2.1, 1.4.3: 4.5 to 1 at least, in both themes, and on each class's colour."""
        def luminance(colour):
            parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
            red, green, blue = [p / 12.92 if p <= .04045 else ((p + .055) / 1.055) ** 2.4 for p in parts]
            return .2126 * red + .7152 * green + .0722 * blue

        def contrast(one, other):
            darker, lighter = sorted((luminance(one), luminance(other)))
            return (lighter + .05) / (darker + .05)
        _, html = self.make_page(*engine_and_reader())
        classes = re.findall(r'(\w+): "(#[0-9a-f]{6})"', re.search(r"const COLOURS = \{(.*?)\}", html, re.S)[1])
        ink = re.search(r'g\.fillStyle = "(#[0-9a-f]{6})"; g\.fillText\(data\.sites', html)[1]
        self.assertEqual(len(classes), 14)
        self.assertEqual(len({colour for _, colour in classes}), 14)
        for name, colour in classes:
            self.assertGreaterEqual(contrast(ink, colour), 4.5, name)
        themes = [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", rules))
                  for rules in re.findall(r":root \{(.*?)\}", html, re.S)]
        self.assertEqual(len(themes), 2)
        for theme in themes:
            for text, under in [("ink", "back"), ("ink", "panel"), ("soft", "back"), ("soft", "panel"),
                                ("accent", "back"), ("accent", "panel"), ("ink", "bad-back"), ("soft", "bad-back")]:
                self.assertGreaterEqual(contrast(theme[text], theme[under]), 4.5, (text, under))

    def test_strings_of_the_log_never_become_markup(self):
        evil = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>&\u2028"
        process = Process(5, evil, host=evil)
        process.start(0)
        process.call(1, 300, call=evil, object=evil, stack=[frame(evil, module=evil)], thread=evil,
                     advice=evil, python=[{"file": evil, "line": 3, "function": evil}],
                     pipe=pipe(peers=[{"pid": 9, "comm": evil, "waits_in": evil}]))
        page, html = self.make_page(process)
        written = re.search(r'id="data">(.*?)</script>', html, re.S)[1]
        self.assertNotRegex(written, "[<>&]")
        self.assertEqual(html.count("</script>"), 2)
        self.assertEqual(evil, self.data_of(html)["processes"][0]["host"])
        if CHROMIUM:
            seen = self.browse(page, "--dump-dom").stdout.decode()
            self.assertIn('data-ready="1"', seen)
            self.assertRegex(seen, "<title>pipeshim report: [^<]*&lt;script&gt;|<title>pipeshim report: [^<]*</title>")
            self.assertNotIn("<title>owned", seen)
            self.assertNotIn("<img", seen.split("<script")[0])

    def browse(self, page, *more):
        return subprocess.run([CHROMIUM, *CHROMIUM_OPTIONS, f"--user-data-dir={self.path('profile')}", *more,
                               "file://" + page], capture_output=True, timeout=90, check=True)

    def requests_of(self, page):
        """What the page draws, and the addresses that it (not the browser itself) asked for."""
        net_log = self.path("net.json")
        seen = self.browse(page, "--dump-dom", f"--log-net-log={net_log}").stdout.decode()
        with open(net_log, encoding="utf-8") as file:
            events = json.load(file)["events"]
        jobs = [event["params"] for event in events if "initiator" in event.get("params", {})]
        return seen, [job["url"] for job in jobs if job["initiator"] != "not an origin" and
                      not job["url"].startswith("file:")]

    def test_draws_in_a_browser_without_network(self):
        if not CHROMIUM:
            self.skipTest("no chromium is installed: the page was not looked at")
        engine, python = engine_and_reader()
        lag = python.event("lag", 5.1, lag_ms=100, cause="cpu",
                           python=[{"file": "/app/crunch.py", "line": 7, "function": "crunch"}])
        python.event("lag_end", 5.5, ref=lag["seq"], lag_ms=500, cause={"cpu": 500})
        page, _ = self.make_page(engine, python)
        seen, asked = self.requests_of(page)
        self.assertIn('data-ready="1"', seen)  # set by the last line of the script
        self.assertEqual(seen.count('class="site"'), 4)
        self.assertTrue('<div id="away">' in seen and
                        "/app/crunch.py:7" in seen.split('id="away"')[1].replace("<wbr>", ""))
        self.assertIn("<title>pipeshim report: engine, python3</title>", seen)
        self.assertFalse('<div id="pictures" hidden="">' in seen)
        self.assertIn("log_line", re.search(r"<svg.*?</svg>", seen, re.S)[0])
        self.assertIn("4.40 s", seen)
        self.assertEqual(asked, [])
        # A link carries what is filtered, and opens the site that it names.
        def sites(link):
            found = self.browse(page + "#" + link, "--dump-dom").stdout.decode().split('id="away"')[0]
            return re.findall(r'<tr class="(site[ a-z]*)"[^>]*data-site="([^"]*)"', found)
        every = sites("")
        self.assertEqual([shown for shown, _ in every], ["site"] * 3)
        writes = sites("class=pipe_write&process=engine")
        self.assertTrue(0 < len(writes) < 3, writes)
        self.assertTrue(all(key.startswith("engine write") for _, key in writes), writes)
        self.assertEqual(sites("process=nobody"), [])
        name = every[-1][1]
        opened = sites("site=" + urllib.parse.quote(name))
        self.assertEqual([key for shown, key in opened if "open" in shown], [name])
        # So does the box of a deadlock, by its members.
        chain = [{"pid": 2707, "comm": "engine", "waits_in": "write fd 2", "for_pid": 2210},
                 {"pid": 2210, "comm": "python3", "waits_in": "read fd 3", "for_pid": 2707}]
        engine.event("deadlock", 8, id="0x1", words="w", chain=chain)
        page, _ = self.make_page(engine, python)
        for link, wanted in ("", 'class="deadlock"'), ("process=engine", 'class="deadlock"'), \
                ("process=nobody", 'class="deadlock" hidden=""'):
            seen = self.browse(page + "#" + link, "--dump-dom").stdout.decode()
            self.assertIn(f"<div {wanted}>", seen, link)
        page, _ = self.make_page(Process(5, "idle"))  # nothing was blocked: no empty pictures
        seen, _ = self.requests_of(page)
        self.assertTrue('<div id="pictures" hidden="">' in seen)
        # The same look at a page that does ask, to know that it would be seen.
        _, asked = self.requests_of(self.write("asks.html", b'<img src="http://127.0.0.1:1/x">'))
        self.assertEqual(asked, ["http://127.0.0.1:1/x"])


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    unittest.main(verbosity=2)
