# SPDX-License-Identifier: MIT
"""pipeshim set: settings of a process that runs, through the mailbox in its library's memory."""
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import BUILD, DEADLINE_S, PipeshimCase, Run, wait_until  # noqa: E402

TOOL = os.path.join(BUILD, "pipeshim")
PYTHON = "/usr/bin/python3"
# Writes when it is told to: N bytes to stderr.
WRITER = """
import os, sys
sys.stdout.write("ready\\n"); sys.stdout.flush()
for line in sys.stdin:
    os.write(2, b"x" * int(line))
    os.write(1, b"written\\n")
"""


def pipeshim_set(pid, *arguments, user=None):
    return subprocess.run([TOOL, "set", str(pid), *arguments], capture_output=True, text=True,
                          timeout=DEADLINE_S, user=user)


class Set(PipeshimCase):
    def begin(self, script=WRITER, **settings):
        run = Run(self.temporary_folder(), [PYTHON, "-Sc", script],
                  settings={"PIPESHIM_SUMMARY": "on", **settings})
        self.addCleanup(run.close)
        self.expect(run, b"ready\n")
        return run

    def expect(self, run, text):
        got = b""
        while not got.endswith(text):
            got += os.read(run.readers[0], 1)

    def write(self, run, size):
        run.process.stdin.write(b"%d\n" % size)
        run.process.stdin.flush()

    def read(self, run, size):
        """Exactly so many bytes of its stderr, in order."""
        left = size
        while left:
            got = os.read(run.readers[1], left)
            self.assertEqual(got, b"x" * len(got))
            left -= len(got)

    def stuck_for(self, run, size=70000):
        """One stuck write that was reported, and then read."""
        before = len(run.events("blocked"))
        self.write(run, size)
        event = run.wait_for("blocked", before + 1)[before]
        self.read(run, size)
        self.expect(run, b"written\n")
        return event

    def test_threshold(self):
        run = self.begin()
        self.assertEqual(self.stuck_for(run)["threshold_ms"], 50)
        done = pipeshim_set(run.process.pid, "threshold=20ms", "PIPESHIM_RATE=500/s")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, "PIPESHIM_THRESHOLD=20ms (was 50ms)\n"
                                      "PIPESHIM_RATE=500/s (was 1000/s)\n")
        event = run.wait_for("config")[0]
        self.assertEqual(event["changed"], {"PIPESHIM_THRESHOLD": "20ms", "PIPESHIM_RATE": "500/s"})
        self.assertEqual(event["before"], {"PIPESHIM_THRESHOLD": "50ms", "PIPESHIM_RATE": "1000/s"})
        self.assertEqual(self.stuck_for(run)["threshold_ms"], 20)
        done = pipeshim_set(run.process.pid, "pipe-threshold=30ms")
        self.assertEqual(done.stdout, "PIPESHIM_PIPE_THRESHOLD=30ms (was not set)\n")
        self.assertEqual(self.stuck_for(run)["threshold_ms"], 30)
        self.assertEqual(pipeshim_set(run.process.pid, "pipe-threshold=").returncode, 0)
        self.assertEqual(self.stuck_for(run)["threshold_ms"], 20)

    def test_run_and_report_say_it(self):
        run = subprocess.Popen([TOOL, "run", "--threshold", "50ms", "--", PYTHON, "-Sc",
                                "import os, sys; print(os.getpid(), flush=True)\n"
                                "os.write(int(sys.argv[1]), b'x' * 70000)", "1"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(run.stderr.close)
        pid = b""
        while not pid.endswith(b"\n"):
            pid += os.read(run.stdout.fileno(), 1)
        told = run.stderr.readline()
        self.assertIn(b"BLOCKED", told)  # it is watched
        self.assertEqual(pipeshim_set(int(pid), "threshold=20ms", "drain=off").returncode, 0)
        while b"CONFIG" not in told:
            told = run.stderr.readline()
            self.assertTrue(told, "the end")
        self.assertRegex(told.decode(), r"CONFIG .*changed from outside: PIPESHIM_THRESHOLD=20ms \(was 50ms\) "
                                        r"PIPESHIM_DRAIN=off \(was off\)\n$")
        run.stdout.read()
        run.stdout.close()
        run.stderr.read()
        self.assertEqual(run.wait(DEADLINE_S), 0)

    def test_drain_on_and_off(self):
        """From now on, and no longer: the bytes are the same, in order."""
        run = self.begin()
        self.stuck_for(run)
        self.assertEqual(pipeshim_set(run.process.pid, "drain=stderr").returncode, 0)
        self.write(run, 300000)
        self.expect(run, b"written\n")  # nobody reads
        run.wait_for("drain_start")
        self.write(run, 70001)
        self.expect(run, b"written\n")
        self.read(run, 370001)
        run.wait_for("drain_end")
        self.assertEqual(pipeshim_set(run.process.pid, "drain=off").returncode, 0)
        self.stuck_for(run)
        self.assertEqual(len(run.events("drain_start")), 1)

    def test_stacks(self):
        run = self.begin()
        self.assertIn("pc", self.stuck_for(run)["stack"][0])
        self.assertEqual(pipeshim_set(run.process.pid, "stack-format=compact", "python=off").returncode, 0)
        event = self.stuck_for(run)
        self.assertIsInstance(event["stack"][0], str)
        self.assertNotIn("python", event)

    def test_action(self):
        run = self.begin()
        self.write(run, 70000)
        run.wait_for("blocked")
        self.assertEqual(pipeshim_set(run.process.pid, "action=exec:exit 3", "action-on=blocked",
                                      "action-after=10ms").returncode, 0)
        self.assertEqual(run.wait_for("action")[0]["result"], "exit 3")

    def test_refused(self):
        run = self.begin()
        self.stuck_for(run)
        for assignment, words in (
                ("threshold=fast", "PIPESHIM_THRESHOLD=fast: not accepted; expected a duration"),
                ("treshold=1s", "treshold: no such setting; expected PIPESHIM_THRESHOLD"),
                ("=1s", "no such setting"), ("threshold", "not accepted"),
                ("log=/tmp/x", "PIPESHIM_LOG: cannot be changed while the program runs"),
                ("rate=1/h", "PIPESHIM_RATE=1/h: not accepted"),
                ("x\x1b[2J=1", "x?[2J: no such setting")):
            with self.subTest(assignment):
                done = pipeshim_set(run.process.pid, "repeat=1s", assignment)
                self.assertEqual((done.returncode, done.stdout), (64, ""))
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertIn(words, done.stderr)
                self.assertTrue(done.stderr.endswith("; nothing was changed\n"), done.stderr)
        self.assertEqual(run.events("config"), [])

    def test_wrong_use(self):
        for arguments, words in ((["set"], "expected the PID"), (["set", "x", "a=b"], "not x"),
                                 (["set", "1"], "expected NAME=VALUE"), (["set", "--wrong"], "--wrong")):
            done = subprocess.run([TOOL, *arguments], capture_output=True, text=True)
            self.assertEqual(done.returncode, 64)
            self.assertIn(words, done.stderr)

    def test_what_cannot_be_asked(self):
        plain = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
        self.addCleanup(plain.wait)
        self.addCleanup(plain.stdin.close)
        for pid, words in ((plain.pid, "does not run libpipeshim"), (2 ** 22 + 7, "not found")):
            done = pipeshim_set(pid, "threshold=1s")
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertIn(words, done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to be somebody else")
    def test_only_who_may_write_its_memory(self):
        run = self.begin()
        self.stuck_for(run)
        os.chmod(os.path.dirname(os.path.abspath(TOOL)), 0o755)
        if subprocess.run([TOOL, "--version"], user=65534, capture_output=True).returncode:
            self.skipTest("the tool cannot be reached by another user")
        done = pipeshim_set(run.process.pid, "threshold=1s", user=65534)
        self.assertEqual(done.returncode, 3)
        self.assertIn("may not be written to: expected root", done.stderr)
        self.assertEqual(run.events("config"), [])

    def test_a_quiet_process_takes_it_with_its_first_call(self):
        """It has no watchdog yet, and gets none for this."""
        run = Run(self.temporary_folder(), ["/usr/bin/perl", "-e", """
$| = 1; syswrite(STDOUT, "ready\\n"); 1 while !-e $ARGV[0]; syswrite(STDERR, "x" x 70000);""",
                                            os.path.join(self.temporary_folder(), "go")])
        self.addCleanup(run.close)
        go = run.process.args[-1]
        self.expect(run, b"ready\n")
        done = pipeshim_set(run.process.pid, "threshold=20ms")
        if "was" in done.stdout:
            self.skipTest("it is watched already")
        self.assertEqual(done.returncode, 0)
        self.assertIn("not watched yet", done.stdout)
        self.assertEqual(len(os.listdir("/proc/%d/task" % run.process.pid)), 1)
        open(go, "w").close()
        self.assertEqual(run.wait_for("config")[0]["changed"], {"PIPESHIM_THRESHOLD": "20ms"})

    def test_a_request_that_waits_is_its_own(self):
        """What nobody has taken yet when it forks is no request to the child."""
        run = Run(self.temporary_folder(), ["/usr/bin/perl", "-e", """
$| = 1; syswrite(STDOUT, "ready\\n"); 1 while !-e $ARGV[0];
if (fork() == 0) { syswrite(STDERR, "x" x 70000); exit(0); }
1 while !-e $ARGV[1]; syswrite(STDERR, "x" x 70000);""", *(os.path.join(self.temporary_folder(), name) for name in ("go", "on"))])
        self.addCleanup(run.close)
        self.expect(run, b"ready\n")
        done = pipeshim_set(run.process.pid, "threshold=20ms")
        if "was" in done.stdout:
            self.skipTest("it is watched already")
        open(run.process.args[-2], "w").close()
        child = run.wait_for("blocked")[0]["pid"]
        self.assertNotEqual(child, run.process.pid)
        self.assertEqual(run.events("config"), [])
        open(run.process.args[-1], "w").close()
        self.assertEqual(run.wait_for("config")[0]["pid"], run.process.pid)
        self.read(run, 140000)

    def test_a_stopped_process(self):
        run = self.begin()
        self.stuck_for(run)
        run.process.send_signal(signal.SIGSTOP)
        done = pipeshim_set(run.process.pid, "threshold=20ms")
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not answer within 5 s: it is stopped", done.stderr)
        run.process.send_signal(signal.SIGCONT)
        self.assertEqual(run.wait_for("config")[0]["changed"], {"PIPESHIM_THRESHOLD": "20ms"})

    def test_a_child_is_another_process(self):
        """What its parent was asked before the fork is no request to it; it has the settings."""
        run = self.begin("""
import os, sys
sys.stdout.write("ready\\n"); sys.stdout.flush()
sys.stdin.readline()
if os.fork() == 0:
    os.write(2, b"x" * 70000)
    os._exit(0)
os.write(1, b"written\\n")
sys.stdin.readline()
""", PIPESHIM_THRESHOLD="40ms")
        wait_until(lambda: pipeshim_set(run.process.pid, "threshold=30ms").stdout.count("was"), "answer")
        self.write(run, 1)
        blocked = run.wait_for("blocked")[0]
        self.assertNotEqual(blocked["pid"], run.process.pid)
        self.assertEqual(blocked["threshold_ms"], 30)
        self.read(run, 70000)
        run.wait_for("unblocked")
        self.assertEqual({e["pid"] for e in run.events("config")}, {run.process.pid})

    def test_more_texts_than_there_is_space_for(self):
        """Each command is kept, as the one before may be in use; at the end all is as it was."""
        run = self.begin()
        self.stuck_for(run)
        limit, size = 16 * 1024, 900  # of all settings' texts; of a command, in a request of 1 KiB
        taken = 0
        while taken <= limit // size:
            command = "exec:: %d " % taken + "x" * size
            done = pipeshim_set(run.process.pid, "threshold=%dms" % (100 + taken), "action=" + command)
            if done.returncode != 0:
                break
            taken += 1
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stdout + done.stderr, r"no space for \d+ bytes more .*nothing was changed")
        self.assertGreater(taken, limit // size // 2)
        self.assertEqual(len(wait_until(lambda: run.events("config")[taken - 1:] and run.events("config"),
                                        "each change")), taken)
        self.assertEqual(self.stuck_for(run)["threshold_ms"], 100 + taken - 1)

    def test_hostile_mail(self):
        """Any bytes in the mailbox are a refused request, and the program runs on."""
        run = self.begin()
        self.stuck_for(run)
        out = subprocess.run(["nm", "-D", os.path.join(BUILD, "libpipeshim.so")], check=True,
                             capture_output=True, text=True).stdout
        offset = next(int(line.split()[0], 16) for line in out.splitlines()
                      if line.endswith(" pipeshim_mailbox"))
        with open("/proc/%d/maps" % run.process.pid) as file:
            base = next(int(line.split("-")[0], 16) for line in file if "libpipeshim" in line)
        with open("/proc/%d/mem" % run.process.pid, "r+b", buffering=0) as memory:
            for number, text in enumerate((b"\xff" * 1024, b"\n" * 1024, b"=" * 1024, b"\0" * 1024,
                                           b"threshold=1ms\n" * 73 + b"xx", b"threshold=\x1b[2J\n\0" + bytes(1006),
                                           b"drain=" + b"9" * 1018), 1):
                memory.seek(base + offset + 8)
                memory.write(run.process.pid.to_bytes(4, "little") + bytes(4) + text[:1024].ljust(1024, b"\0"))
                memory.seek(base + offset)
                memory.write(number.to_bytes(8, "little"))

                def answered():
                    memory.seek(base + offset + 16 + 1024)
                    answer = memory.read(8 + 4 + 2048)
                    return answer if answer[:8] == number.to_bytes(8, "little") else None
                answer = wait_until(answered, "answer to request %d" % number)
                self.assertEqual(answer[8:12], bytes(4), answer[:200])
                said = answer[12:].split(b"\0")[0]
                self.assertTrue(said.endswith(b"nothing was changed\n"), said)
                self.assertNotIn(b"\x1b", said)
        self.assertEqual(run.events("config"), [])
        self.stuck_for(run)


if __name__ == "__main__":
    unittest.main()
