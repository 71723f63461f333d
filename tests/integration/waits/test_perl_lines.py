#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The line of a Perl that waits: in functions and modules, in what Perl calls back, under its
debugger; and none where it cannot be certain."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import Run, victim  # noqa: E402
from waits_case import WaitsCase  # noqa: E402

PERL = os.environ.get("TEST_PERL", "/usr/bin/perl")
# The child's stdout is a pipe that its parent does not read, but waits.
PRELUDE = """
use strict; use warnings;
our ($read, $write);
BEGIN {
    pipe($read, $write);
    if (!fork()) { open(STDOUT, '>&', $write); close $_ for ($read, $write); exec @ARGV; }
    close $write;
}
"""
# Name: the program, and the function that its marked line is in.
PROGRAMS = {
    "main": ("wait();  # HERE\n", "main"),
    "function": ("sub waits {\n    my $n = shift;\n    wait();  # HERE\n}\nwaits(1);\n", "waits"),
    "eval block": ("sub waits {\n    eval {\n        wait();  # HERE\n    };\n}\nwaits();\n", "waits"),
    "eval of a text": ("my $done = eval 'wait(); 1';  # HERE\n", "main"),
    "anonymous": ("my $waits = sub {\n    wait();  # HERE\n};\n$waits->();\n", "__ANON__"),
    "lexical": ("use feature 'lexical_subs'; no warnings;\nmy sub waits {\n"
                "    wait();  # HERE\n    return 1;\n}\nwaits();\n", "waits"),
    "method": ("package My::Tool { sub new { bless {}, shift } sub run {\n    wait();  # HERE\n} }\n"
               "My::Tool->new->run;\n", "run"),
    "destructor": ("package Tool { sub DESTROY {\n    wait();  # HERE\n} }\n"
                   "{ my $tool = bless {}, 'Tool'; }\n", "DESTROY"),
    "sort block": ("my @sorted = sort {\n    wait();  # HERE\n    $a <=> $b\n} (2, 1);\n", "main"),
    "signal handler": ("$SIG{USR1} = sub {\n    wait();  # HERE\n};\nkill USR1 => $$;\nsleep 60;\n",
                       "__ANON__"),
    "recursion": ("no warnings;\nsub deep {\n    my $n = shift;\n    deep($n - 1) if $n;\n"
                  "    wait();  # HERE\n}\ndeep(5000);\n", "deep"),
    "installed module": ("use lib \"$ENV{TEST_FOLDER}/site_perl\";\nuse Waits;\n"
                         "sub caller_of_it {\n    Waits::waits();  # HERE\n}\ncaller_of_it();\n",
                         "caller_of_it"),
    "begin": ("BEGIN {\n    wait();  # HERE\n}\n", "BEGIN"),
}
MODULE = "package Waits;\nsub waits { wait() }\nsub deep { my $n = shift; $n ? deep($n - 1) : wait() }\n1;\n"


def begins_with(text, marked):
    """The number of the line that is marked."""
    return next(number for number, line in enumerate(text.splitlines(), 1) if marked in line)


class PerlLines(WaitsCase):
    def folder_with(self, **files):
        folder = self.temporary_folder()
        os.mkdir(os.path.join(folder, "site_perl"))
        for name, text in {"site_perl/Waits.pm": MODULE, **files}.items():
            with open(os.path.join(folder, name.replace("_pl", ".pl")), "w") as file:
                file.write(text)
        return folder

    def begin_perl(self, folder, *command, **settings):
        run = Run(folder, [PERL, *command, victim("write_deep")], start_new_session=True,
                  settings={"TEST_FOLDER": folder, **settings})
        self.addCleanup(self.end, run)
        return run

    def test_every_place_in_diagnose(self):
        for name, (text, function) in PROGRAMS.items():
            with self.subTest(name):
                text = PRELUDE + text
                folder = self.folder_with(waits_pl=text)
                path = os.path.join(folder, "waits.pl")
                parent = self.diagnosed(self.begin_perl(folder, path, LD_PRELOAD=""))
                number = begins_with(text, "# HERE")
                self.assertEqual(parent["where"], "%s:%d %s" % (path, number, function))
                self.assertEqual(parent["source"], text.splitlines()[number - 1].strip())
                self.assertNotIn("note", parent)

    def test_from_either_side(self):
        text = PRELUDE + PROGRAMS["function"][0]
        folder = self.folder_with(waits_pl=text)
        run = self.begin_perl(folder, os.path.join(folder, "waits.pl"))
        events = run.wait_for("deadlock", 2)
        self.assertEqual(len({event["pid"] for event in events}), 2)
        for event in events:
            self.assertRegex(self.own_link(event, run)["where"],
                             r"/waits\.pl:%d waits$" % begins_with(text, "# HERE"))

    def test_under_the_debugger(self):
        text = PRELUDE + PROGRAMS["function"][0]
        folder = self.folder_with(waits_pl=text)
        parent = self.diagnosed(self.begin_perl(
            folder, "-d", os.path.join(folder, "waits.pl"), LD_PRELOAD="",
            PERLDB_OPTS="NonStop noTTY"))
        self.assertRegex(parent["where"], r"/waits\.pl:%d waits$" % begins_with(text, "# HERE"))

    def test_a_file_that_another_one_runs(self):
        folder = self.folder_with(waits_pl=PRELUDE + "do \"$ENV{TEST_FOLDER}/steps.pl\";\n",
                                  steps_pl="my $step = 1;\nwait();\n")
        parent = self.diagnosed(self.begin_perl(folder, os.path.join(folder, "waits.pl"),
                                                LD_PRELOAD=""))
        self.assertEqual(parent["where"], os.path.join(folder, "steps.pl") + ":2 main")

    def test_a_module_that_is_too_deep_for_its_caller_to_be_found(self):
        """Its own innermost line, which is certain."""
        folder = self.folder_with(waits_pl=PRELUDE + "use lib \"$ENV{TEST_FOLDER}/site_perl\";\n"
                                  "use Waits; no warnings; Waits::deep(1000);\n")
        parent = self.diagnosed(self.begin_perl(folder, os.path.join(folder, "waits.pl"),
                                                LD_PRELOAD=""))
        self.assertEqual(parent["where"], os.path.join(folder, "site_perl/Waits.pm") + ":3 deep")

    def test_a_text_of_the_command_line(self):
        folder = self.folder_with()
        text = PRELUDE + "wait();"
        parent = self.diagnosed(self.begin_perl(folder, "-e", text, LD_PRELOAD=""))
        self.assertEqual(parent["where"], "-e:%d main" % begins_with(text, "wait();"))
        self.assertNotIn("source", parent)

    def test_another_thread_has_none(self):
        """What the interpreter exports is the main thread's."""
        if subprocess.run([PERL, "-Mthreads", "-e", "1"], capture_output=True).returncode != 0:
            self.skipTest("this Perl has no threads")
        folder = self.folder_with(
            waits_pl=PRELUDE + "use threads;\nasync { wait() }->join;\n")
        parent = self.diagnosed(self.begin_perl(folder, os.path.join(folder, "waits.pl"),
                                                LD_PRELOAD=""))
        self.assertNotEqual(parent["tid"], parent["pid"])
        self.assertNotIn("where", parent)
        self.assertRegex(parent["note"], "^Perl: .*cannot be read")


if __name__ == "__main__":
    unittest.main()
