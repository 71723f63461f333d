#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the library does at the start of a program: next to nothing, until something blocks."""
import os
import signal
import subprocess
import sys
import tempfile
import unittest

BUILD = os.environ["PIPESHIM_BUILD"]
LIBRARY = os.path.join(BUILD, "libpipeshim.so")
ROUNDS = 9

# What the process has in main: threads, descriptors, bytes of heap (none: brk was never called for
# it), and mappings of the library.
STATE = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int entries(const char *path)
{
    int count = 0;
    DIR *folder = opendir(path);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}
int main(void)
{
    char line[4096];
    int heap = (int)mallinfo2().uordblks, libraries = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps))
        libraries += strstr(line, "libpipeshim.so") != NULL;
    printf("%d %d %d %d\n", entries("/proc/self/task") - 2, entries("/proc/self/fd") - 2, heap,
           libraries);
    return 0;
}
"""

# Started, and no call made.
STOPPED = r"""
#include <signal.h>
int main(void)
{
    return raise(SIGSTOP);
}
"""


def environment(**settings):
    made = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
    made.update(settings)
    return made


class Start(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pipeshim-start-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.log = os.path.join(folder.name, "log")
        self.program = self.built("state", STATE)

    def built(self, name, text):
        program = os.path.join(self.folder, name)
        with open(program + ".c", "w", encoding="ascii") as file:
            file.write(text)
        subprocess.run(["cc", "-o", program, program + ".c"], check=True)
        return program

    def state(self, **settings):
        output = subprocess.run([self.program], env=environment(**settings), check=True,
                                capture_output=True, text=True, timeout=60).stdout
        return [int(number) for number in output.split()]

    def test_no_thread_no_file_no_memory(self):
        threads, files, heap, mapped = self.state()
        self.assertEqual((threads, mapped), (1, 0))
        watched = self.state(LD_PRELOAD=LIBRARY, PIPESHIM_LOG=self.log)
        self.assertEqual(watched[:3], [threads, files, heap])
        self.assertGreater(watched[3], 0)
        self.assertFalse(os.path.exists(self.log))

    def mappings(self, name, **settings):
        """(permissions, KiB of its own, which were written) of each mapping of the file of that name."""
        program = os.path.join(self.folder, "stopped")
        if not os.path.exists(program):
            self.built("stopped", STOPPED)
        child = os.posix_spawn(program, [program], environment(**settings))
        self.assertTrue(os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1]))
        with open("/proc/%d/smaps" % child, encoding="ascii") as file:
            text = file.read()
        os.kill(child, signal.SIGCONT)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        found, inside = [], False
        for line in text.splitlines():
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                inside = words[-1].rsplit("/", 1)[-1] == name
                if inside:
                    found.append([words[1], 0])
            elif inside and words[0] == "Anonymous:":
                found[-1][1] = int(words[1])
        return found

    @unittest.skipIf(os.environ.get("SANITIZE"), "the sanitizers' own variables are among them")
    def test_one_page_is_written(self):
        page = os.sysconf("SC_PAGE_SIZE") // 1024
        for settings in ({}, {"PIPESHIM": "off"}, {"PIPESHIM_ONLY": "none"},
                         {"PIPESHIM_LOG": self.log, "PIPESHIM_RATE": "5/s"}):
            self.assertEqual(self.mappings("libpipeshim.so", LD_PRELOAD=LIBRARY, **settings),
                             [["r-xp", 0], ["rw-p", page]], settings)

    @unittest.skipIf(os.environ.get("SANITIZE"), "the sanitizers' own variables are among them")
    def test_it_is_mapped_with_all_that_is_near(self):
        """Without memory of its own behind the file, and below the 2 MB from which on the kernel
        gives a library page tables of its own."""
        text = subprocess.run(["readelf", "-lW", LIBRARY], check=True, capture_output=True,
                              text=True).stdout
        loads = [[int(word, 16) for word in line.split()[1:6]] for line in text.splitlines()
                 if line.split()[:1] == ["LOAD"]]
        self.assertEqual(len(loads), 2)
        _, address, _, in_file, in_memory = loads[-1]
        page = os.sysconf("SC_PAGE_SIZE")
        self.assertEqual((address + in_file) // page, (address + in_memory - 1) // page)
        self.assertLess(address + in_memory, 2 << 20)

    def test_libc_is_protected_as_before(self):
        """stdio's tables were written to: what the loader had made read-only is so again."""
        without = [permissions for permissions, _ in self.mappings("libc.so.6")]
        self.assertIn("r--p", without)
        self.assertEqual([permissions for permissions, _ in
                          self.mappings("libc.so.6", LD_PRELOAD=LIBRARY)], without)

    def faults(self, **settings):
        """The fewest page faults of a start of /bin/true: what a start costs, without a clock."""
        best = None
        for _ in range(ROUNDS):
            child = os.posix_spawn("/bin/true", ["/bin/true"], environment(**settings))
            _, status, usage = os.wait4(child, 0)
            self.assertEqual(status, 0)
            best = usage.ru_minflt if best is None else min(best, usage.ru_minflt)
        return best

    def test_few_pages_are_touched(self):
        without = self.faults()
        self.assertLessEqual(self.faults(LD_PRELOAD=LIBRARY) - without, 9)
        self.assertLessEqual(self.faults(LD_PRELOAD=LIBRARY, PIPESHIM_ONLY="none") - without, 9)
        self.assertLessEqual(self.faults(LD_PRELOAD=LIBRARY, PIPESHIM="off") - without, 9)


class LeftOut(unittest.TestCase):
    """A name decides, and it is the file's own name, however the program was started."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pipeshim-start-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.log = os.path.join(self.folder, "log")

    def is_watched(self, command, **settings):
        if os.path.exists(self.log):
            os.unlink(self.log)
        run = subprocess.run(command, env=environment(LD_PRELOAD=LIBRARY, PIPESHIM_LOG=self.log,
                                                      PIPESHIM_FORMAT="json",
                                                      PIPESHIM_SUMMARY="always", **settings),
                             check=True, capture_output=True, timeout=60, cwd=self.folder)
        self.assertEqual(run.stderr, b"")
        return os.path.exists(self.log)

    def test_a_link_has_two_names(self):
        os.symlink("/bin/true", os.path.join(self.folder, "linked"))
        for path in ("./linked", os.path.join(self.folder, "linked")):
            self.assertTrue(self.is_watched([path], PIPESHIM_ONLY="true"))
            self.assertTrue(self.is_watched([path], PIPESHIM_ONLY="linked"))
            self.assertFalse(self.is_watched([path], PIPESHIM_ONLY="other"))
            self.assertFalse(self.is_watched([path], PIPESHIM_SKIP="true"))

    def test_a_script_has_three(self):
        script = os.path.join(self.folder, "script.pl")
        with open(script, "w", encoding="ascii") as file:
            file.write("#!/usr/bin/perl\n")
        os.chmod(script, 0o755)
        self.assertTrue(self.is_watched([script], PIPESHIM_ONLY="perl"))
        self.assertFalse(self.is_watched([script], PIPESHIM_ONLY="sh"))
        self.assertFalse(self.is_watched([script], PIPESHIM_SKIP="perl"))


if __name__ == "__main__":
    sys.exit(unittest.main())
