#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What an SDK's close() does with its engine: end of file on stdin, 5 s, SIGTERM, 5 s, SIGKILL,
while it holds the reading ends of a stdout and a stderr of which it reads nothing any more."""
import os
import shutil
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import wait_until  # noqa: E402
from waits_case import PYTHON, SIDES, WaitsCase  # noqa: E402

# Says the rest when its stdin has ended; of SIGTERM it takes no notice: the write begins anew.
ENGINE = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: None)
while os.read(0, 65536):
    pass
data = bytes(1000000)
while data:
    data = data[os.write(int(sys.argv[1]), data):]
"""
# The same in Node, whose stdout is a socketpair or a pipe that does not block: no write is stuck.
NODE_ENGINE = """
process.on('SIGTERM', () => {})
process.stdin.resume()
process.stdin.on('end', () => process.stdout.write('x'.repeat(1000000), () => process.exit(0)))
"""
# The timeouts are short next to a machine that does not run us: one session after the other.
ASYNCIO_CLOSE = """
import asyncio
async def close(child):
    child.stdin.close()
    for step in (None, child.terminate, child.kill):
        if step:
            step()
        try:
            await asyncio.wait_for(child.wait(), 5)
            return
        except asyncio.TimeoutError:
            pass
"""
ASYNCIO = ASYNCIO_CLOSE + """
async def main():
    while True:
        pipe = asyncio.subprocess.PIPE
        await close(await asyncio.create_subprocess_exec(*sys.argv[1:], stdin=pipe, stdout=pipe,
                                                         stderr=pipe, env=environment()))
asyncio.run(main())
"""
POPEN = """
def close(child):
    child.stdin.close()
    for step in (None, child.terminate, child.kill):
        if step:
            step()
        try:
            return child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            pass
while True:
    pipe = subprocess.PIPE
    close(subprocess.Popen(sys.argv[1:], stdin=pipe, stdout=pipe, stderr=pipe, env=environment()))
"""


# The same, with somebody who reads; the engine takes its time.
SLOW_ENGINE = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: None)
while os.read(0, 65536):
    pass
for _ in range(25):
    time.sleep(0.1)
    os.write(1, bytes(100000))
    os.write(2, bytes(100000))
"""
ASYNCIO_READS = ASYNCIO_CLOSE + """
async def main():
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*sys.argv[1:], stdin=pipe, stdout=pipe,
                                                 stderr=pipe, env=environment())
    readers = [asyncio.create_task(stream.read()) for stream in (child.stdout, child.stderr)]
    await close(child)
    await asyncio.gather(*readers)
asyncio.run(main())
"""
POPEN_READS = """
import threading
pipe = subprocess.PIPE
child = subprocess.Popen(sys.argv[1:], stdin=pipe, stdout=pipe, stderr=pipe, env=environment())
for stream in (child.stdout, child.stderr):
    threading.Thread(target=stream.read).start()
child.stdin.close()
for step in (None, child.terminate, child.kill):
    if step:
        step()
    try:
        child.wait(timeout=5)
        break
    except subprocess.TimeoutExpired:
        pass
"""
NODE = shutil.which("node")


class Close(WaitsCase):
    def engine(self, text, *arguments):
        path = os.path.join(self.temporary_folder(), "engine.py")
        with open(path, "w") as file:
            file.write(text)
        return [PYTHON, path, *arguments]

    def engines(self):
        found = {"stdout": self.engine(ENGINE, "1"), "stderr": self.engine(ENGINE, "2")}
        return {**found, "node": [NODE, "-e", NODE_ENGINE]} if NODE else found

    def told(self, run, side):
        """The events of one session of which each that runs the library has told, once."""
        def complete():
            sessions = {}
            for event in run.events():
                if event["event"] in ("deadlock", "finding"):
                    sessions.setdefault(event["id"], []).append(event)
            for events in sessions.values():
                child = next(link["pid"] for link in events[0]["chain"]
                             if link["pid"] != run.process.pid)
                pids = sorted(event["pid"] for event in events)
                if pids == sorted(self.watched(run, side, child)):
                    return events
            return None
        return wait_until(complete, "session that is told from %s" % side)

    def each(self, script):
        """All at once: they do nothing but wait."""
        runs = [(name, side, self.begin(side, script, *engine))
                for name, engine in self.engines().items() for side in SIDES]
        for name, side, run in runs:
            with self.subTest(engine=name, side=side):
                for event in self.told(run, side):
                    self.assertRegex(event["words"], r"its %s\): full" % name.replace("node", "stdout"))
                    yield event, run
            self.end_group(run)

    def end_group(self, run):
        os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()

    def test_asyncio(self):
        """Its wait for the child ends by the timeout alone: a deadlock till then."""
        for event, run in self.each(ASYNCIO):
            self.assertEqual((event["event"], event["certainty"]), ("deadlock", "proven"))
            self.assertRegex(event["words"], r"nothing moves until a timeout of [2-5](\.\d+)? s ends")
            self.assert_closed(event)
            if event["pid"] == run.process.pid:
                self.assertRegex(event["where"], r"/parent\.py:\d+ close$")

    def test_popen(self):
        """Popen.wait(timeout) sleeps and asks: a reader that is away."""
        for event, run in self.each(POPEN):
            self.assertEqual((event["event"], event["kind"]), ("finding", "reader_away"))
            self.assertIn("close or drain the read end", event["advice"])
            self.assertEqual(event["chain"][0]["for_pid"], run.process.pid)

    def test_a_close_that_reads(self):
        runs = [self.begin("both", script, *self.engine(SLOW_ENGINE))
                for script in (ASYNCIO_READS, POPEN_READS)]
        for run in runs:
            self.assertEqual(run.drain()[2], 0)
            self.assertEqual(run.events("deadlock") + run.events("finding"), [])


if __name__ == "__main__":
    sys.exit(unittest.main())
