# SPDX-License-Identifier: MIT
"""PIPESHIM_ACTION: what is done about a wait that cannot end."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from action_case import DEADLOCK, ActionCase  # noqa: E402
from pipeshim_case import DEADLINE_S, LIBRARY, read_text, sleeps_in_write, victim, wait_until  # noqa: E402


class Actions(ActionCase):
    def test_term(self):
        run = self.begin_deadlock("term")
        self.assert_action(run, "term")
        self.assertEqual(run.process.wait(DEADLINE_S), -signal.SIGTERM)

    def test_term_is_followed_by_kill(self):
        run = self.begin_deadlock("term", "import signal\nsignal.signal(15, signal.SIG_IGN)\n" +
                                  DEADLOCK)
        began = time.monotonic()
        self.assert_action(run, "term")
        self.assertEqual(run.process.wait(DEADLINE_S), -signal.SIGKILL)
        self.assertGreater(time.monotonic() - began, 9)

    def test_abort(self):
        run = self.begin_deadlock("abort")
        event = self.assert_action(run, "abort")
        self.assertEqual(event["tid"], run.process.pid)
        self.assertEqual(run.process.wait(DEADLINE_S), -signal.SIGABRT)

    def test_stop(self):
        run = self.begin_deadlock("stop")
        self.assert_action(run, "stop")
        wait_until(lambda: "State:\tT" in read_text("/proc/%d/status" % run.process.pid), "a stop")

    def test_exec(self):
        """The event on stdin, a session and an environment of its own, without the library."""
        folder = self.temporary_folder()
        out = os.path.join(folder, "out")
        run = self.begin_deadlock(
            "exec:cat > %s.json; env > %s.env; pwd > %s.pwd; readlink /proc/self/fd/* > %s.fds; "
            "exit 7" % (out, out, out, out))
        event = self.assert_action(run, "exec")
        self.assertEqual(event["result"], "exit 7")
        told = json.loads(read_text(out + ".json"))
        deadlock = run.events("deadlock")[0]
        self.assertEqual([told[k] for k in ("event", "pid", "seq", "id", "words")],
                         [deadlock[k] for k in ("event", "pid", "seq", "id", "words")])
        variables = dict(line.split("=", 1) for line in read_text(out + ".env").splitlines()
                         if "=" in line)
        self.assertEqual(variables["PIPESHIM_EVENT"], "deadlock")
        self.assertEqual(variables["PIPESHIM_PID"], str(run.process.pid))
        self.assertEqual(variables["PIPESHIM_EXE"], os.path.realpath("/usr/bin/python3"))
        self.assertNotIn("LD_PRELOAD", variables)
        self.assertNotIn("PIPESHIM_LOG", variables)
        self.assertEqual(read_text(out + ".pwd"), "/\n")
        pipes = [line for line in read_text(out + ".fds").splitlines() if line.startswith("pipe:")]
        self.assertEqual(len(pipes), 1, "the program's pipes are held: %s" % pipes)
        self.assertIsNone(run.process.poll())

    def test_at_most_so_many(self):
        out = os.path.join(self.temporary_folder(), "out")
        run = self.begin_deadlock("exec:echo >> " + out, PIPESHIM_ACTION_ON="blocked", PIPESHIM_THRESHOLD="300ms", script="""
for i in range(2):
    os.write(2, b"x" * 70000)
""")
        first = self.wait_for_stuck_write(run)
        self.assertEqual(run.wait_for("action")[0]["ref"], first["seq"])
        left = 70000
        while left > 0:
            left -= len(os.read(run.readers[1], left))
        self.wait_for_still(run, self.wait_for_stuck_write(run, 2))
        self.assertEqual(read_text(out), "\n")
        self.assertEqual(len(run.events("action")), 1)

    def test_each_wait_once(self):
        """However many actions there may be; and one command after the other."""
        out = os.path.join(self.temporary_folder(), "out")
        run = self.begin_deadlock("exec:sleep 1; echo >> " + out, """
import os, threading
def fill():
    os.write(os.pipe()[1], b"x" * 70000)
for _ in range(2):
    threading.Thread(target=fill, daemon=True).start()
