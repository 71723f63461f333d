# SPDX-License-Identifier: MIT
"""The shutdown of a program whose reader waits for its end and does not read: an SDK's close()."""
import json
import os
import select
import stat
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import (DEADLINE_S, LIBRARY, PipeshimCase, read_text, victim,  # noqa: E402
                           wait_until)

# Cancels the reader of its child's stdout, ends the child's stdin, keeps the read end, and waits.
# The StreamReader is full, so its transport reads no more, and Process.wait() of CPython 3.11 to 3.14
# would wait for the pipe's end (python/cpython#119710): here the exit itself is waited for.
CLOSE = """
import asyncio, json, os, sys
async def main():
    child = await asyncio.create_subprocess_exec(
        *sys.argv[1:], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    got = await child.stdout.readline()
    async def read():
        while await child.stdout.readline():
            pass
    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    reader.cancel()
    waits = asyncio.create_task(child.wait())
    child.stdin.close()
    while child.returncode is None:
        await asyncio.sleep(0.05)
    for _ in range(20):
        await asyncio.sleep(0)
    print(json.dumps({"status": child.returncode, "waited": waits.done()}), flush=True)
    sys.stdin.readline()
    got += await child.stdout.read()
    sys.stdout.write(got.decode())
asyncio.run(main())
"""
PYTHON_CHILD = """
import os, sys
os.write(1, b"hello\\n")
sys.stdin.read()
for i in range(int(sys.argv[1])):
    os.write(1, b"%063d\\n" % i)
"""
MAY_UNSHARE = subprocess.run(["unshare", "-p", "-f", "--mount-proc", "true"],
                             stderr=subprocess.DEVNULL).returncode == 0
LINES = 6000
ALL = b"hello\n" + b"".join(b"%063d\n" % i for i in range(LINES))
PYTHON = ("/usr/bin/python3", "-S", "-c", PYTHON_CHILD, str(LINES))
C = (victim("drain_last_words"), str(LINES))


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


