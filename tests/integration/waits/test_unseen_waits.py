#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A parent whose wait comes by none of libc's names: inside stdio, for a thread, for time, in the
opening of a FIFO. It is told there as well; who waits in peace gets no second thread for it."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import PipeshimCase, Run, read_text, victim, wait_until  # noqa: E402
from waits_case import thread_count  # noqa: E402

PYTHON = "/usr/bin/python3"
LEFT_BEHIND = "(exec sleep 600) & echo hi"  # the shell ends; who it started keeps its stdout
FILLS = "exec head -c 200000 /dev/zero"


class UnseenCase(PipeshimCase):
    def begin(self, command, only=None, **settings):
        if only:
            settings["PIPESHIM_ONLY"] = only
        run = Run(self.temporary_folder(), command, settings=settings, start_new_session=True)
        self.addCleanup(self.end, run)
        return run

    def end(self, run):
        """What it has started must not outlive the test."""
        try:
            os.killpg(run.process.pid, 9)
        except ProcessLookupError:
            pass
        run.close()

    def parent(self, how, command):
        return self.begin([victim("unseen_waits"), how, command], only="unseen_waits")

    def assert_told(self, run, kind):
        event = run.wait_for("finding")[0]
        self.assertEqual((event["kind"], event["pid"]), (kind, run.process.pid), event)
        return event


class UnseenWaits(UnseenCase):
    def test_stdio_reads_to_an_end_that_does_not_come(self):
        for how in ("popen", "stdio"):
            with self.subTest(how=how):
                event = self.assert_told(self.parent(how, LEFT_BEHIND), "eof_never")
                self.assertRegex(event["words"], r"waits in read.*but sleep \(\d+\) still holds")
                self.assertRegex(event["where"], r"read_all$|unseen_waits\.c:\d+ read_all")

    def test_stdio_reads_its_stdin(self):
        """Each waits for the other to speak first; only the child runs the library."""
        code = ("import subprocess, sys\n"
                "child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE,"
                " stdout=subprocess.PIPE)\n"
                "child.stdout.read()\n")
        run = self.begin([PYTHON, "-c", code, victim("unseen_waits"), "stdin"],
                         only="unseen_waits")
        event = run.wait_for("deadlock")[0]
        self.assertEqual(os.path.basename(event["exe"]), "unseen_waits")
        self.assertIn(run.process.pid, [link["pid"] for link in event["chain"]])

    def test_nobody_reads_what_the_child_says(self):
        """No thread of the parent is in a call that has a door."""
        for how in ("join", "lock", "sleep", "suspend", "sigwait", "signalfd"):
            with self.subTest(how=how):
                event = self.assert_told(self.parent(how, FILLS), "reader_away")
                self.assertEqual(event["chain"][1]["pid"], event["pid"])
                self.assertRegex(event["words"], r"head \(\d+\) cannot finish its write.*"
                                 r"only unseen_waits \(\d+\) can read it")

    def test_in_peace(self):
        for how in ("popen", "stdio", "suspend", "sigwait", "signalfd"):
            with self.subTest(how=how):
                run = self.parent(how, "sleep 2; echo hi")
                self.assertEqual(run.drain()[2], 0)
                self.assertEqual(run.events("finding") + run.events("deadlock"), [])

    def test_no_second_thread(self):
        """A shell that waits for its pipeline, make, sleep, a server that waits for its
        workers."""
        makefile = os.path.join(self.temporary_folder(), "Makefile")
        with open(makefile, "w") as file:
            file.write("all: a b\n%:; @sleep 600\n")
        waiting = {
            "a pipeline": ["/bin/sh", "-c", "sleep 600 | cat; true"],
            "bash's": ["/bin/bash", "-c", "sleep 600 | cat | cat; true"],
            "make": ["make", "-s", "-f", makefile],
            "sleep": ["/bin/sleep", "600"],
            "workers": [victim("unseen_waits"), "wait", "sleep 600"],
        }
        for name, command in waiting.items():
            with self.subTest(name=name):
                run = self.begin(command)
                pid = run.process.pid
                wait_until(lambda: read_text("/proc/%d/wchan" % pid) in
                           ("do_wait", "hrtimer_nanosleep", "anon_pipe_read", "sigsuspend"),
                           "its wait")
                self.assertEqual(thread_count(pid), 1)


