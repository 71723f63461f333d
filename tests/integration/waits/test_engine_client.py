#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An engine that answers over TCP is stuck on a stderr that its client, who has started it, does not
read while it waits for the answer: what the client waits in is named by descriptor, address and
process, and the mend is one for a client."""
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import PIPESHIM  # noqa: E402
from waits_case import SIDES, WaitsCase  # noqa: E402

# Says more to stderr with each request.
CLIENT = """
import socket, threading
ENGINE = '''
import os, socket, sys
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
client, _ = server.accept()
while client.recv(2):
    os.write(2, bytes(3000))
    client.sendall(b"ok")
'''
path = os.path.join(os.path.dirname(sys.argv[0]), "engine.py")
with open(path, "w") as file:
    file.write(ENGINE)
engine = subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment())
client = socket.create_connection(("127.0.0.1", int(engine.stdout.readline())), timeout=%s)
"""
ASKS = """
while True:
    client.sendall(b"go")
    client.recv(2)
"""
# The same, read slowly: the last answers take their time.
READS = """
import time
def read():
    while engine.stderr.read(3000):
        %s
threading.Thread(target=read).start()
for _ in range(30):
    client.sendall(b"go")
    client.recv(2)
client.close()
"""
WAITS = {"recvfrom": "None", "poll": "600"}  # with a timeout Python polls first


class EngineClient(WaitsCase):
    def assert_words(self, call, event, run):
        engine, client = event["chain"]
        self.assertEqual((engine["name"], client["name"]), ("engine.py", "parent.py"))
        self.assertEqual(client["pid"], run.process.pid)
        self.assertRegex(client["waits_in"], r"^%s fd \d+$" % call)
        self.assertRegex(event["words"], r"which waits in %s for engine\.py's fd \d+ "
                         r"\(127\.0\.0\.1:\d+ to 127\.0\.0\.1:\d+\)" % call)
        self.assertRegex(event["advice"], r"^drain engine\.py's stderr in parallel: let parent\.py "
                         r"\(%d\) read fd \d+ in a thread while it waits for that answer, or start "
                         % run.process.pid)

    def test_from_either_side(self):
        for call, timeout in WAITS.items():
            for side in SIDES:
                with self.subTest(call=call, side=side):
                    run = self.begin(side, CLIENT % timeout + ASKS)
                    self.assert_words(call, self.assert_told_by_each(run, side), run)

    def test_in_diagnose(self):
        """Its line of the thread names the other end by descriptor, address and process as well."""
        for call, timeout in WAITS.items():
            with self.subTest(call=call):
                run = self.begin("child", CLIENT % timeout + ASKS)
                engine = run.wait_for("deadlock")[0]["chain"][0]["pid"]
                out = subprocess.run([PIPESHIM, "diagnose", str(run.process.pid)], text=True,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     timeout=60, check=False).stdout
                line = re.search(r"^    tid %d \S+: (.*)$" % run.process.pid, out, re.M)
                self.assertRegex(line.group(1) if line else out,
                                 r"^%s fd \d+ socket:\[\d+\] 127\.0\.0\.1:\d+ to 127\.0\.0\.1:\d+, "
                                 r"which is engine\.py\[%d\]$" % (call, engine))

    def test_one_that_reads(self):
        """Its first thread waits for the answer meanwhile."""
        works = "end = time.thread_time() + 0.2\n        while time.thread_time() < end: pass"
        runs = [self.begin("both", CLIENT % timeout + READS % slow)
                for timeout in WAITS.values() for slow in ("time.sleep(0.4)", works)]
        for run in runs:
            self.assertEqual(run.drain()[2], 0)
            self.assertEqual(run.events("deadlock") + run.events("finding"), [])


if __name__ == "__main__":
    sys.exit(unittest.main())
