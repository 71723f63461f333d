#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The library loads everywhere: with a libc that it does not know (musl) it does nothing, and what
it calls on is found without dlsym, in the order of the loader."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = os.environ["PIPESHIM_BUILD"]
LIBRARY = os.path.join(BUILD, "libpipeshim.so")
CHECK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../scripts/check-library.sh")
DEADLINE_S = 120

# Everything that has a wrapper with a twist: variadic calls, exec, threads and cancellation, stdio,
# syscall(), credentials, descriptors, exits.
EVERYTHING = r"""
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

static void *waits(void *fd) { char c; read(*(int *)fd, &c, 1); return NULL; }

int main(int argc, char **argv)
{
    int pipes[2], status;
    void *result;
    pthread_t thread;
    if (argc > 1) {
        fprintf(stderr, "%s after exec\n", argv[1]);
        _exit(7);
    }
    setvbuf(stdout, NULL, _IONBF, 0);
    pipe(pipes);
    pthread_create(&thread, NULL, waits, &pipes[0]);
    usleep(1000);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    printf("cancelled %d\n", result == PTHREAD_CANCELED);
    dprintf(1, "%s %d\n", "dprintf", 1);
    syslog(LOG_INFO, "%s", "nobody hears");
    printf("gettid %d setuid %d\n", syscall(SYS_gettid) == getpid(), setuid(getuid()));
    struct pollfd one = {pipes[0], POLLIN, 0};
    printf("poll %d\n", poll(&one, 1, 1));
    printf("dup2 %d close %d again %d %s\n", dup2(pipes[1], 50), close(50), close(50),
           strerror(errno));
    if (fork() == 0) {
        write(pipes[1], "child", 5);
        execl("/proc/self/exe", "again", "child", (char *)NULL);
        _exit(1);
    }
    wait(&status);
    char text[6] = "";
    read(pipes[0], text, 5);
    printf("%s %d system %d\n", text, WEXITSTATUS(status), system("exit 3") >> 8);
    fflush(stdout);
    freopen("/dev/null", "w", stdout);
    printf("to nowhere\n");
    return 5;
}
"""

# A constructor that runs before ours: that of a library which is preloaded behind it.
EARLY = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
__attribute__((constructor)) static void begin(void)
{
    write(2, "early ", 6);
    syscall(SYS_write, 2, "syscall ", 8);
    close(dup2(2, 60));
    dprintf(2, "%s\n", "dprintf");
}
"""

# The next definition of a name, between ours and libc's.
BETWEEN = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
#include <string.h>
ssize_t write(int fd, const void *data, size_t size)
{
    ssize_t (*real)(int, const void *, size_t) = (void *)dlsym(RTLD_NEXT, "write");
    real(fd, "between ", 8);
    return real(fd, data, size);
}
"""

WRITES = r"""
#include <unistd.h>
int main(void) { return write(2, "main\n", 5) != 5; }
"""


def environment(preload=(), **settings):
    made = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
    if preload:
        made["LD_PRELOAD"] = ":".join(preload)
    made.update(settings)
    return made


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pipeshim-libc-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def build(self, name, source, *options, compiler="cc"):
        with open(self.path(name + ".c"), "w", encoding="ascii") as file:
            file.write(source)
        subprocess.run([compiler, "-w", "-o", self.path(name), self.path(name + ".c"), *options],
                       check=True)
        return self.path(name)

    def run_it(self, command, preload=(), **settings):
        return subprocess.run(command, env=environment(preload, **settings), timeout=DEADLINE_S,
                              stdin=subprocess.DEVNULL, capture_output=True)


@unittest.skipUnless(shutil.which("musl-gcc"), "no musl-gcc (Debian: musl-tools)")
class Musl(Case):
    def test_as_if_it_were_not_there(self):
        program = self.build("everything", EVERYTHING, compiler="musl-gcc")
        shell = os.path.basename(os.path.realpath("/bin/sh")).encode()
        alone = self.run_it([program])
        self.assertEqual((alone.returncode, alone.stderr), (5, b"child after exec\n"))
        self.assertIn(b"cancelled 1\n", alone.stdout)
        for settings in ({}, {"PIPESHIM": "off"}, {"PIPESHIM_DRAIN": "all"},
                         {"PIPESHIM_FORMAT": "json", "PIPESHIM_THRESHOLD": "wrong"}):
            with self.subTest(settings):
                run = self.run_it([program], [LIBRARY], **settings)
                # system() starts the system's own shell, which the library watches.
                self.assertEqual((run.returncode, run.stdout), (alone.returncode, alone.stdout))
                self.assertEqual([line for line in run.stderr.splitlines() if shell not in line],
                                 alone.stderr.splitlines())

    def test_log_says_why(self):
        program = self.build("writes", WRITES, compiler="musl-gcc")
        log = self.path("log")
        run = self.run_it([program], [LIBRARY], PIPESHIM_LOG=log)
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, b"", b"main\n"))
        with open(log, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], r"WARNING writes\[\d+\] this program's C library is not known; "
                         "expected glibc 2.28 or later; this process is not watched")

    def test_nothing_is_said_of_what_is_skipped(self):
        program = self.build("writes", WRITES, compiler="musl-gcc")
        self.run_it([program], [LIBRARY], PIPESHIM_LOG=self.path("log"), PIPESHIM_SKIP="writes")
        self.assertFalse(os.path.exists(self.path("log")))


