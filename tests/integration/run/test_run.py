# SPDX-License-Identifier: MIT
"""pipeshim run: what passes through it, and what it says about the program it ran."""
import errno
import fcntl
import glob
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from log_maker import Process, frame, pipe  # noqa: E402

BUILD = os.path.abspath(os.environ.get("PIPESHIM_BUILD", "build"))
TOOL = os.path.join(BUILD, "pipeshim")
LIBRARY = os.path.join(BUILD, "libpipeshim.so")
SANITIZE = os.environ.get("SANITIZE", "")
DEADLINE = 120.0

# A library that does nothing: run itself is tested without the real one, so that a failure points
# at one of the two. In a program that is preloaded with it nothing but LD_PRELOAD differs.
EMPTY = None


def setUpModule():
    global EMPTY
    folder = tempfile.mkdtemp(prefix="pipeshim-test-")
    unittest.addModuleCleanup(shutil.rmtree, folder)
    EMPTY = os.path.join(folder, "empty.so")
    subprocess.run(["cc", "-shared", "-o", EMPTY, "-x", "c", "/dev/null"], check=True)


class RunTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pipeshim-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.temporary = os.path.join(self.folder, "tmp")
        os.mkdir(self.temporary)
        self.environment = {key: value for key, value in os.environ.items()
                            if not key.startswith("PIPESHIM") and key != "LD_PRELOAD"}
        self.environment["TMPDIR"] = self.temporary

    def arguments(self, *arguments, library=None):
        return [TOOL, "run", "--library", library or EMPTY, *arguments]

    def start(self, *arguments, library=None, **more):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                   "env": self.environment, "text": True, **more}
        process = subprocess.Popen(self.arguments(*arguments, library=library), **options)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def run_tool(self, *arguments, library=None, **more):
        options = {"stdin": subprocess.DEVNULL, "env": self.environment, "text": True, **more}
        return subprocess.run(self.arguments(*arguments, library=library), capture_output=True,
                              timeout=60, **options)

    def wait_until(self, condition, what):
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.01)
        self.fail(f"not within {DEADLINE} s: {what}")

    def only_child_of(self, pid):
        def look():
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
                found = children.read().split()
            return int(found[0]) if found else None
        return self.wait_until(look, "the child's start")


def state_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return None