# Each job counts the threads of the make that waits for it, and its own shell's that waits for `ls`.
# It computes and sleeps; for the small ones before it make takes hundreds of tokens.
MAKEFILE = r"""
WATCHED := job1 job2 job3 job4 job5 job6
all: last
$(SMALL): ; @true; echo $@
$(WATCHED): $(SMALL)
WATCH = until grep -q -e poll -e select -e wait /proc/$$PPID/wchan; do sleep 0.01; done; \
    ls /proc/$$PPID/task >make.$@; i=0; while [ $$i -lt 2000 ]; do i=$$((i+1)); done; \
    sleep 0.05; ls /proc/$$$$/task >shell.$@
job%: ; @$(WATCH)
sub: $(WATCHED) ; +@$(MAKE) under1 under2 under3
under%: ; @$(WATCH)
last: sub ; @$(WATCH)
"""
# One job is stuck for ever, two others end.
STUCK_MAKEFILE = r"""
all: stuck ends too
stuck: ; @exec python3 -c "import subprocess, sys; \
    subprocess.Popen(['head', '-c', '200000', '/dev/zero'], stdout=subprocess.PIPE).wait()"
ends too: ; @sleep 0.1
"""


class Make(UnseenCase):
    """GNU make waits for a token of its jobserver, a pipe of its own, and for its jobs; for their
    stdin it keeps the reading end of a pipe that nobody writes to."""

    def make(self, text, *options):
        self.folder = self.temporary_folder()
        with open(os.path.join(self.folder, "Makefile"), "w") as file:
            file.write(text)
        return self.begin(["make", "-j4", "--no-print-directory", "-C", self.folder, *options])

    def test_no_second_thread(self):
        run = self.make(MAKEFILE, "SMALL=" + " ".join("small%d" % i for i in range(300)))
        self.assertEqual(run.drain()[2], 0)
        counted = [name for name in os.listdir(self.folder)
                   if name.startswith(("make.", "shell."))]
        self.assertEqual(len(counted), 20, counted)
        for name in counted:
            threads = read_text(os.path.join(self.folder, name)).split()
            self.assertEqual(len(threads), 1, name)
        self.assertEqual(run.events("finding") + run.events("deadlock"), [])

    def test_a_job_is_deadlocked(self):
        """Whoever can tells it: the job itself. make waits in peace for what does not come."""
        run = self.make(STUCK_MAKEFILE)
        event = run.wait_for("deadlock")[0]
        self.assertNotEqual(event["pid"], run.process.pid)
        self.assertEqual([os.path.basename(e["exe"]) for e in run.events("deadlock")
                          if "python" not in e["exe"] and "head" not in e["exe"]], [])
        self.assertEqual(thread_count(run.process.pid), 1)


class OwnPipes(UnseenCase):
    """Parents that wait for what only they themselves, a signal or time bring: a self-pipe."""
    HOW = ("select", "poll", "time")

    def test_in_peace(self):
        for how in (*self.HOW, "kept"):  # nobody writes to the pipe that it keeps one end of
            with self.subTest(how=how):
                run = self.begin([victim("unseen_waits"), how, "exec sleep 600", "no pipe"])
                pid = run.process.pid
                wait_until(lambda: any(word in read_text("/proc/%d/wchan" % pid)
                                       for word in ("poll", "select", "do_wait")), "its wait")
                self.assertEqual(thread_count(pid), 1)

    def test_nobody_reads_what_the_child_says(self):
        for how in self.HOW:
            with self.subTest(how=how):
                run = self.parent(how, FILLS)
                # A signal that only the child can cause, or no reason at all not to read.
                event = run.wait_for("finding" if how == "time" else "deadlock")[0]
                self.assertEqual((event["pid"], event["certainty"]),
                                 (run.process.pid, "proven"))
                self.assertEqual(event.get("kind"), "reader_away" if how == "time" else None)
                self.assertRegex(event["words"], r"^head \(\d+\) cannot finish its write")


class BothEnds(UnseenCase):
    """A parent that forgets to close its child's end of a pipe, as well, and waits for the child."""

    def test_a_child_that_cannot_finish(self):
        run = self.parent("both", FILLS)
        event = run.wait_for("deadlock")[0]
        self.assertEqual((event["pid"], event["certainty"]), (run.process.pid, "proven"))
        self.assertRegex(event["words"], r"^head \(\d+\) cannot finish its write.*only unseen_waits "
                                         r"\(\d+\) can read it, which waits in wait4 for head to exit")

    def test_a_child_that_is_a_copy(self):
        """It has both ends as well, and makes no exec."""
        run = self.parent("copy", "")
        events = run.wait_for("deadlock", 2)
        self.assertEqual({e["pid"] for e in events}, {link["pid"] for link in events[0]["chain"]})
        self.assertEqual(len({e["id"] for e in events}), 1)
        self.assertIn(run.process.pid, {e["pid"] for e in events})

    def test_in_peace(self):
        """A child that says little."""
        for how in ("both", "copy"):
            with self.subTest(how=how):
                run = self.begin([victim("unseen_waits"), how, "sleep 2; echo hi", "little"])
                if how == "copy":  # as long as it is looked at more than once
                    wait_until(lambda: read_text("/proc/%d/wchan" % run.process.pid) == "do_wait",
                               "its wait")
                    wait_until(lambda: thread_count(run.process.pid) > 1, "its watchdog")
                self.assertEqual(run.drain()[2], 0)
                self.assertEqual(run.events("finding") + run.events("deadlock"), [])

    def test_no_second_thread(self):
        """A server that waits for its workers, which have its self-pipe."""
        run = self.begin([victim("unseen_waits"), "workers"])
        pid = run.process.pid
        wait_until(lambda: read_text("/proc/%d/wchan" % pid) == "do_wait", "its wait")
        self.assertEqual(thread_count(pid), 1)


