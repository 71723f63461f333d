#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An event loop that stands still in a call that blocks: nobody is stuck for the other one's sake."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import CLEAR, STUCK, DiagnoseTest, main

# A coroutine that runs sys.argv[1] on the loop, and says where when it gets there.
ON_THE_LOOP = """
import asyncio, os, queue, socket, subprocess, sys, threading, time
async def endpoint():
    os.write(1, b'.')
    {0}
async def serve():
    await asyncio.sleep(0.01)
    {1}
{2}
"""
RUN = "asyncio.run(serve())"


class BlockedLoop(DiagnoseTest):
    def loop(self, call, serve="await endpoint()", run=RUN):
        """Of a program in a file of its own, so that its lines have a name; once it is there."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        script = os.path.join(folder.name, "gateway.py")
        with open(script, "w") as file:
            file.write(ON_THE_LOOP.format(call, serve, run))
        reads, writes = os.pipe()
        self.addCleanup(os.close, reads)
        victim = self.spawn([sys.executable, script], stdout=writes)
        os.close(writes)
        self.assertEqual(os.read(reads, 1), b".")
        return victim.pid

    def blocked(self, call, wchan):
        pid = self.loop(call)
        self.until(lambda: re.search(wchan, self.wchan(pid)), "its wait")
        finding = self.the_finding(self.until_status(STUCK, pid), "blocked")
        link = finding["chain"][0]
        self.assertEqual((link["pid"], link["tid"], finding["certainty"]), (pid, pid, "proven"))
        self.assertRegex(link["where"], r"/gateway\.py:5 endpoint")
        self.assertGreaterEqual(finding["blocked_ms"], 600)
        self.assertRegex(finding["words"], r"^gateway\.py \(%d\) is away from its event loop: it "
                                           r"waits in .*; nothing else" % pid)
        self.assertIn("take this call off the event loop of gateway.py", finding["advice"])
        return pid, finding

    def quiet(self, pid):
        status, report = self.diagnose(pid)
        self.assertEqual((status, report["findings"]), (CLEAR, []))

    def test_a_child_is_waited_for(self):
        pid, finding = self.blocked("subprocess.run(['sleep', '1000'])", "wait")
        child = self.child_of(pid, "sleep")
        self.assertEqual(finding["chain"][1]["pid"], child)
        self.assertIn("waits in wait4 for sleep (%d) to exit" % child, finding["words"])
        status, text, _ = self.text(pid)
        self.assertEqual(status, STUCK)
        self.assertRegex(text, r"^pipeshim: STUCK blocked gateway\.py\[%d\] -> sleep\[%d\]  stuck "
                               r"for at least .*seen twice without progress\n" % (pid, child))
        self.assertRegex(text, r"\n  > .*/gateway\.py:5 endpoint    subprocess\.run")

    def test_the_output_of_a_child_is_collected(self):
        pid, finding = self.blocked("subprocess.run(['sleep', '1000'], capture_output=True)",
                                    "poll|select")
        self.assertEqual(finding["chain"][1]["pid"], self.child_of(pid, "sleep"))

    def test_a_sleep_a_lock_a_socket(self):
        finding = self.blocked("time.sleep(1000)", "nanosleep")[1]
        self.assertIn("await asyncio.sleep()", finding["advice"])
        self.blocked("threading.Thread(target=time.sleep, args=(1000,), daemon=True).start(); "
                     "queue.Queue().get()", "futex")
        finding = self.blocked("s = socket.create_server(('127.0.0.1', 0)); "
                               "socket.create_connection(s.getsockname()).recv(1)",
                               "sk_wait_data|wait")[1]
        self.assertRegex(finding["words"], r"\(127\.0\.0\.1:\d+ to 127\.0\.0\.1:\d+\)")

    def test_a_frame_deep_below_middleware(self):
        self.blocked("(lambda f: f(f, 100))("
                     "lambda f, n: f(f, n - 1) if n else time.sleep(1000))".replace("\n", ""),
                     "nanosleep")

    # --- Healthy -------------------------------------------------------------------------------

    def test_a_loop_that_rests(self):
        pid = self.loop("await asyncio.Event().wait()")
        self.until(lambda: "poll" in self.wchan(pid), "its wait")
        self.quiet(pid)

    def test_a_worker_of_the_pool_is_blocked(self):
        pid = self.loop("await asyncio.to_thread(subprocess.run, ['sleep', '1000'])")
        self.child_of(pid, "sleep")
        self.until(lambda: "poll" in self.wchan(pid), "its wait")
        self.quiet(pid)

    def test_the_loop_is_another_threads(self):
        pid = self.loop("await asyncio.Event().wait()",
                        run="threading.Thread(target=lambda: asyncio.run(serve())).start()\n"
                            "subprocess.run(['sleep', '1000'])")
        self.child_of(pid, "sleep")
        self.until(lambda: "wait" in self.wchan(pid), "its wait")
        self.quiet(pid)

    def test_what_blocks_before_the_loop_and_after_it(self):
        self.quiet(self.loop("pass", run="loop = asyncio.new_event_loop()\n"
                             "loop.run_until_complete(serve())\nsubprocess.run(['sleep', '1000'])"))

    def test_calls_that_end(self):
        """Each request blocks the loop for a while, but not for long."""
        pid = self.loop("\n    ".join(["while True:", "    time.sleep(0.05)",
                                       "    await asyncio.sleep(0)"]))
        for _ in range(4):
            self.quiet(pid)


if __name__ == "__main__":
    main()
