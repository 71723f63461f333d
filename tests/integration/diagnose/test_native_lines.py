#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`diagnose` has the line of a C, C++ or Rust program that was built with debug information, and the
function where it was not."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import STUCK, DiagnoseTest, main

WRITES_FOR_EVER = "import os\nwhile True: os.write(1, b'x' * 4096)"

# The sleep is code of the library's header, inlined.
SLEEPER = """\
#include <chrono>
#include <thread>
__attribute__((noinline)) void doze()
{
    std::this_thread::sleep_for(std::chrono::hours(9));
}
int main()
{
    doze();
    return 0;
}
"""
# The write is made by the standard library, whose code is in the program.
RUST_WRITER = """\
use std::io::Write;
#[inline(never)]
fn feed(text: &[u8]) {
    std::io::stdout().write_all(text).unwrap();
}
fn main() {
    feed(&vec![b'x'; 300000]);
}
"""


class NativeLines(DiagnoseTest):
    def build(self, name, text, compiler, *options):
        folder = tempfile.mkdtemp(prefix="pipeshim.")
        self.addCleanup(shutil.rmtree, folder)
        source, program = os.path.join(folder, name), os.path.join(folder, "program")
        with open(source, "w") as file:
            file.write(text)
        subprocess.run([compiler, *options, "-o", program, source], check=True, cwd=folder)
        return source, program

    def link_of(self, program):
        """What is said of a reader that sleeps, or of a writer that is not read."""
        reads, writes = os.pipe()
        writer = self.python(WRITES_FOR_EVER, stdout=writes)
        reader = self.spawn([program], stdin=reads)
        os.close(reads)
        os.close(writes)
        finding = self.the_finding(self.until_status(STUCK, writer.pid), "reader_away")
        self.assertEqual(finding["chain"][1]["pid"], reader.pid)
        return finding["chain"][1]

    def test_the_users_line_of_what_was_inlined(self):
        source, program = self.build("sleeper.cc", SLEEPER, "g++", "-O2", "-g")
        link = self.link_of(program)
        self.assertEqual(link["where"], source + ":5 doze()")
        self.assertEqual(link["source"], "std::this_thread::sleep_for(std::chrono::hours(9));")

    def test_without_debug_information(self):
        _, program = self.build("sleeper.cc", SLEEPER, "g++", "-O2", "-g0")
        link = self.link_of(program)
        self.assertRegex(link["where"], r"^program\+0x[0-9a-f]+ doze\(\)$")
        self.assertNotIn("source", link)

    def test_a_program_that_was_built_anew(self):
        """The file of that name is another build: its lines are not those of what runs."""
        _, program = self.build("sleeper.cc", SLEEPER, "g++", "-O2", "-g")
        _, other = self.build("sleeper.cc", "\n\n" + SLEEPER, "g++", "-O2", "-g")
        reads, writes = os.pipe()
        writer = self.python(WRITES_FOR_EVER, stdout=writes)
        self.spawn([program], stdin=reads)
        os.close(reads)
        os.close(writes)
        self.until_status(STUCK, writer.pid)
        os.unlink(program)
        os.replace(other, program + " (deleted)")  # as the kernel calls that which runs from now on
        finding = self.the_finding(self.until_status(STUCK, writer.pid), "reader_away")
        self.assertRegex(finding["chain"][1]["where"], r"^program.*\+0x[0-9a-f]+ doze\(\)$")

    def test_rust(self):
        if not shutil.which("rustc"):
            self.skipTest("no rustc here")
        source, program = self.build("feeder.rs", RUST_WRITER, "rustc", "-g", "-O")
        reads, writes = os.pipe()
        self.addCleanup(os.close, reads)
        writer = self.spawn([program], stdout=writes)
        os.close(writes)
        report = self.until_status(STUCK, writer.pid)
        self.assertEqual(report["findings"][0]["chain"][0]["where"], source + ":4 feeder::feed")


if __name__ == "__main__":
    main()
