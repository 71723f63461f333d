# SPDX-License-Identifier: MIT
"""PIPESHIM_ACTION: what is done about a wait that cannot end, and what is not."""
import ctypes
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import BUILD, DEADLINE_S, LIBRARY, read_text, sleeps_in_write, victim, wait_until  # noqa: E402
from waits_case import WaitsCase  # noqa: E402

DEADLOCK = """
child = subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE,
                         env=environment())
child.wait()
"""
# Its write waits for a reader that comes late; and one that waits for its input for ever.
SLOW = """
r, w = os.pipe()
os.write(2, b"x" * 70000)
sys.stdin.read()
"""
# It reads line after line in one place, then waits there for a line that its child, whose stderr it
# does not read, never comes to write. The child says when it began the last one.
SERVED = """
import os
child = subprocess.Popen([sys.executable, "-c", '''
import os, sys, time
for i in range(80):
    time.sleep(0.05)
    began = time.time()
    os.write(1, b"line%4d\\\\n" % i)
open(sys.argv[1] + ".new", "w").write(repr(began))
os.rename(sys.argv[1] + ".new", sys.argv[1])
os.write(2, b"x" * 200000)
''', sys.argv[1]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
while os.read(child.stdout.fileno(), 9):
    pass
"""
# The same wait for whichever child, by the same line; each hangs as the one before did.
CHILD_AFTER_CHILD = """
import os
def child():
    return subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE,
                            env=environment())
children = [child()]
while True:
    pid, _ = os.wait()
    children.append(child())
"""
# A child that waits for its own child, whose output it does not read.
NEIGHBOUR = """
import os
neighbour = subprocess.Popen([sys.executable, "-c", '''
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE).wait()
'''], env=environment())
os.write(1, b"%d\\n" % neighbour.pid)
"""
# An event loop whose own work keeps it away from its wait.
LAG = """
import asyncio, os
async def main():
    for _ in range(20):
        await asyncio.sleep(0.01)
    while True:
        os.getppid()
asyncio.run(main())
"""



# A callback of an event loop that waits for a line of input.
HELD = """
import asyncio, os
async def main():
    for _ in range(20):
        await asyncio.sleep(0.01)
    os.read(0, 100)
    while True:
        await asyncio.sleep(0.01)
asyncio.run(main())
"""

TOOL = os.path.join(BUILD, "pipeshim")


def seconds(event):
    """When it was, as time.time() has it."""
    return datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()


PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17


def children(pid):
    return [int(word) for word in read_text("/proc/%d/task/%d/children" % (pid, pid)).split()]


