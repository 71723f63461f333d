# SPDX-License-Identifier: MIT
"""`pipeshim run --drain` for a command that cannot load the library: a relay stands between."""
import glob
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import (BUILD, DEADLINE_S, PipeshimCase, read_text, victim,  # noqa: E402
                           wait_until)
from drain_case import memory_group  # noqa: E402

PIPESHIM = os.path.join(BUILD, "pipeshim")
WRITER = victim("static_writer")
LINES = 4000


def lines(count):
    return b"".join(b"%063d\n" % i for i in range(count))


def processes(name, program):
    """PIDs of that name that run this build's program: another build may be tested beside it."""
    found = []
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            if (read_text(folder + "/comm") == name + "\n" and
                    os.readlink(folder + "/exe") == os.path.realpath(program)):
                found.append(int(folder.split("/")[2]))
        except OSError:  # it has ended
            continue
    return found


def relays():
    return processes("pipeshim-relay", PIPESHIM)


def elf(machine, *segments):
    """A file with these program headers, (type, content), and nothing that could run."""
    header_size, each = 64, 56
    at = header_size + each * len(segments)
    headers, contents = b"", b""
    for kind, content in segments:
        headers += struct.pack("<IIQQQQQQ", kind, 4, at, at, at, len(content), len(content), 1)
        contents += content
        at += len(content)
    return (b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, header_size,
            0, 0, header_size, each, len(segments), 0, 0, 0) + headers + contents)


HERE = 62 if os.uname().machine == "x86_64" else 183
GLIBC = (3, b"/lib64/ld-linux-x86-64.so.2\0")
GO_NOTE = (4, struct.pack("<III", 4, 8, 4) + b"Go\0\0" + b"build-id")