class LeftEnds(UnseenCase):
    """A parent that has closed all its pipes, and a child that was given both ends of its stdin."""

    def test_a_child_that_keeps_its_own_end_from_coming(self):
        event = self.assert_told(self.parent("fed", "exec cat >/dev/null"), "eof_never")
        self.assertRegex(event["words"], r"^cat \(\d+\) waits in read fd 0 for the end of pipe \d+, "
                                         r"which cannot come: it holds the writing end itself")

    def test_in_peace(self):
        """It closes the end, before or after the parent waits."""
        run = self.begin([victim("unseen_waits"), "fed", "cat >/dev/null; sleep 2", "closes"])
        self.assertEqual(run.drain()[2], 0)
        self.assertEqual(run.events("finding") + run.events("deadlock"), [])


class Fifos(UnseenCase):
    """To open a FIFO for writing waits for whoever opens it for reading."""
    SHELL = 'echo "$$" >"$0"'
    PYTHON_OPENS = "import sys; open(sys.argv[1], 'w')"
    PARENT = "import subprocess, sys; subprocess.run(sys.argv[1:], stdin=subprocess.PIPE)"

    def fifo(self):
        path = os.path.join(self.temporary_folder(), "a fifo")
        os.mkfifo(path)
        return path

    def test_nobody_reads(self):
        path = self.fifo()
        writers = {"a shell": ["/bin/sh", "-c", self.SHELL, path],
                   "Python": [PYTHON, "-c", self.PYTHON_OPENS, path],
                   "fopen": [victim("fifo_writer"), "fopen", path],
                   "creat": [victim("fifo_writer"), "creat", path],
                   "openat": [victim("fifo_writer"), "openat", path]}
        for name, command in writers.items():
            with self.subTest(name=name):
                run = self.begin(command)
                event = self.assert_told(run, "no_reader")
                self.assertEqual(event["certainty"], "likely")
                link = event["chain"][0]
                self.assertRegex(link["waits_in"], "open|creat")
                self.assertEqual(os.path.basename(link["object"]), "a fifo")
                self.assertIn("waits in open for a reader of the FIFO", event["words"])
                with open(path) as file:  # it goes on
                    file.read()
                self.assertEqual(run.drain()[2], 0)

    def test_the_line_of_a_script(self):
        """What dash says of where it is cannot be read; the text of its script says it as well."""
        path = self.fifo()
        script = os.path.join(os.path.dirname(path), "save.sh")
        texts = {"once": ("# a comment\ncd %s\necho >'a fifo'\n", ":3 main"),
                 "twice": ("cd %s\necho 1 >'a fifo'\necho 2 >'a fifo'\n", None)}
        for name, (text, line) in texts.items():
            with self.subTest(name=name):
                with open(script, "w") as file:
                    file.write(text % os.path.dirname(path))
                event = self.assert_told(self.begin(["/bin/dash", script]), "no_reader")
                self.assertEqual(event.get("where"), line and script + line)
                self.assertEqual(event["chain"][0].get("source"), line and "echo >'a fifo'")
                self.assertIn("script", event["chain"][0]["note"])

    def test_the_parent_tells(self):
        """The child runs no library."""
        path = self.fifo()
        run = self.begin([PYTHON, "-c", self.PARENT, "env", "-u", "LD_PRELOAD", PYTHON, "-c",
                          self.PYTHON_OPENS, path])
        self.assert_told(run, "no_reader")

    def test_a_reader_that_comes(self):
        """Nothing is told of a writer that waits shortly, nor of who waits to read."""
        path = self.fifo()
        reader = self.begin(["/bin/cat", path])
        wait_until(lambda: read_text("/proc/%d/wchan" % reader.process.pid) == "wait_for_partner",
                   "its open")
        writer = self.begin(["/bin/sh", "-c", self.SHELL, path])
        self.assertEqual(writer.drain()[2], 0)
        self.assertEqual(reader.drain()[2], 0)
        for run in (reader, writer):
            self.assertEqual(run.events("finding"), [])

    def test_no_thread_for_other_files(self):
        """Files that are opened for writing, by a program that then sleeps."""
        path = os.path.join(self.temporary_folder(), "file")
        run = self.begin([victim("fifo_writer"), "files", path])
        wait_until(lambda: read_text("/proc/%d/wchan" % run.process.pid) == "hrtimer_nanosleep",
                   "its sleep")
        self.assertEqual(thread_count(run.process.pid), 1)


if __name__ == "__main__":
    unittest.main()
