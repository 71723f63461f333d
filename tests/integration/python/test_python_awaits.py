#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The line of an asyncio program that waits: the `await` of its main task, read from outside, with
every Python of this machine; and no await where something else runs, or cannot be told."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import PIPESHIM  # noqa: E402
from pipeshim_case import wait_until  # noqa: E402
from pythons import find_pythons  # noqa: E402
from waits_case import WaitsCase  # noqa: E402

PYTHONS = [(path, version) for path, version in find_pythons()
           if tuple(map(int, version.split(".")[:2])) >= (3, 10)]
FUNCTIONS = """
import asyncio, time
async def deep():
    await asyncio.sleep(1000)  # the line
async def numbers():
    await deep()
    yield 1
async def uses_generator():
    async for _ in numbers():
        pass
async def main():
    print(flush=True)
    await asyncio.create_task(uses_generator())
async def sleeps():
    print(flush=True)
    time.sleep(1000)  # no await
async def gathers():
    print(flush=True)
    await asyncio.gather(deep(), deep())  # gathers
class Awaitable:
    def __await__(self):
        return deep().__await__()
async def by_object():
    print(flush=True)
    await Awaitable()
async def left_behind():
    background = asyncio.ensure_future(deep())
    await asyncio.sleep(0)
"""
LINES = FUNCTIONS.splitlines()
CHAIN = ["sleep", "deep", "numbers", "uses_generator", "main"]
# What is run, the marked line, and the functions that are awaited.
PROGRAMS = {
    "run": ("asyncio.run(main())", "the line", CHAIN),
    "run_until_complete": ("asyncio.new_event_loop().run_until_complete(main())", "the line", CHAIN),
    "a deep stack": ("def again(n): again(n - 1) if n else asyncio.run(main())\nagain(60)",
                     "the line", CHAIN),
    "an awaitable object": ("asyncio.run(by_object())", "the line", ["sleep", "deep", "by_object"]),
    "gather": ("asyncio.run(gathers())", "gathers", ["gathers"]),
    "a callback that blocks": ("asyncio.run(sleeps())", "no await", []),
}
# The loop of the main task is not the one that sleeps.
FOREVER = """
loop = asyncio.new_event_loop()
loop.run_until_complete(left_behind())
print(flush=True)
loop.run_forever()
"""
WAITS_FOR_CHILD = """
import asyncio
async def finish(child):
    await child.wait()
async def main():
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", '''
import os
while True: os.write(1, bytes(65536))
''', stdout=asyncio.subprocess.PIPE, env=environment())
    await finish(child)
asyncio.run(main())
"""


def line_of(mark):
    return next(i for i, line in enumerate(LINES, 1) if line.endswith("# " + mark))


class PythonAwaits(WaitsCase):
    def thread(self, python, code):
        """What diagnose says of the main thread, once that sleeps."""
        path = os.path.join(self.temporary_folder(), "program.py")
        with open(path, "w") as file:
            file.write(FUNCTIONS + code + "\n")
        program = subprocess.Popen([python, path], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)

        def end():
            program.kill()
            program.wait()
            program.stdout.close()
        self.addCleanup(end)
        self.assertEqual(program.stdout.readline(), b"\n")

        def asleep():
            done = subprocess.run([PIPESHIM, "diagnose", "--json", "--stacks", str(program.pid)],
                                  capture_output=True, text=True, timeout=60)
            processes = json.loads(done.stdout)["processes"]
            thread = next(p for p in processes if p["pid"] == program.pid)["threads"][0]
            return thread.get("python") and thread["state"] == "S" and thread
        return wait_until(asleep, "the program sleeps")

    def test_the_line_of_the_main_task(self):
        for python, version in PYTHONS:
            for name, (code, mark, chain) in PROGRAMS.items():
                with self.subTest(python=version, program=name):
                    thread = self.thread(python, code)
                    awaits = [f for f in thread["python"] if f.get("awaits")]
                    names = [f["function"].split(".")[-1] for f in awaits]
                    self.assertEqual([n for n in names if n != "__await__"], chain)
                    self.assertRegex(thread["where"], r"/program\.py:%d " % line_of(mark))
                    # innermost first, and the thread's own stack behind them
                    self.assertEqual(thread["python"][:len(awaits)], awaits)
                    if name != "a callback that blocks":
                        stack = [f["function"] for f in thread["python"][len(awaits):]]
                        self.assertTrue(stack[0].endswith("select"), stack)

    def test_a_loop_without_a_main_task(self):
        for python, version in PYTHONS:
            with self.subTest(python=version):
                thread = self.thread(python, FOREVER)
                self.assertEqual([f for f in thread["python"] if f.get("awaits")], [])

    def test_in_the_report_of_a_deadlock(self):
        """From either side."""
        for side in ("parent", "child"):
            with self.subTest(side=side):
                run = self.begin(side, WAITS_FOR_CHILD)
                event = self.assert_told_by_each(run, side)
                parent = next(l for l in event["chain"] if l["pid"] == run.process.pid)
                self.assertRegex(parent["where"], r"/parent\.py:\d+ finish$")
                self.assertEqual(parent["source"], "await child.wait()")


if __name__ == "__main__":
    sys.exit(unittest.main())