class Relay(PipeshimCase):
    def run_it(self, *command, drain="stderr", options=(), before_it=(), **streams):
        """`pipeshim run` whose stdout and stderr are pipes; nothing is read until it is asked for."""
        folder = self.temporary_folder()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        before = set(relays())
        process = subprocess.Popen(
            [*before_it, os.path.abspath(PIPESHIM), "run", "--drain", drain, "--json", "--log", folder + "/log.%p",
             *options, "--", *command], stdin=subprocess.PIPE,
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

    def test_the_rest_goes_to_a_file(self):
        """Nobody reads: what the pipe did not take is in the file, which is named by host, program and
        process; and the summary says for how long the command would have hung."""
        pattern = os.path.join(self.temporary_folder(), "%h.%e.%p")
        process = self.run_it(WRITER, "2", str(LINES), "0",
                              options=("--drain-exit", "300ms", "--drain-spool", pattern))
        self.assertEqual(process.wait(DEADLINE_S), 0)
        spooled, = wait_until(lambda: self.events(process, "drain_spool"), "drain_spool")
        summary, = wait_until(lambda: self.events(process, "summary"), "summary")
        self.assertEqual(spooled["path"], pattern.replace("%h", os.uname().nodename)
                         .replace("%e", os.path.basename(WRITER)).replace("%p", str(spooled["pid"])))
        with open(spooled["path"], "rb") as file:
            rest = file.read()
        self.assertEqual(len(rest), spooled["bytes"])
        said = [line for line in (process.stderr.read() + rest).splitlines(True)
                if line[:1].isdigit() and len(line) == 64]
        self.assertEqual(b"".join(said), lines(LINES))
        rescued, = summary["drain"]["rescued"]
        self.assertEqual((rescued["fd"], rescued["to_the_end"]), (2, True))
        self.assertEqual(rescued["spooled_bytes"], spooled["bytes"])
        self.assertGreaterEqual(rescued["hung_ms"], 100)

    def test_a_file_that_cannot_be_had(self):
        process = self.run_it(WRITER, "2", str(LINES), "0", options=(
            "--drain-exit", "100ms", "--drain-spool", "/nowhere/%%/all"))
        self.assertEqual(process.wait(DEADLINE_S), 0)
        handed_over, = wait_until(lambda: self.events(process, "drain_handoff"), "drain_handoff")
        warning, = self.events(process, "warning")
        self.assertIn("/nowhere/%/all cannot be opened: No such file", warning["message"])
        self.assertGreater(handed_over["bytes"], 0)

    def test_what_is_read_was_not_rescued(self):
        """The twin."""
        process = self.run_it(WRITER, "1", "500", "0", drain="stdout")  # the pipe takes it all
        self.assertEqual(process.stdout.read(), lines(500))
        self.assertEqual(process.wait(DEADLINE_S), 0)
        summary = wait_until(lambda: self.events(process, "summary"), "summary")[-1]
        self.assertEqual(summary["drain"]["rescued"], [])

    def test_a_writer_that_pauses_was_not_rescued(self):
        """Nothing was queued in the pauses: no reader is to blame for them."""
        process = self.run_it(WRITER, "1", "4", "0", "300", drain="stdout")
        self.assertEqual(process.stdout.read(), lines(4))
        self.assertEqual(process.wait(DEADLINE_S), 0)
        summary = wait_until(lambda: self.events(process, "summary"), "summary")[-1]
        self.assertEqual(summary["drain"]["rescued"], [])
        self.assertEqual(self.events(process, "drain_start"), [])

    def said_of(self, content, mode=0o755, owner=None):
        """What the start says of such a program, which does not run: execvp() gives it to a shell, which
        finds a redirection in the header, in the folder where it is."""
        path = os.path.join(self.temporary_folder(), "program")
        with open(path, "wb") as file:
            file.write(content)
        if owner is not None:
            os.chown(path, owner, -1)
        os.chmod(path, mode)
        process = self.run_it(path, cwd=os.path.dirname(path))
        said = process.stderr.read().decode(errors="replace")
        process.wait(DEADLINE_S)
        return said

    def test_who_cannot_load_it(self):
        script = b"#!" + WRITER.encode() + b"\n"
        for content, why in ((elf(HERE), "is statically linked"),
                             (elf(HERE, (3, b"/lib/ld-musl-x86_64.so.1\0")), "runs on musl"),
                             (elf(HERE, GLIBC, GO_NOTE), "is a Go program"),
                             (elf(243, GLIBC), "is built for another kind of processor"),
                             (script, "is statically linked")):
            with self.subTest(why=why):
                self.assertIn(why, self.said_of(content))
        twin = self.said_of(elf(HERE, GLIBC, (4, GO_NOTE[1].replace(b"Go\0\0", b"GNU\0"))))
        self.assertNotIn("relay", twin)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to make a file of another user's")
    def test_who_changes_its_user(self):
        with open("/bin/true", "rb") as file:
            true = file.read()
        self.assertIn("changes its user", self.said_of(true, 0o4755, 65534))
        self.assertNotIn("relay", self.said_of(true, 0o4755, 0))  # no change

    def test_a_share_of_the_memory_group(self):
        """The bound is a quarter of its limit, if that is less than PIPESHIM_DRAIN_MAX."""
        folder = memory_group(self, 64 << 20)
        process = self.run_it(WRITER, "1", "400000", "0", drain="stdout", before_it=(
            "sh", "-c", "echo $$ >%s/cgroup.procs; exec \"$@\"" % folder, "sh"))
        program = wait_until(lambda: processes("static_writer", WRITER), "program")[0]

        def stands():
            """Its write sleeps, and the relay takes nothing: not the moment in which it is slower."""
            before = read_text("/proc/%s/io" % program)
            time.sleep(0.3)
            return (read_text("/proc/%s/io" % program) == before != "" and
                    "pipe_w" in read_text("/proc/%s/wchan" % program))
        wait_until(stands, "write at the bound")
        self.assertEqual(process.stdout.read(), lines(400000))
        self.assertEqual(process.wait(DEADLINE_S), 0)
        summary = wait_until(lambda: self.events(process, "summary"), "summary")[-1]
        self.assertLessEqual(summary["drain"]["peak_bytes"], 16 << 20)

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
