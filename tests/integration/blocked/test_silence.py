#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Programs that wait in peace, or work: nothing is said of them but start and summary."""
import os
import pty
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from loop_case import LoopCase  # noqa: E402

PYTHON = "/usr/bin/python3"
SERVER = """
import http.server, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.3)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 1000)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = "http://127.0.0.1:%d/" % server.server_port
"""
PROGRAMS = {
    "a sleep": ["/bin/sleep", "3"],
    "an idle pipeline": ["/bin/bash", "-c", "sleep 2 | cat | sort | wc -l"],
    "a shell's loop": ["/bin/sh", "-c", "for i in 1 2 3 4 5; do sleep 0.4; done"],
    "a thread pool": [PYTHON, "-c", "import concurrent.futures as c, time\n"
                      "with c.ThreadPoolExecutor(8) as pool: list(pool.map(time.sleep, [0.5] * 24))"],
    "a process pool": [PYTHON, "-c", "import multiprocessing as m, time\n"
                       "with m.Pool(3) as pool: pool.map(time.sleep, [0.4] * 9)"],
    "asyncio at rest": [PYTHON, "-c", "import asyncio\n"
                        "async def main():\n"
                        "    for _ in range(5): await asyncio.sleep(0.4)\n"
                        "asyncio.run(main())"],
    "a script after its loop": [PYTHON, "-c", "import asyncio, subprocess, time\n"
                                "async def main():\n"
                                "    for _ in range(20): await asyncio.sleep(0.01)\n"
                                "asyncio.run(main())\n"
                                "time.sleep(0.8); subprocess.run(['sleep', '0.8'])\n"
                                "asyncio.run(main()); time.sleep(0.5)"],
    "children's output": [PYTHON, "-c", "import subprocess, time\n"
                          "for _ in range(3):\n"
                          "    subprocess.run('for i in 1 2 3 4 5 6; do echo $i; echo $i >&2; sleep 0.05; done',\n"
                          "                   shell=True, capture_output=True)\n"
                          "    time.sleep(0.4)"],
    "synchronous urllib": [PYTHON, "-c", SERVER + "import urllib.request\n"
                           "for _ in range(5): urllib.request.urlopen(url, timeout=9).read(); time.sleep(0.3)"],
    "a batch program": [PYTHON, "-c", "sum(i * i for i in range(20000000))"],
    "sleep by select": ["/usr/bin/perl", "-e", "select(undef, undef, undef, 0.3) for 1..8"],
    "make": ["/usr/bin/make", "-s", "-j4", "-f", "MAKEFILE"],
}
NODE = {
    "node at rest": ["-e", "let n = 0; const t = setInterval(() => { if (++n > 8) clearInterval(t); }, 250)"],
    "node and a child": ["-e", "require('child_process').exec('sleep 1.5')"],
}
REQUESTS = [PYTHON, "-c", SERVER + "import requests\n"
            "for _ in range(5): requests.get(url, timeout=9); time.sleep(0.3)"]


class Silence(LoopCase):
    def programs(self):
        with tempfile.NamedTemporaryFile("w", suffix=".mk", delete=False) as file:
            file.write("all: a b c d e f g h\n%:; @sleep 0.4\n")
        self.addCleanup(os.unlink, file.name)
        found = {name: [file.name if word == "MAKEFILE" else word for word in command]
                 for name, command in PROGRAMS.items() if os.path.exists(command[0])}
        if shutil.which("node"):
            found.update({name: [shutil.which("node"), *rest] for name, rest in NODE.items()})
        if os.system(PYTHON + " -c 'import requests' 2>/dev/null") == 0:
            found["synchronous requests"] = REQUESTS
        return found

    def test_nothing_is_said(self):
        runs = {name: self.start(*command, settings={"PIPESHIM_THRESHOLD": "100ms"})
                for name, command in self.programs().items()}
        self.assertGreaterEqual(len(runs), 10)
        for name, run in runs.items():
            with self.subTest(name):
                status = run.drain()[2]
                events = run.events()
                starved = [(e["pid"], e["seq"]) for e in events if e.get("cause") == "starved"]
                rest = [(e["event"], e.get("class"), e["exe"]) for e in events
                        if e["event"] not in ("start", "summary") and
                        (e["pid"], e["seq"]) not in starved and
                        (e["pid"], e.get("ref")) not in starved]
                self.assertEqual((status, rest), (0, []))
                self.assertIn(run.process.pid, [e["pid"] for e in events if e["event"] == "start"])

    def test_a_shell_at_its_prompt(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        run = self.start("/bin/bash", "--norc", "-i", settings={"PIPESHIM_THRESHOLD": "100ms"},
                         preexec_fn=lambda: (os.setsid(), [os.dup2(theirs, fd) for fd in (0, 1, 2)]))
        os.close(theirs)
        said = b""
        for line in (b"true\n", b"true\n", b"true\n", b"true\n", b"sleep 0.7; echo do''ne\n"):
            os.write(ours, line)
        while b"done" not in said:
            said += os.read(ours, 4096)
        os.write(ours, b"exit\n")
        self.assertEqual(run.process.wait(20), 0)
        self.assertEqual([e["event"] for e in run.events() if e["event"] not in ("start", "summary")],
                         [])
        run.process.stdin.close()


if __name__ == "__main__":
    sys.exit(unittest.main())