class PassThrough(RunTest):
    def test_exit_status_and_output(self):
        done = self.run_tool("--", "sh", "-c", "echo out; echo err >&2; exit 7")
        self.assertEqual((done.returncode, done.stdout), (7, "out\n"))
        self.assertTrue(done.stderr.startswith("err\n"), done.stderr)
        last = done.stderr.splitlines()[1:]
        self.assertTrue(last and all(line.startswith("pipeshim: ") for line in last), done.stderr)

    def test_arguments_reach_the_program_as_they_are(self):
        done = self.run_tool("printf", "%s|", "--json", "a b", "", "--", "*", "--help")
        self.assertEqual(done.stdout, "--json|a b||--|*|--help|")

    def test_death_by_signal_is_the_same_death(self):
        for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGABRT, signal.SIGINT):
            done = self.run_tool("sh", "-c", f"ulimit -c 0; kill -{int(number)} $$")
            self.assertEqual(done.returncode, -number)

    def test_signals_sent_to_it_reach_the_program(self):
        # USR1 and HUP are counted, TERM ends it with a status of its own.
        script = ("trap 'echo usr1' USR1; trap 'echo hup' HUP; trap 'echo term; exit 3' TERM;"
                  "echo ready; while :; do sleep 0.05; done")
        process = self.start("sh", "-c", script)
        self.assertEqual(process.stdout.readline(), "ready\n")
        for number, answer in ((signal.SIGUSR1, "usr1\n"), (signal.SIGHUP, "hup\n"), (signal.SIGTERM, "term\n")):
            process.send_signal(number)
            self.assertEqual(process.stdout.readline(), answer)
        self.assertEqual(process.wait(DEADLINE), 3)

    def test_a_signal_that_ends_the_program_ends_it_once(self):
        process = self.start("sleep", "60")
        child = self.only_child_of(process.pid)
        self.wait_until(lambda: os.path.basename(os.readlink(f"/proc/{child}/exe")) != "pipeshim", "exec")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(DEADLINE), -signal.SIGINT)
        self.assertIsNone(state_of(child))

    @unittest.skipIf("thread" in SANITIZE, "TSan's own thread changes the disposition of signal 33")
    def test_signal_settings_are_inherited_unchanged(self):
        show = ["grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status"]

        def settings():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        bare = subprocess.run(show, capture_output=True, text=True, check=True,
                              preexec_fn=settings).stdout
        self.assertEqual(self.run_tool(*show, preexec_fn=settings).stdout, bare)

    def test_stdin_is_the_program_s(self):
        data = os.urandom(300000).hex()
        self.assertEqual(self.run_tool("cat", input=data, stdin=None).stdout, data)

    def test_file_descriptors_are_inherited_and_none_is_added(self):
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        self.addCleanup(os.close, write_end)
        command = ["ls", "/proc/self/fd"]
        bare = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
                              pass_fds=(write_end,)).stdout
        self.assertEqual(self.run_tool(*command, pass_fds=(write_end,)).stdout, bare)

    def test_no_command(self):
        missing = self.run_tool("./no-such-program")
        self.assertEqual(missing.returncode, 127)
        self.assertIn("./no-such-program: No such file", missing.stderr)
        self.assertEqual(self.run_tool("no-such-program-in-path").returncode, 127)
        self.assertEqual(self.run_tool("/etc/passwd").returncode, 126)
        self.assertEqual(os.listdir(self.temporary), [])

    def test_wrong_use(self):
        for arguments in ([], ["--"], ["--bogus", "true"], ["--threshold"], ["--json=1", "true"], [""]):
            done = self.run_tool(*arguments)
            self.assertEqual((done.returncode, done.stderr.count("\n"), done.stdout), (64, 1, ""), arguments)
        for arguments in ([TOOL], [TOOL, "nonsense"], [TOOL, "--nonsense"]):
            done = subprocess.run(arguments, capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (64, 1))
        for arguments in (["--help"], ["--version"], ["run", "--help"], ["run", "--version"]):
            done = subprocess.run([TOOL, *arguments], capture_output=True, text=True, check=True)
            self.assertIn("pipeshim", done.stdout)

    def test_missing_library(self):
        done = self.run_tool("true", library="/no/such.so")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (69, 1))
        alone = os.path.join(self.folder, "bin", "pipeshim")
        os.mkdir(os.path.dirname(alone))
        shutil.copy(TOOL, alone)
        done = subprocess.run([alone, "run", "true"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 69)
        os.mkdir(os.path.join(self.folder, "lib"))  # as make install puts it
        installed = os.path.join(self.folder, "lib", "libpipeshim.so")
        shutil.copy(EMPTY, installed)
        done = subprocess.run([alone, "run", "sh", "-c", "echo $LD_PRELOAD"], capture_output=True, text=True,
                              check=True, env=self.environment)
        self.assertEqual(done.stdout, os.path.realpath(installed) + "\n")

    @unittest.skipIf("address" in SANITIZE, "ASan insists on being the first to be preloaded")
    def test_existing_preload_stays(self):
        other = os.path.join(self.folder, "other.so")
        shutil.copy(EMPTY, other)
        self.environment["LD_PRELOAD"] = other
        done = self.run_tool("sh", "-c", "echo $LD_PRELOAD")
        self.assertEqual(done.stdout, f"{EMPTY}:{other}\n")

    def test_every_option_sets_its_variable(self):
        help_text = subprocess.run([TOOL, "run", "--help"], capture_output=True, text=True, check=True).stdout
        rows = re.findall(r"^  --([a-z-]+) (\S*) +(PIPESHIM\w*) ", help_text, re.M)
        with open(os.path.join(os.path.dirname(__file__), "../../../shim/config/settings.def")) as file:
            known = re.findall(r'^SETTING\(\w+, "(\w+)", (\w+), +"([^"]*)"', file.read(), re.M)
        self.assertEqual({name for _, _, name in rows}, {name for name, _, _ in known})
        samples = {"DURATION": "2s", "TEXT": "text", "FDS": "2", "NAMES": "worker", "LABELS": "service=api"}
        samples["CHOICE"] = "dev"  # PIPESHIM_PRESET, the only one without a default
        values = {name: default or samples[kind] for name, kind, default in known}
        for option, value, name in rows:
            given = [f"--{option}"] + ([values[name]] if value else [])
            if name == "PIPESHIM_LOG":
                given[1] = values[name] = os.path.join(self.folder, "a log")
            else:
                given += ["--log", os.path.join(self.folder, "log")]
            expected = {"off": "off", "json": "json"}.get(option, values[name])
            done = self.run_tool(*given, "--", "printenv", name)
            self.assertEqual(done.stdout, expected + "\n", option)

    def test_a_preset_asks_for_its_log(self):
        """ci: a file for each process, in JSON, which the summary at the end is read from."""
        self.environment.pop("PIPESHIM_LOG", None)
        done = self.run_tool("--preset", "ci", "--summary", "always", "--", "printenv", "PIPESHIM_LOG",
                             "PIPESHIM_FORMAT", "PIPESHIM_PRESET", library=LIBRARY,
                             cwd=self.folder)
        self.assertEqual(done.stdout, "pipeshim-%e-%p.jsonl\njson\nci\n")
        logs = glob.glob(os.path.join(self.folder, "pipeshim-printenv-*.jsonl"))
        self.assertEqual(len(logs), 1)
        with open(logs[0]) as file:
            start = json.loads(file.readline())
        self.assertEqual(start["event"], "start")
        self.assertEqual(start["config"]["PIPESHIM_PRESET"], "ci")
        self.assertEqual(start["config"]["PIPESHIM_THRESHOLD"], "250ms")
        wrong = self.run_tool("--preset", "prod", "--", "true")
        self.assertEqual(wrong.returncode, 64)
        self.assertIn("expected dev or ci or canary", wrong.stderr)

    def test_environment_stays_without_options(self):
        self.environment["PIPESHIM_THRESHOLD"] = "3s"
        self.assertEqual(self.run_tool("printenv", "PIPESHIM_THRESHOLD").stdout, "3s\n")
        self.assertEqual(self.run_tool("--threshold", "1s", "printenv", "PIPESHIM_THRESHOLD").stdout, "1s\n")


class Terminal(RunTest):
    """Job control and window size, with run as the foreground job of a terminal."""

    def start_in_terminal(self, *arguments):
        """Returns (pid, master); the tool leads the terminal's foreground group, a shell in place of
        this test leads the session, as in real life: an orphaned group would ignore ^Z."""
        pid, master = pty.fork()
        if pid == 0:
            try:
                os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"],
                          dict(self.environment, PS1="prompt> ", TERM="dumb", HISTFILE=""))
            finally:
                os._exit(127)
        self.addCleanup(self.end_terminal, pid, master)
        self.unread = ""
        self.read_until(master, "prompt> ")
        words = " ".join("'" + word.replace("'", "'\\''") + "'" for word in self.arguments(*arguments))
        os.write(master, words.encode() + b"\n")
        return pid, master

    def end_terminal(self, pid, master):
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.close(master)  # hangs up whatever is left of the session
        os.waitpid(pid, 0)

    def read_until(self, master, wanted):
        """What the terminal shows up to and with `wanted`; what follows is left for the next call."""
        deadline = time.monotonic() + DEADLINE
        while wanted not in self.unread:
            if not select.select([master], [], [], max(0, deadline - time.monotonic()))[0]:
                self.fail(f"no {wanted!r} within {DEADLINE} s, but {self.unread!r}")
            try:
                self.unread += os.read(master, 4096).decode(errors="replace")
            except OSError as error:
                self.assertEqual(error.errno, errno.EIO)
                self.fail(f"the terminal is gone; {self.unread!r}")
        end = self.unread.index(wanted) + len(wanted)
        seen, self.unread = self.unread[:end], self.unread[end:]
        return seen

    def test_interrupt_reaches_the_program_once(self):
        # The program counts: a second copy, passed on by run, would come a moment after the first.
        script = ("import signal\n"
                  "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
                  "print('rea' + 'dy', flush=True)\n"
                  "came = [signal.sigwaitinfo([signal.SIGINT])]\n"
                  "while more := signal.sigtimedwait([signal.SIGINT], 0.5):\n"
                  "    came.append(more)\n"
                  "print('ca' + 'me', [one.si_pid for one in came])\n")
        path = os.path.join(self.folder, "count.py")
        with open(path, "w", encoding="utf-8") as out:
            out.write(script)
        _, master = self.start_in_terminal("/usr/bin/python3", path)
        self.read_until(master, "ready")
        os.write(master, b"\x03")
        self.read_until(master, "came [0]")  # one, and from the kernel
        self.read_until(master, "prompt> ")

    def test_stop_and_continue(self):
        script = "trap 'echo co''ntinued' CONT; echo re''ady $$; while :; do sleep 0.05; done"
        _, master = self.start_in_terminal("bash", "-c", script)
        self.read_until(master, "ready ")
        program = int(self.read_until(master, "\n"))
        with open(f"/proc/{program}/stat", encoding="ascii") as stat:
            tool = int(stat.read().rsplit(")", 1)[1].split()[1])
        os.write(master, b"\x1a")
        self.read_until(master, "Stopped")
        self.assertEqual((state_of(tool), state_of(program)), ("T", "T"))
        os.write(master, b"fg\n")
        self.read_until(master, "continued")
        self.wait_until(lambda: state_of(tool) != "T", "run goes on")
        os.write(master, b"\x03")
        self.read_until(master, "prompt> ")
        self.wait_until(lambda: state_of(tool) is None and state_of(program) is None, "both end")

    def test_the_program_owns_the_terminal(self):
        script = ("trap 'stty size' WINCH; read -r line; echo \"got $line\"; while :; do sleep 0.05; done")
        _, master = self.start_in_terminal("bash", "-c", script)
        os.write(master, b"hello\n")
        self.read_until(master, "got hello")
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 88, 0, 0))
        self.read_until(master, "44 88")