class Glibc(Case):
    def test_the_same_program_with_glibc(self):
        program = self.build("everything", EVERYTHING)
        alone = self.run_it([program])
        run = self.run_it([program], [LIBRARY])
        self.assertEqual((run.returncode, run.stdout, run.stderr),
                         (alone.returncode, alone.stdout, alone.stderr))

    def test_a_constructor_before_ours(self):
        early = self.build("early.so", EARLY, "-shared", "-fPIC")
        run = self.run_it([self.build("writes", WRITES)], [LIBRARY, early])
        self.assertEqual((run.returncode, run.stderr), (0, b"early syscall dprintf\nmain\n"))

    def test_the_next_library_is_called(self):
        between = self.build("between.so", BETWEEN, "-shared", "-fPIC")
        program = self.build("writes", WRITES)
        run = self.run_it([program], [LIBRARY, between])
        self.assertEqual((run.returncode, run.stderr), (0, b"between main\n"))
        run = self.run_it([program], [between, LIBRARY])
        self.assertEqual((run.returncode, run.stderr), (0, b"between main\n"))

    def test_started_by_the_loader_itself(self):
        program = self.build("everything", EVERYTHING)
        with open(program, "rb") as file:
            content = file.read()
        start = content.index(b"/lib64/ld-") if b"/lib64/ld-" in content else content.index(b"/lib/ld-")
        loader = content[start:content.index(b"\0", start)]
        run = self.run_it([loader, self.build("writes", WRITES)], [LIBRARY])
        self.assertEqual((run.returncode, run.stderr), (0, b"main\n"))

    def test_an_executable_without_debug_entry(self):
        """Stripped of DT_DEBUG, by which the list of objects is found otherwise."""
        program = self.build("writes", WRITES)
        with open(program, "rb") as file:
            content = bytearray(file.read())
        entry = (21).to_bytes(8, "little") + bytes(8)
        self.assertEqual(content.count(entry), 1)
        at = content.index(entry)
        content[at:at + 8] = (0x6ffffdf0).to_bytes(8, "little")  # a tag that nobody knows
        with open(program, "wb") as file:
            file.write(content)
        log = self.path("log")
        run = self.run_it([program], [LIBRARY], PIPESHIM_FORMAT="json", PIPESHIM_LOG=log,
                          PIPESHIM_SUMMARY="always")
        self.assertEqual((run.returncode, run.stderr), (0, b"main\n"))
        with open(log, encoding="utf-8") as file:
            self.assertIn('"event":"start"', file.read().replace(" ", ""))


class CheckedWhenLinked(Case):
    """scripts/check-library.sh, which each build runs, finds what would be fatal elsewhere."""

    def check(self, library):
        return subprocess.run(["sh", CHECK, library], capture_output=True, text=True, check=False)

    def test_the_library_passes(self):
        run = self.check(LIBRARY)
        self.assertEqual((run.returncode, run.stderr), (0, ""))

    def test_newer_symbols(self):
        library = self.build("newer.so", "int close_range(unsigned, unsigned, int);\n"
                             "int f(void) { return close_range(9, 9, 0); }", "-shared", "-fPIC")
        run = self.check(library)
        self.assertEqual(run.returncode, 1)
        self.assertIn("close_range is of GLIBC_2.34; expected GLIBC_2.28 at most", run.stderr)

    def test_other_libraries(self):
        library = self.build("needs.so", "double sin(double); double f(double x) { return sin(x); }",
                             "-shared", "-fPIC", "-lm")
        run = self.check(library)
        self.assertEqual(run.returncode, 1)
        self.assertIn("needs libm.so.6; expected libc.so.6 alone", run.stderr)

    def test_executable_stack_and_relative_relocations(self):
        library = self.build("stack.so", "int x; int *p = &x;", "-shared", "-fPIC",
                             "-Wl,-z,execstack", "-Wl,-z,pack-relative-relocs")
        run = self.check(library)
        self.assertEqual(run.returncode, 1)
        self.assertIn("wants an executable stack", run.stderr)
        if b"pack-relative-relocs" in subprocess.run(["ld", "--help"], capture_output=True,
                                                     check=True).stdout:
            self.assertIn("has relative relocations", run.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