sys.stdin.read()
""", PIPESHIM_ACTION_ON="blocked", PIPESHIM_ACTION_MAX="5", PIPESHIM_PIPE_THRESHOLD="300ms",
                                  PIPESHIM_LOOP="none")
        actions = run.wait_for("action", 2)
        stuck = {e["seq"] for e in run.events("blocked") if e["class"] == "pipe_write"}
        self.assertEqual({e["ref"] for e in actions}, stuck)
        self.assertEqual([e["result"] for e in actions], ["exit 0"] * 2)
        self.wait_until_due()
        self.assertEqual(len(run.events("action")), 2)
        self.assertEqual(read_text(out), "\n\n")

    def test_the_setting_changes_meanwhile(self):
        """The result of a command that has begun is told; SIGTERM is followed by no SIGKILL."""
        folder = self.temporary_folder()
        run = self.begin_deadlock("exec:touch %s/begun; while ! test -e %s/go; do sleep 0.1; done; exit 3" %
                                  (folder, folder))
        wait_until(lambda: os.path.exists(folder + "/begun"), "command")
        self.set(run, "action=log")
        open(folder + "/go", "w").close()
        self.assertEqual(self.assert_action(run, "exec")["result"], "exit 3")
        run = self.begin_deadlock("term", "import signal\nsignal.signal(15, signal.SIG_IGN)\n" +
                                  DEADLOCK)
        self.assert_action(run, "term")
        self.set(run, "action=log")
        self.set(run, "action=term")
        time.sleep(12)  # nothing is to come: SIGKILL was due after 10 s
        self.assertIsNone(run.process.poll())

    def test_a_command_that_hangs(self):
        """It and what it has started are killed at the limit."""
        out = os.path.join(self.temporary_folder(), "out")
        for limit, words in (("700ms", "killed after 700.0 ms"), ("7s", "killed after 7.0 s"),
                             ("30s", "killed after 30.0 s")):
            run = self.begin_deadlock("exec:sleep 1000 & echo $! > %s; wait" % out,
                                      PIPESHIM_ACTION_LIMIT=limit)
            self.assertEqual(self.assert_action(run, "exec")["result"], words)
            if read_text(out):  # it has come so far
                break
        sleeper = int(read_text(out))
        wait_until(lambda: read_text("/proc/%d/cmdline" % sleeper) == "", "end of what it started")
        self.assertIsNone(run.process.poll())

    @unittest.skipUnless(os.geteuid() == 0, "needs root: a setuid file, a mount")
    def test_no_command_of_a_setuid_program(self):
        """Also where the loader takes the library: /etc/ld.so.preload says it. Its twin runs one."""
        folder = self.temporary_folder()
        library, etc = os.path.join(folder, "libpipeshim.so"), os.path.join(folder, "etc")
        shutil.copy(LIBRARY, library)
        os.chmod(library, 0o755)
        subprocess.run(["cp", "-a", "/etc", etc], check=True)
        with open(os.path.join(etc, "ld.so.preload"), "w", encoding="ascii") as file:
            file.write(library + "\n")
        runs = {}
        for name, mode in (("setuid", 0o4755), ("plain", 0o755)):
            program = os.path.join(folder, name)
            shutil.copy(victim("life"), program)
            os.chmod(program, mode)
            process = subprocess.Popen(
                ["unshare", "-m", "sh", "-c", 'mount --bind "$1" /etc && shift && exec "$@"', "sh", etc,
                 "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "plain"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                env={"PATH": os.environ["PATH"], "PIPESHIM_THRESHOLD": "50ms", "PIPESHIM_LOG": program + ".log",
                     "PIPESHIM_ONLY": "setuid,plain", "PIPESHIM_ACTION": "exec:: > %s.out" % program,
                     "PIPESHIM_ACTION_ON": "blocked", "PIPESHIM_ACTION_AFTER": "10ms"})
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            wait_until(lambda: sleeps_in_write(process.pid), "stuck write")
            self.assertIn("libpipeshim", read_text("/proc/%d/maps" % process.pid))
            runs[name] = process
        wait_until(lambda: os.path.exists(os.path.join(folder, "plain.out")), "command of the twin")
        self.assertFalse(os.path.exists(os.path.join(folder, "setuid.out")))
        self.assertFalse(os.path.exists(os.path.join(folder, "setuid.log")))
        self.assertEqual(len(os.listdir("/proc/%d/task" % runs["setuid"].pid)), 1)
        runs["setuid"].stdout.read()
        self.assertEqual(runs["setuid"].wait(DEADLINE_S), 7)

    def test_the_writing_side(self):
        """The library runs in the child, which writes: its action is about itself."""
        run = self.begin("child", DEADLOCK, PIPESHIM_ACTION="term", PIPESHIM_ACTION_AFTER="1s")
        deadlock = run.wait_for("deadlock")[0]
        event = run.wait_for("action")[0]
        self.assertNotEqual(event["pid"], run.process.pid)
        self.assertEqual((event["pid"], event["ref"]), (deadlock["pid"], deadlock["seq"]))
        self.assertEqual(run.process.wait(DEADLINE_S), 0)  # its wait() came back


if __name__ == "__main__":
    unittest.main()
