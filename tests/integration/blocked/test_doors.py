#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every way into a stuck write is named as what the program called; each program is compiled here."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from life_case import Run

HEAD = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <err.h>
#include <error.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wchar.h>
static char block[4096];
static struct iovec vector = {block, sizeof block};
static void va(const char *format, ...) { va_list l; va_start(l, format); vdprintf(1, format, l); va_end(l); }
"""
# what is repeated until it is stuck, and the name that the report must give
WAYS = [
    ('write(1, block, sizeof block)', "write"),
    ('writev(1, &vector, 1)', "writev"),
    ('pwritev2(1, &vector, 1, -1, 0)', "pwritev2"),
    ('vmsplice(1, &vector, 1, 0)', "vmsplice"),
    ('sendfile(1, zero, &(off_t){0}, 4096)', "sendfile"),
    ('splice(zero, &(loff_t){0}, 1, NULL, 4096, 0)', "splice"),
    ('dprintf(1, "%4000d\\n", i)', "dprintf"),
    ('va("%4000d\\n", i)', "vdprintf"),
    ('syscall(SYS_write, 1, block, sizeof block)', "syscall"),
    ('printf("%4000d\\n", i)', "printf"),
    ('puts(line)', "puts"),
    ('fputs(line, stdout)', "fputs"),
    ('fwrite(block, 1, sizeof block, stdout)', "fwrite"),
    ('(dup2(1, 2), perror(line))', "perror"),
    ('(dup2(1, 2), warnx("%s", line))', "warnx"),
    ('(dup2(1, 2), error(0, 0, "%s", line))', "error"),
]


class Doors(unittest.TestCase):
    def setUp(self):
        self.folder = subprocess.run(["mktemp", "-d"], check=True, capture_output=True,
                                     text=True).stdout.strip()
        self.addCleanup(subprocess.run, ["rm", "-rf", self.folder], check=True)

    def compile(self, name, text, *options, compiler="gcc"):
        source = os.path.join(self.folder, name + (".c" if compiler == "gcc" else ".cc"))
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        program = os.path.join(self.folder, name)
        subprocess.run([compiler, "-w", "-O1", "-g", "-fno-inline", "-o", program, source, *options],
                       check=True)
        return program

    def stuck(self, program, returns=True):
        """Runs it until it is reported, then lets it go; returns the report."""
        for log in [f for f in os.listdir(self.folder) if f.startswith("log.")]:
            os.unlink(os.path.join(self.folder, log))
        run = Run(self.folder, program=program)
        self.addCleanup(run.close)
        blocked = run.wait_for("blocked")[0]
        self.assertEqual(blocked["class"], "pipe_write")
        with_library = run.drain()
        if returns:
            self.assertTrue(run.events("unblocked"))
        plain = Run(self.folder, program=program, library=False)
        self.addCleanup(plain.close)
        plain.wait_stuck()
        self.assertEqual(with_library, plain.drain())
        return blocked

    def test_each_way(self):
        for number, (call, name) in enumerate(WAYS):
            with self.subTest(name):
                program = self.compile("way%d" % number, HEAD + """
static void log_it(int zero, const char *line) {
    for (int i = 0; i < 40; i++)
        %s;
}
int main(void) {
    static char line[4000];
    memset(line, 'x', sizeof line - 1);
    char path[] = "/tmp/doorsXXXXXX";
    int zero = mkstemp(path);
    unlink(path);
    ftruncate(zero, 8192);
    for (int i = 0; i < 10000; i++) /* a program that calls no door at all is not watched */
        write(1, "", 0);
    log_it(zero, line);
    return 5;
}
""" % call, "-Wl,-z,now")
                # What the sampler found may end and the program exit between two of its looks.
                blocked = self.stuck(program, returns=name != "syscall")
                symbols = [frame.get("symbol") for frame in blocked["stack"]]
                self.assertEqual(blocked["call"], name)
                self.assertIn("main", symbols)
                self.assertLess(symbols.index("log_it" if "log_it" in symbols else "main"),
                                len(symbols))

    def test_cplusplus_streams(self):
        program = self.compile("streams", """
#include <iostream>
#include <unistd.h>
static void log_it() { for (int i = 0; i < 200; i++) std::cerr << std::string(1000, 'x') << '\\n'; }
int main() { dup2(1, 2); log_it(); return 3; }
""", compiler="g++")
        blocked = self.stuck(program)
        self.assertEqual(blocked["fd"], 2)
        self.assertIn("main", [frame.get("symbol") for frame in blocked["stack"]])

    def test_flush_at_exit(self):
        program = self.compile("flush", HEAD + """
int main(void) {
    static char buffer[200000];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    for (int i = 0; i < 150000; i++) putchar('x');
    exit(4);
}
""")
        self.assertEqual(self.stuck(program, returns=False)["call"], "exit")

    def test_called_before_our_constructor(self):
        library = self.compile("libearly.so", HEAD + """
__attribute__((constructor)) static void early(void) { errno = 0; write(2, "early\\n", 6); }
""", "-shared", "-fPIC")
        program = self.compile("early", HEAD + """
int main(void) { for (int i = 0; i < 40; i++) write(1, block, sizeof block); return errno; }
""", library, "-Wl,-rpath," + self.folder)
        self.stuck(program)

    def test_dlclose_while_stacks_are_taken(self):
        library = self.compile("libgone.so", HEAD + """
void through(void (*call)(void)) { call(); }
""", "-shared", "-fPIC")
        program = self.compile("gone", HEAD + """
static void say(void) { write(1, block, sizeof block); }
static void *load(void *path) {
    for (int i = 0; i < 2000; i++) {
        void *library = dlopen(path, RTLD_NOW);
        ((void (*)(void (*)(void)))dlsym(library, "through"))(getppid() ? (void (*)(void))getppid : 0);
        dlclose(library);
    }
    return NULL;
}
int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, load, "%s");
    for (int i = 0; i < 40; i++) say();
    pthread_join(thread, NULL);
    return 6;
}
""" % library, "-pthread", "-ldl")
        self.assertIn("say", [f.get("symbol") for f in self.stuck(program)["stack"]])


if __name__ == "__main__":
    sys.exit(unittest.main())