class Actions(WaitsCase):
    def wait_until_due(self):
        """An action that was begun now was done: one of before is due for long."""
        run = self.begin_deadlock("term")
        self.assert_action(run, "term")

    def wait_for_still(self, run, blocked):
        """A call of 300 ms threshold has lasted for ten times that: an action after 1 s is due."""
        wait_until(lambda: [e for e in run.events("still") if e["ref"] == blocked["seq"]], "still")

    def begin_deadlock(self, action, script=DEADLOCK, **settings):
        return self.begin("parent", script, PIPESHIM_ACTION=action,
                          **{"PIPESHIM_ACTION_AFTER": "1s", **settings})

    def assert_action(self, run, action):
        event = run.wait_for("action")[0]
        deadlock = run.wait_for("deadlock")[0]
        self.assertEqual((event["action"], event["ref"], event["pid"]),
                         (action, deadlock["seq"], run.process.pid))
        return event

    def wait_for_stuck_write(self, run, count=1):
        """Not a file of Python's own, which a slow disk may well hold up. The last of them."""
        def told():
            found = [e for e in run.events("blocked") if e["class"] == "pipe_write"]
            return found[count - 1] if len(found) >= count else None
        return wait_until(told, "stuck write")

    def set(self, run, *assignments):
        done = subprocess.run([TOOL, "set", str(run.process.pid), *assignments],
                              capture_output=True, text=True, timeout=DEADLINE_S)
        self.assertEqual(done.returncode, 0, done.stderr)

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

    def test_a_third_look_that_finds_it_no_more(self):
        """The call still hangs; but somebody else has the pipe open now, and may read."""
        run = self.begin_deadlock("term", PIPESHIM_ACTION_AFTER="3600s")
        deadlock = run.wait_for("deadlock")[0]
        child = [m["pid"] for m in deadlock["chain"] if m["pid"] != run.process.pid][0]
        with open("/proc/%d/fd/1" % child, "rb", buffering=0) as pipe:
            self.set(run, "action_after=1s")
            self.wait_until_due()
            self.assertIsNone(run.process.poll())
            self.assertEqual(run.events("action"), [])
            while pipe.read(65536):
                pass
        self.assertEqual(run.process.wait(DEADLINE_S), 0)

    def test_a_third_look_that_finds_another_deadlock(self):
        """What was told may be read by somebody now; that a neighbour hangs is no reason to act for it."""
        run = self.begin_deadlock("term", NEIGHBOUR + DEADLOCK, PIPESHIM_ACTION_AFTER="3600s")
        deadlock = run.wait_for("deadlock")[0]
        child = [m["pid"] for m in deadlock["chain"] if m["pid"] != run.process.pid][0]
        neighbour = int(os.read(run.readers[0], 20))
        wait_until(lambda: any(sleeps_in_write(pid) for pid in children(neighbour)), "neighbour that hangs")
        with open("/proc/%d/fd/1" % child, "rb", buffering=0):
            self.set(run, "action-after=1s")
            self.wait_until_due()
            self.assertIsNone(run.process.poll())
            self.assertEqual(run.events("action"), [])

    def test_another_wait_in_the_same_place(self):
        """The same call of the same thread, for another child: it is told, and its time begins anew."""
        run = self.begin_deadlock("term", CHILD_AFTER_CHILD, PIPESHIM_ACTION_AFTER="3600s")
        deadlock = run.wait_for("deadlock")[0]
        child = [m["pid"] for m in deadlock["chain"] if m["pid"] != run.process.pid][0]
        killed_at = time.time()
        os.kill(child, signal.SIGKILL)
        other = run.wait_for("deadlock", 2)[1]
        self.set(run, "action-after=2s")
        event = run.wait_for("action")[0]
        self.assertEqual(event["ref"], other["seq"])
        self.assertGreater(seconds(event) - killed_at, 1.99)

    def test_a_place_where_it_was_served_before(self):
        """The time counts from when it got stuck, not from when it first waited there."""
        began = os.path.join(self.temporary_folder(), "began")
        run = self.begin("parent", SERVED, began, PIPESHIM_ACTION="term", PIPESHIM_ACTION_AFTER="3s")
        event = self.assert_action(run, "term")
        stuck_at = float(read_text(began))
        self.assertGreater(seconds(event) - stuck_at, 2.99)
        told = run.events("deadlock")[0]
        self.assertLess(told["blocked_ms"], (seconds(told) - stuck_at) * 1000 + 10)

    def test_not_of_what_is_not_named(self):
        """The twin: the same deadlock, of which only the log tells."""
        for settings in ({"PIPESHIM_ACTION_ON": "lag,no_reader"}, {"PIPESHIM_ACTION_AFTER": "3600s"}):
            run = self.begin_deadlock("term", **settings)
            run.wait_for("deadlock")
            self.wait_until_due()
            self.assertIsNone(run.process.poll())
            self.assertEqual(run.events("action"), [])

    def test_not_of_a_fifo_whose_reader_may_come(self):
        """It is told as no_reader, which is a reason by default."""
        fifo = os.path.join(self.temporary_folder(), "fifo")
        os.mkfifo(fifo)
        run = self.begin_deadlock("term", "open(%r, 'w')" % fifo)
        finding = run.wait_for("finding")[0]
        self.assertEqual((finding["kind"], finding["certainty"]), ("no_reader", "likely"))
        self.wait_until_due()
        self.assertIsNone(run.process.poll())
        self.assertEqual(run.events("action"), [])
        os.close(os.open(fifo, os.O_RDONLY))
        self.assertEqual(run.process.wait(DEADLINE_S), 0)

    def test_blocked_when_it_is_asked_for(self):
        run = self.begin_deadlock("term", script=SLOW, PIPESHIM_ACTION_ON="blocked")
        blocked = self.wait_for_stuck_write(run)
        event = run.wait_for("action")[0]
        self.assertEqual((event["action"], event["ref"]), ("term", blocked["seq"]))
        self.assertEqual(run.process.wait(DEADLINE_S), -signal.SIGTERM)

    def test_lag_when_it_is_asked_for(self):
        run = self.begin_deadlock("term", LAG, PIPESHIM_LOOP="main", PIPESHIM_ACTION_ON="lag")
        event = run.wait_for("action")[0]
        self.assertEqual((event["action"], event["ref"]), ("term", run.events("lag")[-1]["seq"]))
        self.assertEqual(run.process.wait(DEADLINE_S), -signal.SIGTERM)

    def test_lag_of_a_loop_that_one_call_holds(self):
        """It is told as `blocked`, and is a loop that is away all the same."""
        out = os.path.join(self.temporary_folder(), "out")
        run = self.begin_deadlock("exec:cat > %s; echo $PIPESHIM_EVENT >> %s" % (out, out), HELD,
                                  PIPESHIM_LOOP="main", PIPESHIM_ACTION_ON="lag")
        event = run.wait_for("action")[0]
        cause = next(e for e in run.events() if e["seq"] == event["ref"])
        if cause["event"] != "lag":  # a busy machine made it late before
            self.assertEqual((cause["event"], cause["loop"], cause["class"]), ("blocked", True, "pipe_read"))
        self.assertEqual((event["action"], event["tid"], event["result"]),
                         ("exec", run.process.pid, "exit 0"))
        told, name = read_text(out).splitlines()
        told = json.loads(told)
        self.assertEqual((told["event"], told["seq"], told["cause"], name),
                         ("lag", event["ref"], "pipe_read", "lag"))
        self.assertGreaterEqual(told["lag_ms"], 1000)

    def test_a_loop_that_comes_back(self):
        """The twin: it was away, and is not when the action would be due."""
        run = self.begin_deadlock("term", HELD, PIPESHIM_LOOP="main", PIPESHIM_ACTION_ON="lag",
                                  PIPESHIM_ACTION_AFTER="3600s")
        wait_until(lambda: [e for e in run.events("blocked") if e["class"] == "pipe_read"], "stuck read")
        self.set(run, "threshold=600s")  # a busy machine makes loops late
        run.process.stdin.write(b"on\n")
        run.process.stdin.flush()
        run.wait_for("lag_end")
        self.set(run, "action-after=1s")
        self.wait_until_due()
        self.assertIsNone(run.process.poll())
        self.assertEqual(run.events("action"), [])

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

    def test_lag_is_no_reason_by_itself(self):
        run = self.begin_deadlock("term", LAG, PIPESHIM_LOOP="main")
        run.wait_for("lag")
        self.wait_until_due()
        self.assertIsNone(run.process.poll())
        self.assertEqual(run.events("action"), [])

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

    def test_a_debugger_is_attached(self):
        """Nothing while it is, and what was due when it has left."""
        libc = ctypes.CDLL(None, use_errno=True)
        run = self.begin_deadlock("term")
        self.assertEqual(libc.ptrace(PTRACE_SEIZE, run.process.pid, None, None), 0,
                         os.strerror(ctypes.get_errno()))
        run.wait_for("deadlock")
        self.wait_until_due()
        self.assertIsNone(run.process.poll())
        self.assertEqual(run.events("action"), [])
        # A tracee can be left only while it stands.
        self.assertEqual(libc.ptrace(PTRACE_INTERRUPT, run.process.pid, None, None), 0)
        os.waitpid(run.process.pid, 0)
        self.assertEqual(libc.ptrace(PTRACE_DETACH, run.process.pid, None, None), 0)
        self.assert_action(run, "term")
        self.assertEqual(run.process.wait(DEADLINE_S), -signal.SIGTERM)

    def test_a_process_that_was_stopped(self):
        """SIGSTOP for longer than the time is no reason: it begins anew, and is not forgotten."""
        stopped_s = after_s = 7
        run = self.begin_deadlock("term", PIPESHIM_ACTION_AFTER="3600s")
        run.wait_for("deadlock")
        os.kill(run.process.pid, signal.SIGSTOP)
        wait_until(lambda: "State:\tT" in read_text("/proc/%d/status" % run.process.pid), "a stop")
        time.sleep(stopped_s)  # for how long it is stopped at least, nothing that is waited for
        continued = datetime.datetime.now(datetime.timezone.utc)
        os.kill(run.process.pid, signal.SIGCONT)
        self.set(run, "action-after=%ds" % after_s)
        event = self.assert_action(run, "term")
        acted = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
        self.assertGreater((acted - continued).total_seconds(), after_s - 0.1)

    def address_of(self, pid, symbol):
        """Of a variable that the library does not export: its symbol table has it."""
        out = subprocess.run(["nm", LIBRARY], check=True, capture_output=True, text=True).stdout
        found = [line.split()[0] for line in out.splitlines() if line.endswith(" " + symbol)]
        if not found:
            self.skipTest("the library has no symbol table")
        with open("/proc/%d/maps" % pid) as file:
            base = next(int(line.split("-")[0], 16) for line in file if "libpipeshim" in line)
        return base + int(found[0], 16)

    def test_a_machine_that_slept(self):
        """The clock that goes on while a machine sleeps is an hour ahead in a time namespace: it has
        slept for that hour as soon as the watchdog has not seen it."""
        apart = ["unshare", "-T", "-f", "--boottime", "3600"]
        if subprocess.run([*apart, "true"], capture_output=True).returncode != 0:
            self.skipTest("no time namespace")
        waited_s = after_s = 7
        for sleeps in (False, True):
            with self.subTest(sleeps=sleeps):
                run = self.begin("parent", DEADLOCK, before=apart, PIPESHIM_ACTION="term",
                                 PIPESHIM_ACTION_AFTER="3600s")
                pid = run.wait_for("deadlock")[0]["pid"]
                time.sleep(waited_s)  # how old it is at least, nothing that is waited for
                slept_at = datetime.datetime.now(datetime.timezone.utc)
                if sleeps:
                    with open("/proc/%d/mem" % pid, "r+b", buffering=0) as memory:
                        memory.seek(self.address_of(pid, "disturbance") + 16)  # .slept
                        self.assertEqual(int.from_bytes(memory.read(8), "little") // 10**9, 3600)
                        memory.seek(self.address_of(pid, "disturbance") + 16)
                        memory.write(bytes(8))
                done = subprocess.run([TOOL, "set", str(pid), "action-after=%ds" % after_s],
                                      capture_output=True, text=True, timeout=DEADLINE_S)
                self.assertEqual(done.returncode, 0, done.stderr)
                event = run.wait_for("action")[0]
                acted = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
                if sleeps:
                    self.assertGreater((acted - slept_at).total_seconds(), after_s - 0.1)

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

    def test_an_action_that_is_set_later(self):
        """Of a deadlock that was reported before; and not of what the new setting does not name."""
        for settings, acts in ((["action-on=deadlock"], True), (["action-on=no_reader"], False)):
            with self.subTest(settings):
                run = self.begin_deadlock("log")
                run.wait_for("deadlock")
                self.set(run, "action=term", "action-after=10ms", *settings)
                if acts:
                    self.assert_action(run, "term")
                    self.assertEqual(run.process.wait(DEADLINE_S), -signal.SIGTERM)
                else:
                    self.wait_until_due()
                    self.assertIsNone(run.process.poll())
                    self.assertEqual(run.events("action"), [])

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
