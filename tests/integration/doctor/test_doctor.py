#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""pipeshim doctor: proves by a stuck pipe that the library works here, and names what does not."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = os.environ["PIPESHIM_BUILD"]
TOOL = os.path.join(BUILD, "pipeshim")
LIBRARY = os.path.join(BUILD, "libpipeshim.so")
DEADLINE_S = 120

# Says that it is there, and then sees nothing.
BLIND = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor)) static void begin(void)
{
    FILE *log = fopen(getenv("PIPESHIM_LOG"), "a");
    fputs("{\"event\":\"start\",\"version\":\"0.0.1\"}\n", log);
    fclose(log);
}
"""


def environment(**settings):
    made = {k: v for k, v in os.environ.items()
            if not k.startswith("PIPESHIM") and k != "LD_PRELOAD"}
    made.update(settings)
    return made


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pipeshim-doctor-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.temporary = self.path("tmp")
        os.mkdir(self.temporary)

    def path(self, name):
        return os.path.join(self.folder, name)

    def build(self, name, source, *options, compiler="cc"):
        with open(self.path(name + ".c"), "w", encoding="ascii") as file:
            file.write(source)
        subprocess.run([compiler, "-w", "-o", self.path(name), self.path(name + ".c"), *options],
                       check=True)
        return self.path(name)

    def doctor(self, *arguments, tool=TOOL, **settings):
        run = subprocess.run([tool, "doctor", *arguments], capture_output=True, text=True,
                             timeout=DEADLINE_S, check=False,
                             env=environment(TMPDIR=self.temporary, **settings))
        self.assertEqual(os.listdir(self.temporary), [], "left behind")
        return run

    def checks(self, *arguments, **settings):
        """Exit status and rows by name."""
        run = self.doctor("--json", *arguments, **settings)
        self.assertEqual(run.stderr, "")
        told = json.loads(run.stdout)
        self.assertEqual(told["ok"], run.returncode == 0)
        return run.returncode, {row["name"]: row for row in told["checks"]}

    def fails(self, name, text, *arguments, **settings):
        status, rows = self.checks(*arguments, **settings)
        failed = [row["name"] for row in rows.values() if row["status"] == "fail"]
        self.assertEqual((status, failed), (1, [name]), rows)
        self.assertRegex(rows[name]["text"], text)
        self.assertTrue(rows[name].get("mend"), rows)
        return rows


class Machine(Case):
    def test_all_is_well(self):
        run = self.doctor()
        self.assertEqual((run.returncode, run.stderr), (0, ""), run.stdout)
        self.assertRegex(run.stdout, r"(?m)^ok    a write that is stuck on a full pipe was reported "
                         r"after \d+ ms$")
        self.assertRegex(run.stdout, r"(?m)^ok    the deadlock with its parent was proved")
        self.assertTrue(run.stdout.endswith(
            "pipeshim doctor: the library loads, sees and reports here\n"))

    def test_facts_of_the_proof(self):
        status, rows = self.checks()
        self.assertEqual(status, 0)
        self.assertNotIn("peers", rows)
        for name in ("loads", "sees", "stack", "deadlock"):
            self.assertEqual(rows[name]["status"], "ok", rows)

    def test_no_library(self):
        tool = shutil.copy(TOOL, self.path("pipeshim"))
        run = self.doctor(tool=tool)
        self.assertEqual(run.returncode, 1)
        self.assertIn("fail  libpipeshim.so was not found", run.stdout)
        self.assertIn("      mend: install it, or name it with --library", run.stdout)

    def test_a_library_that_kills(self):
        library = self.build("libpipeshim.so", "int none(void); int f(void) { return none(); }"
                             "__attribute__((constructor)) static void g(void) { f(); }",
                             "-shared", "-fPIC", "-Wl,-z,now")
        rows = self.fails("loads", "does not run with the library: .*undefined symbol: none",
                          "--library", library)
        self.assertIn("do not preload it", rows["loads"]["mend"])

    def test_a_library_that_is_none(self):
        library = self.path("libpipeshim.so")
        with open(library, "w", encoding="ascii") as file:
            file.write("nothing that could be loaded")
        os.chmod(library, 0o755)
        self.fails("loads", "runs without the library: .*cannot be preloaded", "--library", library)

    def test_a_library_that_sees_nothing(self):
        library = self.build("libpipeshim.so", BLIND, "-shared", "-fPIC")
        rows = self.fails("sees", "was not reported within", "--library", library)
        self.assertEqual(rows["version"]["status"], "warn")
        self.assertIn("is version 0.0.1, this tool is", rows["version"]["text"])

    def test_nothing_to_prove_it_with(self):
        os.mkdir(self.path("bin"))
        status, rows = self.checks(PATH=self.path("bin"))
        self.assertEqual((status, rows["loads"]["status"]), (1, "fail"))
        self.assertIn("no dynamic program", rows["loads"]["text"])

    def test_another_program_serves_where_there_is_no_shell(self):
        os.mkdir(self.path("bin"))
        os.symlink("/usr/bin/perl", self.path("bin/perl"))
        status, rows = self.checks(PATH=self.path("bin"))
        self.assertEqual(status, 0, rows)
        self.assertIn("perl starts with the library", rows["loads"]["text"])

    def test_a_closed_folder(self):
        os.chmod(self.folder, 0o700)
        library = shutil.copy(LIBRARY, self.path("libpipeshim.so"))
        status, rows = self.checks("--library", library)
        self.assertEqual((status, rows["library"]["status"]), (0, "warn"))
        self.assertIn("is closed to other users", rows["library"]["text"])

    def test_ended_early_it_leaves_no_process(self):
        library = self.build("libpipeshim.so", BLIND, "-shared", "-fPIC")
        doctor = subprocess.Popen([TOOL, "doctor", "--library", library],
                                  env=environment(TMPDIR=self.temporary),
                                  stdout=subprocess.DEVNULL)
        mark = "LD_PRELOAD=" + library

        def victims():
            found = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open("/proc/%s/environ" % pid, encoding="utf-8", errors="replace") as file:
                        if mark in file.read().split("\0"):
                            found.append(pid)
                except OSError:
                    pass
            return found

        self.wait(victims, "victim")
        doctor.send_signal(signal.SIGKILL)
        doctor.wait()
        self.wait(lambda: not victims(), "end of the victims")
        shutil.rmtree(self.temporary)

    def wait(self, condition, what):
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, "no " + what)
            time.sleep(0.01)


class Settings(Case):
    def test_off(self):
        self.fails("active", "PIPESHIM=off", PIPESHIM="off")

    def test_a_wrong_value(self):
        self.fails("settings", "PIPESHIM_THRESHOLD=soon: not accepted", PIPESHIM_THRESHOLD="soon")

    def test_settings_of_the_user_do_not_reach_the_proof(self):
        status, rows = self.checks(PIPESHIM_THRESHOLD="600s", PIPESHIM_DRAIN="all",
                                   PIPESHIM_SKIP="*", PIPESHIM_RATE="1/min")
        self.assertEqual((status, rows["sees"]["status"]), (0, "ok"), rows)

    def test_log(self):
        self.fails("log", "there is no folder", PIPESHIM_LOG=self.path("none/%p.jsonl"))
        status, rows = self.checks(PIPESHIM_LOG=self.path("%e.%p.jsonl"))
        self.assertEqual((status, rows["log"]["status"]), (0, "ok"))
        self.fails("log", "descriptor is not open", PIPESHIM_LOG="fd:77")


class Command(Case):
    SOURCE = "int main(int c, char **v) { return c > 5; }"

    def test_a_program_and_a_script(self):
        program = self.build("program", self.SOURCE)
        status, rows = self.checks("--", program, "with", "arguments")
        self.assertEqual((status, rows["program"]["status"]), (0, "ok"), rows)
        script = self.path("script")
        with open(script, "w", encoding="ascii") as file:
            file.write("#!/usr/bin/env perl\nopen(F, '>', '%s');\n" % self.path("was_run"))
        os.chmod(script, 0o755)
        status, rows = self.checks("--", script)
        self.assertEqual((status, rows["program"]["status"]), (0, "ok"), rows)
        self.assertIn("perl", rows["program"]["text"])
        self.assertFalse(os.path.exists(self.path("was_run")))

    def test_a_static_program(self):
        program = self.build("program", self.SOURCE, "-static")
        self.fails("program", "is a static executable", "--", program)

    NOTE = r'''__asm__(".section .note.go.buildid, \"a\"\n.long 4, 8, 4\n"
                     ".ascii \"%s\\0\", \"build-id\"\n.previous");'''

    def test_a_go_program(self):
        """Go's linker leaves a note of that name; this one C's linker made."""
        program = self.build("program", self.NOTE % r"Go\\0" + self.SOURCE)
        self.fails("program", "is a Go program", "--", program)
        twin = self.build("twin", self.NOTE % "GNU" + self.SOURCE)
        self.assertEqual(self.checks("--", twin)[1]["program"]["status"], "ok")

    @unittest.skipUnless(shutil.which("musl-gcc"), "no musl-gcc (Debian: musl-tools)")
    def test_another_libc(self):
        program = self.build("program", self.SOURCE, compiler="musl-gcc")
        self.fails("program", "another C library than glibc", "--", program)

    @unittest.skipUnless(os.getuid() == 0, "only root can make a program of another user")
    def test_a_setuid_program(self):
        program = self.build("program", self.SOURCE)
        os.chown(program, 1, 1)
        os.chmod(program, 0o4755)
        self.fails("program", "is setuid", "--", program)

    def test_another_machine(self):
        program = self.build("program", self.SOURCE)
        with open(program, "r+b") as file:
            file.seek(18)
            file.write((8).to_bytes(2, "little"))  # e_machine: MIPS
        self.fails("program", "for another machine", "--", program)

    def test_no_program(self):
        self.fails("program", "no such program", "--", "no-such-program-at-all")
        self.fails("program", "no such program", "--", self.path("none"))

    def test_left_out(self):
        program = self.build("program", self.SOURCE)
        self.fails("active", "leave program out", "--", program, PIPESHIM_ONLY="engine,python*")
        status, rows = self.checks("--", program, PIPESHIM_ONLY="prog*")
        self.assertEqual(status, 0, rows)

    def test_what_the_loader_does_not_take(self):
        program = self.build("program", self.SOURCE)
        library = self.build("libpipeshim.so", "int f;", "-shared", "-fPIC", "-nostdlib",
                             "-Wl,--no-as-needed", "-L" + self.folder)
        status, rows = self.checks("--library", library, "--", program)
        self.assertEqual((status, rows["loads"]["status"]), (1, "fail"))
        self.assertEqual(rows["program"]["status"], "ok")
        other = self.build("libother.so", "int g;", "-shared", "-fPIC", "-nostdlib")
        self.build("libpipeshim.so", "int f;", "-shared", "-fPIC", "-nostdlib",
                   "-Wl,--no-as-needed", other)
        os.unlink(other)
        status, rows = self.checks("--library", library, "--", program)
        self.assertEqual((status, rows["program"]["status"]), (1, "fail"), rows)
        self.assertIn("libother.so", rows["program"]["text"])


class Process(Case):
    def start(self, *command, library=LIBRARY, **settings):
        if library:
            settings["LD_PRELOAD"] = library
        process = subprocess.Popen(command, env=environment(**settings), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.assertEqual(process.stdout.read(1), b"!")  # it runs
        return process

    PROGRAM = ("perl", "-e", "syswrite STDOUT, '!'; sysread STDIN, my $x, 1")

    def test_loaded(self):
        process = self.start(*self.PROGRAM, PIPESHIM_LOG=self.path("log"))
        status, rows = self.checks(str(process.pid))
        self.assertEqual((status, rows["process"]["status"]), (0, "ok"), rows)
        self.assertIn(LIBRARY, rows["process"]["text"])
        self.assertEqual(rows["log"]["status"], "ok")

    def test_not_loaded(self):
        process = self.start(*self.PROGRAM, library=None)
        self.fails("process", "was started without the library", str(process.pid))

    def test_a_path_that_is_not_there(self):
        library = shutil.copy(LIBRARY, self.path("libpipeshim.so"))
        process = self.start(*self.PROGRAM, library=library)
        os.unlink(library)
        status, rows = self.checks(str(process.pid))
        self.assertEqual((status, rows["process"]["status"]), (0, "warn"), rows)
        self.assertIn("replaced since", rows["process"]["text"])
        absent = self.start(*self.PROGRAM, library=self.path("none/libpipeshim.so"))
        self.fails("process", "where it sees no such file", str(absent.pid))

    def test_left_out(self):
        process = self.start(*self.PROGRAM, PIPESHIM_SKIP="perl")
        self.fails("active", "leave perl out", str(process.pid))

    def test_a_wrong_value(self):
        process = self.start(*self.PROGRAM, PIPESHIM_RATE="often", PIPESHIM_LOG="/dev/null")
        self.fails("settings", "PIPESHIM_RATE=often", str(process.pid))

    def test_no_process(self):
        self.fails("process", "there is no process 2147483000", "2147483000")


class WrongUse(Case):
    def test_wrong_use(self):
        for arguments, text in ((["x"], "'x' is not a PID"), (["0"], "'0' is not a PID"),
                                (["1", "2"], "one PID at a time"), (["--"], "CMD is missing"),
                                (["--none"], "unknown or ambiguous option"),
                                (["--library"], "needs a value")):
            with self.subTest(arguments):
                run = self.doctor(*arguments)
                self.assertEqual((run.returncode, run.stdout), (64, ""))
                self.assertIn(text, run.stderr)
                self.assertEqual(run.stderr.count("\n"), 1)

    def test_help_and_version(self):
        self.assertIn("usage: pipeshim doctor", self.doctor("--help").stdout)
        self.assertRegex(self.doctor("--version").stdout, r"^pipeshim \d+\.")


if __name__ == "__main__":
    sys.exit(unittest.main())
