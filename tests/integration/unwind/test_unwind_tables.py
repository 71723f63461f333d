#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every row of the unwind tables of the libraries that every program has, as the library reads them
and as libunwind and readelf do. `make test-unwind` takes many more files.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("PIPESHIM_BUILD", "build")
LIBRARY = os.path.join(BUILD, "libpipeshim.so")
READELF_ROWS = os.path.join(HERE, "../../reference/readelf_rows.py")
SWEEP = os.environ.get("PIPESHIM_TEST_SWEEP")
CROSS_ROOT = "/usr/aarch64-linux-gnu"
QEMU = "qemu-aarch64-static -L " + CROSS_ROOT


def mapped(name):
    """The file of that name that this process, or ldd for a C++ program, knows."""
    listing = subprocess.run(["ldd", os.path.join(BUILD, "victims/drain_stdio")], check=True,
                             capture_output=True, text=True).stdout
    return re.search(r"(/\S*/%s\S*)" % re.escape(name), listing)[1]


def files():
    found = [mapped("libc.so"), mapped("ld-linux"), mapped("libstdc++.so"), LIBRARY]
    if SWEEP:
        found += [os.path.realpath(path) for path in
                  [shutil.which("node"), "/usr/bin/python3", mapped("libm.so")] +
                  glob.glob("/lib/*-linux-gnu/libcrypto.so.*") +
                  glob.glob(os.path.expanduser("~/.pyenv/versions/*/lib/libpython3.*.so.1.0"))
                  if path]
    return found


class Tables(unittest.TestCase):
    def compare(self, command, paths):
        result = subprocess.run(command + paths, capture_output=True, text=True, check=False)
        print(result.stdout + result.stderr, file=sys.stderr)
        self.assertEqual(result.returncode, 0, result.stdout)
        rows = [int(n) for n in re.findall(r"(\d+) rows", result.stdout)]
        self.assertEqual(len(rows), len(paths))
        return rows

    def test_rows_executed_by_libunwind(self):
        rows = self.compare([os.path.join(BUILD, "tests/reference/compare_rows")], files())
        self.assertGreater(rows[0], 10000)  # libc's

    def test_rows_printed_by_readelf(self):
        rows = self.compare([sys.executable, READELF_ROWS, os.path.join(BUILD, "tests/tools/cfi_rows")],
                            files())
        self.assertGreater(rows[0], 10000)

    def cross_program(self, name):
        program = os.path.join(BUILD, "aarch64", name)
        if not os.path.exists(program):
            self.skipTest("make test-unwind builds what is run for aarch64")
        return program

    def test_unwinder_of_aarch64(self):
        said = ""
        for name in ("test_cfi_expression", "test_cfi_program", "test_cfi_search", "test_cfi_frames"):
            result = subprocess.run(QEMU.split() + [self.cross_program(name)],
                                    capture_output=True, text=True, check=False)
            self.assertEqual(result.returncode, 0, result.stdout)
            said += result.stdout
        self.assertIn("signed: yes", said)
        self.assertIn("test_signed_return", said)
        self.assertIn("test_own_stack", said)

    def test_rows_of_aarch64(self):
        program = self.cross_program("cfi_rows")
        rows = self.compare([sys.executable, READELF_ROWS, "--readelf", "aarch64-linux-gnu-readelf",
                             "--runner", QEMU, program],
                            [os.path.join(CROSS_ROOT, "lib", name) for name in
                             ("libc.so.6", "ld-linux-aarch64.so.1", "libgcc_s.so.1")])
        self.assertGreater(rows[0], 10000)


if __name__ == "__main__":
    sys.exit(unittest.main())