class Reports(RunTest):
    """What the library would write, written by the program itself into the log that run made."""

    def script_of(self, name, *processes):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            for process in processes:
                out.writelines(json.dumps(event) + "\n" for event in process.events)
                process.events.clear()
        return path

    def engine(self):
        engine = Process(77, "engine")
        engine.start(0)
        report = engine.blocked(1, fd=2, object="pipe:[5]", stack=[frame("log_line")], advice="drain it",
                                pipe=pipe(peers=[{"pid": 9, "comm": "parent", "waits_in": "read fd 3"}]))
        return engine, report

    def test_reports_are_shown_while_the_call_hangs_and_the_summary_comes_last(self):
        engine, report = self.engine()
        first = self.script_of("first", engine)
        engine.unblocked(report, 1, 2500)
        second = self.script_of("second", engine)
        process = self.start("sh", "-c", 'cat "$0" >>"$PIPESHIM_LOG"; read x; cat "$1" >>"$PIPESHIM_LOG"; exit 5',
                             first, second, stdin=subprocess.PIPE)
        seen = process.stderr.readline()  # it hangs now, and is reported
        self.assertIn("BLOCKED engine[77] 100.0 ms in write(fd 2) on pipe:[5]: full 65536 of 65536 bytes", seen)
        for words in ("reader: parent[9], which waits in read fd 3", "fix: drain it", "stack, taken", "#0 log_line"):
            self.assertIn(words, process.stderr.readline())
        self.assertIsNone(process.poll())
        process.stdin.write("\n")
        process.stdin.close()
        process.stdin = None
        rest = process.stderr.read().splitlines()
        self.assertIn("RESOLVED engine[77] after 2500.0 ms", rest[0])
        self.assertEqual(rest[1], "pipeshim: 1 process watched, 1 call blocked, 2.50 s in all")
        self.assertIn("2.50 s in 1 call, longest 2.50 s: engine write pipe:[5], in log_line", rest[2])
        self.assertEqual(process.wait(DEADLINE), 5)
        self.assertEqual(os.listdir(self.temporary), [])

    def test_json_is_passed_on_line_by_line(self):
        engine, _ = self.engine()
        wanted = list(engine.events)
        done = self.run_tool("--json", "sh", "-c", 'cat "$0" >>"$PIPESHIM_LOG"', self.script_of("log", engine))
        self.assertEqual([json.loads(line) for line in done.stderr.splitlines()], wanted)

    def test_summary_of_a_log_of_the_user_s_counts_this_run_only(self):
        engine, _ = self.engine()
        log = self.script_of("log.jsonl", engine)
        before = open(log, "rb")
        self.addCleanup(before.close)
        old = before.read()
        again, report = self.engine()
        again.unblocked(report, 1, 700)
        added = self.script_of("added", again)
        done = self.run_tool("--json", "--log", os.path.join(self.folder, "log.%h"), "sh", "-c", 'cat "$0" >>"$1"',
                             added, log)
        self.assertEqual(done.stderr.splitlines()[0],
                         "pipeshim: 1 process watched, 1 call blocked, 700 ms in all")
        with open(log, "rb") as now:
            self.assertTrue(now.read().startswith(old))

    def test_summary_of_a_text_log_is_shown_again(self):
        log = os.path.join(self.folder, "log")
        with open(log, "w", encoding="utf-8") as out:
            out.write("pipeshim: SUMMARY old[1] ran 1 ms\n  an old line\n")
        text = ("pipeshim: BLOCKED engine[77] 1 ms in write(fd 2)\n  fix: drain it\n"
                "pipeshim: SUMMARY engine[77] ran 5 ms\n  write: 1 times\npipeshim: START engine[78]\n")
        done = self.run_tool("--log", log, "sh", "-c", 'printf %s "$0" >>"$1"', text, log)
        self.assertEqual(done.stderr, "pipeshim: SUMMARY engine[77] ran 5 ms\n  write: 1 times\n"
                                      f"pipeshim: all reports are in {log}\n")

    def test_clean_run_says_so_in_one_line(self):
        engine = Process(77, "engine")
        engine.start(0)
        done = self.run_tool("sh", "-c", 'cat "$0" >>"$PIPESHIM_LOG"', self.script_of("log", engine))
        self.assertEqual(done.stderr, "pipeshim: 1 process watched, no call blocked for longer than its threshold\n")
        self.assertIn("no program was watched", self.run_tool("true").stderr)
        self.assertEqual(self.run_tool("--summary", "off", "true").stderr, "")
        self.assertEqual(self.run_tool("--off", "true").stderr, "")

    def test_a_full_stderr_that_nobody_reads_does_not_hold_it_up(self):
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        os.set_blocking(write_end, False)
        try:
            while True:
                os.write(write_end, b"x" * 4096)
        except BlockingIOError:
            pass
        os.set_blocking(write_end, True)
        engine, _ = self.engine()
        process = self.start("sh", "-c", 'cat "$0" >>"$PIPESHIM_LOG"; exit 4', self.script_of("log", engine),
                             stderr=write_end)
        os.close(write_end)
        self.assertEqual(process.wait(DEADLINE), 4)
        # Nor was the pipe, which the program shares, switched to non-blocking.
        self.assertEqual(fcntl.fcntl(read_end, fcntl.F_GETFL) & os.O_NONBLOCK, 0)

    def test_a_long_run_does_not_fill_the_disk(self):
        engine, _ = self.engine()
        line = json.dumps(dict(engine.events[-1], filler="x" * 20000))
        script = ('import os, sys, time\n'
                  'with open(os.environ["PIPESHIM_LOG"], "a") as log:\n'
                  '    for i in range(1000):\n'
                  '        log.write(sys.argv[1] + "\\n")\n'
                  '        log.flush()\n'
                  'print("written", flush=True)\n'
                  'sys.stdin.read()\n')
        process = self.start(sys.executable, "-c", script, line, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.assertEqual(process.stdout.readline(), "written\n")
        log = os.path.join(self.temporary, os.listdir(self.temporary)[0], "log.jsonl")
        self.assertGreater(os.stat(log).st_size, 19 << 20)
        self.wait_until(lambda: os.stat(log).st_blocks * 512 < 4 << 20, "what was read is given back")


@unittest.skipUnless(os.path.exists(LIBRARY), "libpipeshim.so is not built")
class RealLibrary(RunTest):
    WRITER = ("import os, sys\n"
              "def write_memory():\n"
              "    os.write(2, b'x' * 300000)\n"
              "write_memory()\n"
              "print('done')\n")

    def arguments(self, *arguments, library=None):
        return [TOOL, "run", *arguments]

    def read(self, path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    def test_a_write_to_a_full_pipe_is_reported_while_it_hangs(self):
        log = os.path.join(self.folder, "log.jsonl")
        process = self.start("--json", "--log", log, "/usr/bin/python3", "-c", self.WRITER)

        def blocked():
            if not os.path.exists(log):
                return None
            with open(log, encoding="utf-8") as lines:
                return [line for line in lines if '"blocked"' in line]
        report = json.loads(self.wait_until(blocked, "the report")[0])
        self.assertEqual((report["class"], report["fd"]), ("pipe_write", 2))
        self.assertIsNone(process.poll())
        _, said = process.communicate(timeout=DEADLINE)  # now stderr is read
        self.assertEqual(process.returncode, 0)
        summary = said[said.index("pipeshim: "):]
        self.assertRegex(summary, r"pipeshim: \d+ process(es)? watched, \d+ calls? blocked")
        self.assertIn("write", summary)

    def test_the_default_shows_the_report_and_the_summary(self):
        # The parent drains the child's stderr late; what run says goes to its own stderr meanwhile.
        parent = ("import subprocess, sys\n"
                  "child = subprocess.Popen([sys.executable, '-c', 'import os; os.write(2, bytes(200000))'],\n"
                  "                         stderr=subprocess.PIPE)\n"
                  "sys.stdin.read(1)\n"
                  "print(len(child.stderr.read()), child.wait())\n")
        process = self.start("/usr/bin/python3", "-c", parent, stdin=subprocess.PIPE)
        seen = process.stderr.readline()
        self.assertRegex(seen, r"^pipeshim: BLOCKED python3\S*\[\d+\] .* in write\(fd 2, 200000 bytes\) on pipe:")
        out, said = process.communicate("x", timeout=DEADLINE)
        self.assertEqual((process.returncode, out), (0, "200000 0\n"))
        self.assertRegex(said, r"pipeshim: RESOLVED .*(.*\n)*pipeshim: 2 processes watched, 1 call blocked")

    def test_it_says_what_the_text_log_says(self):
        parent = ("import subprocess, sys\n"
                  "child = subprocess.Popen([sys.executable, '-c', 'import os; os.write(2, bytes(200000))'],\n"
                  "                         stderr=subprocess.PIPE)\n"
                  "sys.stdin.read(1)\n"
                  "print(len(child.stderr.read()), child.wait())\n")
        log = os.path.join(self.folder, "log")
        live = self.start("/usr/bin/python3", "-c", parent, stdin=subprocess.PIPE)
        seen = live.stderr.readline()  # it hangs now
        live.stdin.write("x")
        live.stdin.close()
        seen += live.stderr.read()
        logged = self.start("--log", log, "/usr/bin/python3", "-c", parent, stdin=subprocess.PIPE)
        self.wait_until(lambda: os.path.exists(log) and "BLOCKED" in self.read(log), "the report")
        logged.communicate("x", timeout=DEADLINE)

        def lines(text):  # numbers differ
            return re.sub(r"0x[0-9a-f]+|\d+(\.\d+)?", "N", text).splitlines()
        shown = lines(seen)
        shown = shown[:[line.startswith("pipeshim: RESOLVED") for line in shown].index(True) + 1]
        self.assertGreater(len(shown), 5)
        self.assertEqual([line for line in shown if line not in lines(self.read(log))], [])

    def test_text_log_and_report_tool(self):
        log = os.path.join(self.folder, "log")
        writer = ("(until grep -qi blocked \"$0\" 2>/dev/null; do sleep 0.05; done; cat >/dev/null)"
                  " < <(head -c 300000 /dev/zero); wait $!; "
                  "until grep -qi summary \"$0\"; do sleep 0.05; done")
        done = self.run_tool("--log", log, "bash", "-c", writer, log)
        self.assertEqual(done.returncode, 0)
        self.assertIn("pipeshim: SUMMARY head[", done.stderr)
        json_log = os.path.join(self.folder, "log.jsonl")
        self.run_tool("--json", "--log", json_log, "bash", "-c", writer, json_log)
        done = subprocess.run([TOOL, "report", json_log], capture_output=True, text=True, check=True, timeout=60)
        self.assertRegex(done.stdout, r"1\. .* head: \w+ \(pipe_write\)")


if __name__ == "__main__":
    unittest.main(verbosity=2)
