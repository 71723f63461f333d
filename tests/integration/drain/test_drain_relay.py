# SPDX-License-Identifier: MIT
"""`pipeshim run --drain` for a command that cannot load the library: a relay stands between."""
import glob
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import (BUILD, DEADLINE_S, PipeshimCase, read_text, victim,  # noqa: E402
                           wait_until)

PIPESHIM = os.path.join(BUILD, "pipeshim")
WRITER = victim("static_writer")
LINES = 4000


def lines(count):
    return b"".join(b"%063d\n" % i for i in range(count))


def relays():
    return [int(path.split("/")[2]) for path in glob.glob("/proc/[0-9]*/comm")
            if read_text(path) == "pipeshim-relay\n"]


class Relay(PipeshimCase):
    def run_it(self, *command, drain="stderr", options=(), **streams):
        """`pipeshim run` whose stdout and stderr are pipes; nothing is read until it is asked for."""
        folder = self.temporary_folder()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        before = set(relays())
        process = subprocess.Popen(
            [PIPESHIM, "run", "--drain", drain, "--json", "--log", folder + "/log.%p", *options,
             "--", *command], stdin=subprocess.PIPE,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}, env=environment)
        self.addCleanup(self.end, process, before)
        process.folder = folder
        return process

    @staticmethod
    def end(process, before):
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
        wait_until(lambda: not set(relays()) - before, "end of the relay")

    @staticmethod
    def events(process, kind):
        text = "".join(read_text(path) for path in glob.glob(process.folder + "/log.*"))
        return [event for event in map(json.loads, text.splitlines()) if event["event"] == kind]

    def test_it_goes_on_and_every_byte_arrives(self):
        process = self.run_it(WRITER, "1", str(LINES), "7", drain="stdout")
        start = wait_until(lambda: self.events(process, "drain_start"), "drain_start")[0]
        self.assertEqual(start["fd"], 1)
        self.assertEqual(start["exe"], os.path.realpath(WRITER))
        self.assertEqual(process.stdout.read(), lines(LINES))
        said = process.stderr.read().splitlines()
        self.assertEqual(process.wait(DEADLINE_S), 7)
        self.assertRegex(said[0], rb"^pipeshim run: \S+static_writer is statically linked, and "
                         rb"cannot load the library: a relay queues what is not read of stdout$")
        self.assertIn(b"done", said)
        self.assertEqual(self.events(process, "drain_end")[0]["ref"], start["seq"])
        drain = self.events(process, "summary")[0]["drain"]
        self.assertEqual((drain["queued_bytes"], drain["lost_bytes"]), (64 * LINES, 0))

    def test_without_a_relay_it_hangs(self):
        """The twin: what makes the others worth something."""
        process = self.run_it(WRITER, "2", str(LINES), "0", drain="off")
        self.assertFalse(select.select([process.stdout], [], [], 1)[0])

    def test_the_program_does_not_wait_for_the_reader(self):
        process = self.run_it(WRITER, "2", str(LINES), "0")
        self.assertTrue(select.select([process.stdout], [], [], DEADLINE_S)[0])
        self.assertEqual(os.read(process.stdout.fileno(), 100), b"done\n")
        said = process.stderr.read()
        self.assertEqual(said[said.index(b"\n") + 1:][:64 * LINES], lines(LINES))

    def test_it_hands_over_and_goes_on(self):
        process = self.run_it(WRITER, "2", str(LINES), "3", options=["--drain-exit", "0"])
        self.assertEqual(process.wait(DEADLINE_S), 3)
        handed_over, = self.events(process, "drain_handoff")
        said = process.stderr.read()
        text = said[said.index(b"\n") + 1:]
        self.assertEqual(b"".join(line + b"\n" for line in text.splitlines()
                                  if not line.startswith(b"pipeshim")), lines(LINES))
        self.assertGreater(handed_over["bytes"], 0)

    def test_kill_9_of_run_loses_nothing(self):
        process = self.run_it(WRITER, "2", str(LINES), "0", options=["--drain-exit", "wait"])
        self.assertEqual(os.read(process.stdout.fileno(), 100), b"done\n")
        process.kill()
        process.wait()
        said = process.stderr.read()
        self.assertEqual(said[said.index(b"\n") + 1:][:64 * LINES], lines(LINES))

    def test_signals_and_their_status(self):
        process = self.run_it("/bin/sh", "-c", "exec %s 1 1 0" % WRITER, drain="stdout")
        self.assertEqual(process.wait(DEADLINE_S), 0)
        process = self.run_it(WRITER, "1", "1000000", "0", drain="stdout",
                              options=["--drain-max", "64K"])
        wait_until(lambda: self.events(process, "drain_start"), "a full queue")
        process.terminate()
        text = process.stdout.read()
        self.assertEqual(process.wait(DEADLINE_S), -signal.SIGTERM)
        self.assertTrue(text == lines(1000000)[:len(text)])

    def test_a_reader_that_goes_away_is_heard_of(self):
        process = self.run_it(WRITER, "1", "1000000", "0", drain="stdout")
        os.read(process.stdout.fileno(), 100)
        process.stdout.close()
        self.assertEqual(process.wait(DEADLINE_S), -signal.SIGPIPE)
        process.stdout = None

    def test_two_descriptors_of_one_pipe_keep_their_order(self):
        process = self.run_it(WRITER, "1", str(LINES), "0", drain="stdio",
                              stderr=subprocess.STDOUT)
        text = process.stdout.read()
        text = text[text.index(b"\n") + 1:]
        self.assertEqual(text[:64 * LINES + 5], lines(LINES) + b"done\n")

    def test_drops_are_whole_lines(self):
        for policy in ("drop-new", "drop-old"):
            process = self.run_it(WRITER, "2", str(LINES), "0", options=[
                "--drain-max", "64K", "--drain-overflow", policy])
            self.assertEqual(os.read(process.stdout.fileno(), 100), b"done\n")
            text = process.stderr.read()
            got = [line for line in text.splitlines() if not line.startswith(b"pipeshim")]
            numbers = [int(line) for line in got]
            self.assertEqual({len(line) for line in got}, {63})
            self.assertEqual(numbers, sorted(set(numbers)))
            self.assertEqual(numbers[-1] == LINES - 1, policy == "drop-old")
            dropped = sum(event["bytes"] for event in self.events(process, "drain_drop"))
            self.assertEqual(dropped, 64 * (LINES - len(numbers)))
            self.assertGreater(dropped, 0)

    def test_a_terminal_stays_one(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        process = self.run_it(WRITER, "1", "1", "0", drain="stdio", stdout=theirs)
        os.close(theirs)
        said = process.stderr.read()
        self.assertIn(b"stdout is a terminal and stays one", said)

    def test_socketpair_and_fifo(self):
        mine, theirs = socket.socketpair()
        process = self.run_it(WRITER, "1", str(LINES), "0", drain="stdout", stdout=theirs)
        theirs.close()
        said = b""
        while b"done" not in said:
            said += os.read(process.stderr.fileno(), 1000)
        got = b""
        while part := mine.recv(65536):
            got += part
        mine.close()
        self.assertEqual(got, lines(LINES))
        path = os.path.join(self.temporary_folder(), "fifo")
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(reader, True)
        with open(path, "wb", 0) as writer, open(reader, "rb") as file:
            process = self.run_it(WRITER, "1", str(LINES), "0", drain="stdout", stdout=writer)
            writer.close()
            self.assertEqual(file.read(), lines(LINES))

    def test_who_can_load_it_gets_no_relay(self):
        before = set(relays())
        process = self.run_it("/bin/cat", drain="stdout")
        process.stdin.write(b"hello")
        process.stdin.flush()
        self.assertEqual(os.read(process.stdout.fileno(), 5), b"hello")
        self.assertEqual(set(relays()) - before, set())
        process.stdin.close()
        self.assertEqual(process.stderr.read().count(b"relay"), 0)


if __name__ == "__main__":
    unittest.main()
