#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the library exports and imports, against its table and libc's own symbols."""
import os
import re
import subprocess
import sys
import unittest

BUILD = os.environ["PIPESHIM_BUILD"]
LIBRARY = os.path.join(BUILD, "libpipeshim.so")
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shim/facts/calls.def")

# Twins that libc exports and the table lacks on purpose.
NOT_DOORS = {
    "__write": "nobody imports it: an alias for old static archives",
    "__read": "the same",
    "__send": "the same", "__recv": "the same", "__sendmmsg": "private",
    "__poll": "the same; libnsl.so.1 only",
    "__select": "the same",
    "__libc_write": "private", "__libc_read": "private",
    "preadv64": "regular files only", "pwritev64": "regular files only",
    "__epoll_wait": "private",
    "__wait": "private", "__waitpid": "private", "__connect": "private",
    "__libc_system": "private", "__nanosleep": "private", "__sigsuspend": "private",
    "__sigtimedwait": "private",
}


def rows():
    with open(TABLE, encoding="utf-8") as table:
        text = table.read()
    calls = re.findall(r"^CALL_VOID(?:_VARIADIC)?\((\w+),", text, re.M)
    calls += re.findall(r"^CALL(?:_ENTERED|_VARIADIC|_READINESS)?\([\w *]+, (\w+),", text, re.M)
    controls = re.findall(r"^CONTROL\([\w *]+, (\w+),", text, re.M)
    return set(calls), set(controls)


def symbols(path, *options):
    output = subprocess.run(["nm", "-D", *options, path], check=True, capture_output=True,
                            text=True).stdout
    return {line.split()[-1].split("@")[0] for line in output.splitlines()}


def libc():
    output = subprocess.run(["ldd", sys.executable], check=True, capture_output=True,
                            text=True).stdout
    return re.search(r"libc\.so\.6 => (\S+)", output).group(1)


class Symbols(unittest.TestCase):
    def test_exports_are_the_table(self):
        calls, controls = rows()
        self.assertGreater(len(calls), 40)
        page = {"pipeshim_status", "pipeshim_mailbox"}
        self.assertEqual(symbols(LIBRARY, "--defined-only"), calls | controls | page)

    def test_every_row_is_in_libc(self):
        calls, controls = rows()
        newer = {"epoll_pwait2"}  # glibc 2.35
        self.assertEqual((calls | controls) - symbols(libc(), "--defined-only") - newer, set())

    def test_no_twin_is_missing(self):
        calls, _ = rows()
        missing = {}
        for name in symbols(libc(), "--defined-only"):
            bare = re.sub(r"^__(.*?)(_chk)?$", r"\1", name)
            twins = {bare, re.sub(r"64", "", bare)}
            if twins & calls and name not in calls and name not in NOT_DOORS:
                missing[name] = sorted(twins & calls)
        self.assertEqual(missing, {})

    def test_nothing_interposed_is_imported(self):
        calls, controls = rows()
        self.assertEqual(symbols(LIBRARY, "--undefined-only") & (calls | controls), set())

    def test_nothing_of_malloc_stdio_or_locks_is_imported(self):
        # Cancellation is none: it sets a word of the thread's own, and unwinds.
        banned = re.compile(r"^(malloc|calloc|realloc|free|pthread_(?!setcanceltype$).*|"
                            r"f?printf|.*printf|fopen|fwrite|"
                            r"getenv|secure_getenv|dl.*|_dl_.*|backtrace)$")
        found = {s for s in symbols(LIBRARY, "--undefined-only") if banned.match(s)}
        self.assertEqual(found, set())

    def test_no_library_but_libc_is_needed_or_loaded(self):
        # dlopen would be the way to one that is not needed; an exported _Unwind_* would take the
        # place of libgcc's in every C++ program.
        names = symbols(LIBRARY)
        self.assertEqual({n for n in names if re.match(r"_Unwind_|_?unw_|_U|dlm?open$", n)}, set())
        needed = subprocess.run(["readelf", "-d", LIBRARY], check=True, capture_output=True,
                                text=True).stdout
        self.assertEqual(re.findall(r"NEEDED.*\[(.*)\]", needed), ["libc.so.6"])
        self.assertIn("STATIC_TLS", needed)

    def test_table_has_no_row_twice(self):
        with open(TABLE, encoding="utf-8") as table:
            names = re.findall(r"^(?:CALL_VOID\w*\(|C\w+\([\w ]+, )(\w+),", table.read(), re.M)
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    sys.exit(unittest.main())
