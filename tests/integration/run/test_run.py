# SPDX-License-Identifier: MIT
"""pipeshim run: what passes through it."""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from run_case import DEADLINE, LIBRARY, TOOL, RunTest, state_of  # noqa: E402

SANITIZE = os.environ.get("SANITIZE", "")


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
        shutil.copy(self.empty, installed)
        done = subprocess.run([alone, "run", "sh", "-c", "echo $LD_PRELOAD"], capture_output=True, text=True,
                              check=True, env=self.environment)
        self.assertEqual(done.stdout, os.path.realpath(installed) + "\n")

    @unittest.skipIf("address" in SANITIZE, "ASan insists on being the first to be preloaded")
    def test_existing_preload_stays(self):
        other = os.path.join(self.folder, "other.so")
        shutil.copy(self.empty, other)
        self.environment["LD_PRELOAD"] = other
        done = self.run_tool("sh", "-c", "echo $LD_PRELOAD")
        self.assertEqual(done.stdout, f"{self.empty}:{other}\n")

    def test_every_option_sets_its_variable(self):
        help_text = subprocess.run([TOOL, "run", "--help"], capture_output=True, text=True, check=True).stdout
        rows = re.findall(r"^  --([a-z-]+) (\S*) +(PIPESHIM\w*) ", help_text, re.M)
        with open(os.path.join(os.path.dirname(__file__), "../../../shim/config/settings.def")) as file:
            known = re.findall(r'^SETTING\(\w+, "(\w+)", (\w+), +"([^"]*)"', file.read(), re.M)
        self.assertEqual({name for _, _, name in rows}, {name for name, _, _ in known})
        samples = {"DURATION": "2s", "TEXT": "text", "FDS": "2", "NAMES": "worker", "LABELS": "service=api"}
        samples["CHOICE"] = "dev"  # PIPESHIM_PRESET, the only one without a default
        values = {name: default or samples[kind] for name, kind, default in known}
        values["PIPESHIM_SUPPRESS"] = os.path.realpath(__file__)
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


if __name__ == "__main__":
    unittest.main(verbosity=2)