class Shutdown(PipeshimCase):
    def environment(self, folder, **settings):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_DRAIN="stdout", PIPESHIM_FORMAT="json",
                           PIPESHIM_LOG=os.path.join(folder, "log.%p"), PIPESHIM_SUMMARY="always",
                           **{"PIPESHIM_" + key: value for key, value in settings.items()})
        return environment

    @staticmethod
    def events(folder, kind):
        lines = [line for name in os.listdir(folder) if name.startswith("log.")
                 for line in read_text(os.path.join(folder, name)).splitlines()]
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    def child(self, command, **settings):
        """A child whose stdout is a pipe that this process holds and does not read; it has been
        told to end."""
        folder = self.temporary_folder()
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 env=self.environment(folder, **settings))
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        child.stdin.close()
        return folder, child

    @staticmethod
    def ended(child):
        """Waits as wait4() does: in a thread, so that there is a deadline."""
        waiter = threading.Thread(target=child.wait, daemon=True)
        waiter.start()
        waiter.join(DEADLINE_S)
        return not waiter.is_alive()

    def test_asyncio_close(self):
        """PIPESHIM_DRAIN_EXIT=wait: only the proof that the reader waits ends the wait."""
        for command in (PYTHON, C):
            folder = self.temporary_folder()
            inner = ["env"] + ["%s=%s" % item for item in
                               self.environment(folder, DRAIN_EXIT="wait").items()
                               if item[0].startswith(("PIPESHIM", "LD_PRELOAD"))]
            parent = subprocess.Popen(["/usr/bin/python3", "-c", CLOSE, *inner, *command],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL)
            self.addCleanup(parent.wait)
            self.addCleanup(parent.kill)
            self.addCleanup(parent.stdout.close)
            self.assertTrue(select.select([parent.stdout], [], [], DEADLINE_S)[0], "close() hangs")
            self.assertEqual(json.loads(parent.stdout.readline())["status"], 0)
            parent.stdin.close()
            self.assertTrue(parent.stdout.read() == ALL, "something is lost")
            handed_over = self.events(folder, "drain_handoff")
            self.assertEqual(len(handed_over), 1)
            self.assertEqual(self.events(folder, "summary")[0]["drain"]["handed_over_bytes"],
                             handed_over[0]["bytes"])

    def test_asyncio_wait_is_as_with_a_program_that_does_not_hang(self):
        """Whether Process.wait() of this CPython returns while the StreamReader is full has nothing
        to do with the pipe: it is the same with a child that writes less, and needs no drainer."""
        waited = {}
        for lines, library in ((2500, False), (LINES, True)):
            inner = ["env"] + ["%s=%s" % item for item in
                               self.environment(self.temporary_folder(), DRAIN_EXIT="wait").items()
                               if item[0].startswith(("PIPESHIM", "LD_PRELOAD")) and library]
            parent = subprocess.Popen(
                ["/usr/bin/python3", "-c", CLOSE, *inner, *PYTHON[:-1], str(lines)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            self.addCleanup(parent.wait)
            self.addCleanup(parent.kill)
            self.addCleanup(parent.stdout.close)
            self.assertTrue(select.select([parent.stdout], [], [], DEADLINE_S)[0], "close() hangs")
            waited[library] = json.loads(parent.stdout.readline())
            parent.stdin.close()
            self.assertEqual(parent.stdout.read(), ALL[:6 + 64 * lines])
        self.assertEqual(waited[True], waited[False])

    def test_wait_then_read(self):
        for command in (PYTHON, C):
            folder, child = self.child(command, DRAIN_EXIT="wait")
            self.assertTrue(self.ended(child), "the exit waits for one who waits for it")
            self.assertTrue(child.stdout.read() == ALL)
            self.assertEqual(len(self.events(folder, "drain_handoff")), 1)

    def test_wait_with_a_timeout(self):
        """subprocess.Popen.wait(timeout=…) naps between its questions."""
        folder, child = self.child(PYTHON, DRAIN_EXIT="3600s")
        self.assertEqual(child.wait(DEADLINE_S), 0)
        self.assertTrue(child.stdout.read() == ALL)

    def test_who_does_not_wait_for_the_end_is_waited_for(self):
        """The twin: this process sleeps in a read of something else."""
        folder, child = self.child(PYTHON, DRAIN_EXIT="wait")
        wait = wait_until(lambda: self.events(folder, "drain_wait"), "drain_wait")[0]
        self.assertEqual((wait["waits"], wait["fd"], wait["then"]), ("exit", 1, "handoff"))
        self.assertNotIn("limit_ms", wait)
        in_pipe = 6 + (65536 - 6) // 64 * 64  # whole writes
        self.assertEqual(wait["bytes"], len(ALL) - in_pipe)
        self.assertGreaterEqual(wait["waited_ms"], 1000)
        self.assertIn(os.getpid(), [peer["pid"] for peer in wait["pipe"]["peers"]])
        self.assertIsNone(child.poll())
        self.assertTrue(child.stdout.read() == ALL)
        self.assertTrue(self.ended(child))
        self.assertEqual(self.events(folder, "drain_handoff"), [])
        self.assertEqual(len(self.events(folder, "drain_wait")), 1, "once")

    def test_what_the_helper_has_in_its_hands_is_handed_over(self):
        """Less than a batch: the helper has taken all of it, and can send none."""
        program = "import os; os.write(1, b'a' * 65536 + b'b' * 100)"
        folder, child = self.child(("/usr/bin/python3", "-S", "-c", program), DRAIN_EXIT="0")
        self.assertTrue(self.ended(child))
        self.assertEqual([(event["bytes"], event["writes"])
                          for event in self.events(folder, "drain_handoff")], [(100, 1)])
        self.assertEqual(self.events(folder, "summary")[0]["drain"]["handed_over_bytes"], 100)
        self.assertEqual(child.stdout.read(), b"a" * 65536 + b"b" * 100)

    def test_the_rest_goes_to_a_file_and_the_pipe_ends(self):
        for command in (PYTHON, C):
            path = os.path.join(self.temporary_folder(), "rest.%p")
            folder, child = self.child(command, DRAIN_EXIT="wait", DRAIN_SPOOL=path)
            self.assertTrue(self.ended(child))
            path = path.replace("%p", str(child.pid))
            # Who waits for the end of the pipe and does not read gets it.
            end = select.poll()
            end.register(child.stdout, 0)
            self.assertEqual([what for _, what in end.poll(DEADLINE_S * 1000)], [select.POLLHUP])
            in_pipe = child.stdout.read()
            rest = read_bytes(path)
            self.assertTrue(in_pipe + rest == ALL, "pipe and file are not the whole")
            self.assertGreater(len(rest), 0)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            # The log's writer may come last.
            wait_until(lambda: sum(event["bytes"] for event in self.events(folder, "drain_spool"))
                       == len(rest), "the events of the whole file")
            told = self.events(folder, "drain_spool")
            self.assertEqual([(event["fd"], event["path"]) for event in told],
                             [(1, path)] * len(told))
            self.assertEqual(told[0]["offset"], 0)
            self.assertEqual(self.events(folder, "drain_handoff"), [])

    def test_without_a_file_the_pipe_does_not_end(self):
        """The twin: the helper goes on, and holds it."""
        folder, child = self.child(PYTHON, DRAIN_EXIT="wait")
        self.assertTrue(self.ended(child))
        end = select.poll()
        end.register(child.stdout, 0)
        self.assertEqual(end.poll(0), [])
        self.assertTrue(child.stdout.read() == ALL)

    def test_a_reader_that_reads_gets_it_all(self):
        path = os.path.join(self.temporary_folder(), "rest")
        folder, child = self.child(PYTHON, DRAIN_EXIT="0", DRAIN_SPOOL=path)
        wait_until(lambda: self.events(folder, "drain_start"), "queue")
        self.assertTrue(child.stdout.read() == ALL)
        self.assertTrue(self.ended(child))
        self.assertFalse(os.path.exists(path))

    def test_a_file_that_may_not_be_written(self):
        """Then it is handed over, and one line says why."""
        path = os.path.join(self.temporary_folder(), "none", "rest")
        folder, child = self.child(PYTHON, DRAIN_EXIT="wait", DRAIN_SPOOL=path)
        self.assertTrue(self.ended(child))
        warnings = [event["message"] for event in self.events(folder, "warning")]
        self.assertEqual(len(warnings), 1)
        self.assertIn("PIPESHIM_DRAIN_SPOOL=" + path, warnings[0])
        self.assertIn("no such file or directory", warnings[0])
        self.assertEqual(len(self.events(folder, "drain_handoff")), 1)
        self.assertTrue(child.stdout.read() == ALL)

    @unittest.skipIf(os.geteuid() != 0, "needs another user")
    def test_a_file_of_another_user_is_left_alone(self):
        path = os.path.join(self.temporary_folder(), "rest")
        with open(path, "wb") as file:
            file.write(b"theirs")
        os.chown(path, 65534, 65534)
        folder, child = self.child(PYTHON, DRAIN_EXIT="wait", DRAIN_SPOOL=path)
        self.assertTrue(self.ended(child))
        self.assertEqual(read_bytes(path), b"theirs")
        self.assertEqual(len(self.events(folder, "drain_handoff")), 1)
        self.assertTrue(child.stdout.read() == ALL)


class FirstOfAContainer(PipeshimCase):
    """The kernel ends the helper with the first process of a PID namespace: nothing is promised."""

    def first(self, **settings):
        return self.start("unshare", "-p", "-f", "--mount-proc", "/usr/bin/python3", "-S", "-c",
                          "import os; os.write(2, b'x' * 300000)",
                          settings={"PIPESHIM_DRAIN": "stderr", "PIPESHIM_ONLY": "python3*",
                                    **{"PIPESHIM_" + key: settings[key] for key in settings}})

    @unittest.skipUnless(MAY_UNSHARE, "no new pid namespace is allowed")
    def test_what_is_not_read_in_time_is_told_as_lost(self):
        run = self.first(DRAIN_EXIT="2s")
        wait, = run.wait_for("drain_wait")
        self.assertEqual((wait["waits"], wait["then"]), ("exit", "lost"))
        self.assertEqual(run.process.wait(DEADLINE_S), 0)
        lost = [(e["reason"], e["bytes"], e["writes"]) for e in run.events("drain_drop")]
        self.assertEqual(lost, [("pid_namespace_ends", 300000 - 65536, 1)])
        self.assertEqual(run.events("drain_handoff"), [])
        drain = run.events("summary")[0]["drain"]
        self.assertEqual((drain["lost_bytes"], drain["handed_over_bytes"]), (300000 - 65536, 0))
        self.assertEqual(run.drain()[1], b"x" * 65536)

    @unittest.skipUnless(MAY_UNSHARE, "no new pid namespace is allowed")
    def test_wait_loses_nothing(self):
        run = self.first(DRAIN_EXIT="wait")
        wait, = run.wait_for("drain_wait")
        self.assertNotIn("limit_ms", wait)
        out, err, status = run.drain()
        self.assertEqual((err, status), (b"x" * 300000, 0))
        self.assertEqual(run.events("drain_drop"), [])

    @unittest.skipUnless(MAY_UNSHARE, "no new pid namespace is allowed")
    def test_in_words(self):
        run = self.first(DRAIN_EXIT="200ms", FORMAT="text")
        self.assertEqual(run.process.wait(DEADLINE_S), 0)
        log = "".join(read_text(os.path.join(run.folder, name)) for name in os.listdir(run.folder)
                      if name.startswith("log."))
        self.assertRegex(log, r"(?m)^pipeshim: LOST .* 234464 bytes of 1 writes were not read in "
                         "time: this is the first process of its PID namespace")
        self.assertNotIn("HANDOFF", log)
        self.assertNotIn("goes on sending", log)


if __name__ == "__main__":
    unittest.main()
