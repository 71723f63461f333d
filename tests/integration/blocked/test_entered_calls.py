#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Calls of which only the entry is recorded: whether a thread is still inside is the kernel's word."""
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import LIBRARY, read_text, victim, wait_until

CALL, ENDS_UNMARKED, READS_PASS, CALLS_PASS = 8, 0x10000, 2, 3  # shim/slots/slot.h


class Victim:
    def __init__(self, folder, how, **settings):
        self.log = os.path.join(folder, "log." + how)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_FORMAT="json", PIPESHIM_LOG=self.log,
                           PIPESHIM_THRESHOLD="50ms", PIPESHIM_REPEAT="0", PIPESHIM_RATE="1000/s", **settings)
        self.process = subprocess.Popen([victim("entered"), how], stdin=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=environment, text=True)

    def events(self, kind):
        found = [json.loads(line) for line in read_text(self.log).splitlines(True)
                 if line.endswith("\n")]
        return [event for event in found if event["event"] == kind]

    def wait_for(self, kind):
        return wait_until(lambda: self.events(kind), kind)

    def go_on(self):
        self.process.stdin.write("x")
        self.process.stdin.flush()

    def said(self):
        return self.process.stderr.readline().strip()

    def status(self):
        self.process.stdin.close()
        return self.process.wait(60)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stderr.close()


class EnteredCalls(unittest.TestCase):
    def start(self, how, **settings):
        folder = tempfile.mkdtemp()
        self.addCleanup(subprocess.run, ["rm", "-rf", folder], check=True)
        run = Victim(folder, how, **settings)
        self.addCleanup(run.close)
        return run

    def check_reported(self, run, call, names):
        blocked = run.wait_for("blocked")
        self.assertEqual(len(blocked), 1)
        event = blocked[0]
        self.assertEqual((event["call"], event["class"]), (call, "pipe_write"))
        self.assertGreater(event["fd"], 2)
        self.assertEqual([frame.get("symbol") for frame in event["stack"]][:len(names)], names)
        return event

    def test_each_is_reported_and_its_end(self):
        for call in ("write", "writev", "send", "sendto", "sendmsg"):
            with self.subTest(call):
                run = self.start(call)
                event = self.check_reported(run, call, ["make_call", "fill", "stuck_thread"])
                self.assertEqual(event.get("bytes"),
                                 4096 if call in ("write", "send", "sendto") else None)
                run.go_on()
                self.assertEqual(run.said(), "done %d" % event["fd"])
                ends = run.wait_for("unblocked")
                self.assertEqual(ends[0]["ref"], event["seq"])
                self.assertEqual(run.status(), 7)

    def test_on_a_stack_of_its_own(self):
        run = self.start("coroutine")
        event = self.check_reported(run, "write", ["make_call", "fill", "fill_and_switch_back"])
        run.go_on()
        run.said()
        self.assertEqual(run.wait_for("unblocked")[0]["ref"], event["seq"])

    def test_left_by_a_jump_and_by_cancellation(self):
        for how in ("jump", "cancel"):
            with self.subTest(how):
                run = self.start(how)
                event = self.check_reported(run, "write", ["make_call", "fill", "jumping_thread"])
                run.go_on()
                self.assertEqual(run.said(), "left")
                self.assertEqual(run.wait_for("unblocked")[0]["ref"], event["seq"])
                self.assertEqual(run.status(), 7)
                self.assertEqual(len(run.events("blocked")), 1)

    def test_what_comes_after_the_call_is_not_taken_for_it(self):
        """The first thread's call is as old as the second's: it would have been told before."""
        for how in ("futex", "spin"):
            with self.subTest(how):
                run = self.start(how)
                self.check_reported(run, "write", ["make_call", "fill", "stuck_thread"])
                self.assertEqual(run.status(), 7)

    def test_a_raw_call_is_told_as_what_it_is(self):
        for how in ("raw", "other"):
            with self.subTest(how):
                run = self.start(how)
                self.check_reported(run, "syscall", ["syscall", "write_by_syscall"])

    def test_reads_of_a_thread_that_is_no_loop_pass(self):
        """After a thousand writes and reads in turn, its slot knows of the writes only."""
        run = self.start("reads")
        self.assertEqual(run.said(), "ready")
        sequence, _, call, reads = self.first_slot(run.process.pid)
        self.assertEqual(reads, READS_PASS)
        self.assertTrue(call & ENDS_UNMARKED)
        self.assertGreater(sequence, 2 * 500)  # the watchdog came after 200 calls
        self.assertLess(sequence, 2 * 1000 + 10)
        self.assertEqual(run.status(), 7)

    def test_all_calls_pass_where_it_never_begins(self):
        for settings in ({"PIPESHIM": "off"}, {"PIPESHIM_ONLY": "another"}):
            run = self.start("reads", **settings)
            self.assertEqual(run.said(), "ready")
            self.assertEqual(self.words_of("no_slot", run.process.pid)[3], CALLS_PASS)
            self.assertEqual(run.status(), 7)
        run = self.start("reads")
        self.assertEqual(run.said(), "ready")
        self.assertNotEqual(self.words_of("no_slot", run.process.pid)[3], CALLS_PASS)
        self.assertEqual(run.status(), 7)

    def first_slot(self, pid):
        return self.words_of("static_slots", pid)

    def words_of(self, name, pid):
        """A slot's first four words, by the library's symbol table."""
        symbols = subprocess.run(["nm", LIBRARY], check=True, capture_output=True,
                                 text=True).stdout.split("\n")
        slots = [int(line.split()[0], 16) for line in symbols if line.endswith(" " + name)]
        self.assertEqual(len(slots), 1)
        with open("/proc/%d/maps" % pid, encoding="ascii") as maps:
            base = next(int(line.split("-")[0], 16) for line in maps if "libpipeshim" in line)
        with open("/proc/%d/mem" % pid, "rb", 0) as memory:
            memory.seek(base + slots[0])
            return struct.unpack("IIII", memory.read(16))


if __name__ == "__main__":
    sys.exit(unittest.main())
