# SPDX-License-Identifier: MIT
"""pipeshim report: lines of source, from the program or from its debug file by build-id."""
import os
import re
import resource
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from log_maker import Process, frame, write_log  # noqa: E402
from report_case import ReportTest  # noqa: E402


def compile_victim(folder):
    source = os.path.join(folder, "victim.c")
    with open(source, "w", encoding="utf-8") as out:
        out.write("#include <unistd.h>\n"
                  "\n"
                  "__attribute__((noinline)) long inner(int fd)\n"
                  "{\n"
                  "    fsync(fd); /* line 5; the call returns to line 6 */\n"
                  "    return 0;\n"
                  "}\n"
                  "int main(void)\n"
                  "{\n"
                  "    inner(-1); /* line 10 */\n"
                  "    return 0;\n"
                  "}\n")
    program = os.path.join(folder, "victim")
    subprocess.run(["cc", "-g", "-O0", "-Wl,--build-id", "-o", program, source], check=True)
    return program


def build_id_of(program):
    notes = subprocess.run(["readelf", "-n", program], capture_output=True, check=True).stdout.decode()
    return re.search(r"Build ID: ([0-9a-f]+)", notes)[1]


def return_address(program, caller, callee):
    """The address behind the call of `callee` in `caller`."""
    code = subprocess.run(["objdump", "-d", f"--disassemble={caller}", program], capture_output=True,
                          check=True).stdout.decode().splitlines()
    for line, following in zip(code, code[1:]):
        if re.search(r"\s(call|callq|bl)\s.*<" + callee + r"[@>]", line):
            return int(following.split(":")[0], 16)
    raise AssertionError(f"no call of {callee} in {caller}")


class SourceLines(ReportTest):
    def setUp(self):
        super().setUp()
        self.program = compile_victim(self.folder)
        self.build_id = build_id_of(self.program)

    def report(self, *arguments, build_id=None, module=None):
        stack = [frame(name, return_address(self.unstripped, name, callee), module or self.program,
                       build_id or self.build_id) for name, callee in (("inner", "fsync"), ("main", "inner"))]
        process = Process(5, "victim")
        process.call(1, 300, stack=stack)
        return self.run_tool(*arguments, write_log(self.path("log"), process))[0]

    @property
    def unstripped(self):
        return self.path("victim.debug") if os.path.exists(self.path("victim.debug")) else self.program

    def test_from_the_program_itself(self):
        text = self.report()
        self.assertRegex(text, r"#0 +inner  .*victim\.c:5\n +#1 +main  .*victim\.c:10\n")
        self.assertNotIn("victim.c", self.report("--no-lines"))
        self.assertRegex(self.report("-f", "folded"), r"main \(victim\.c:10\);inner \(victim\.c:5\)")

    def test_the_line_of_who_is_in_a_deadlock(self):
        """Also from its own log, where the one that tells first could not read it."""
        address = return_address(self.program, "main", "inner")
        member = {"pid": 5, "comm": "victim", "name": "victim", "tid": 5, "waits_in": "write fd 2",
                  "for_pid": 6, "object": "pipe:[7]"}
        line = {"where": f"victim+0x{address:x} main", "stack": [
            frame("inner", return_address(self.program, "inner", "fsync"), self.program, self.build_id),
            frame("main", address, self.program, self.build_id)]}
        other = {"pid": 6, "comm": "cat", "name": "cat", "tid": 6, "waits_in": "write fd 1", "for_pid": 5}
        first, second = Process(6, "cat"), Process(5, "victim")
        first.event("deadlock", 2, id="0x1", words="w", advice="a", chain=[member, other])
        second.event("deadlock", 2.1, id="0x1", words="w", advice="a", chain=[{**member, **line}, other])
        log = write_log(self.path("log"), first, second)
        for kind in "text", "markdown", "junit", "html":
            self.assertRegex(self.run_tool("-f", kind, log)[0], r"(>|&gt;|u003[eE]) \S*victim\.c:10 main", kind)
        self.assertRegex(self.run_tool("--no-lines", log)[0], rf"> victim\+0x{address:x} main\n")

    def test_where_is_what_the_log_calls_the_users(self):
        """Rust's library lies in the user's program: only the library knows which is which."""
        address = return_address(self.program, "main", "inner")
        process = Process(5, "victim")
        process.call(1, 300, where=f"victim+0x{address:x} main", stack=[
            frame("inner", return_address(self.program, "inner", "fsync"), self.program, self.build_id),
            frame("main", address, self.program, self.build_id)])
        log = write_log(self.path("log"), process)
        self.assertRegex(self.run_tool("-f", "markdown", log)[0], r"\| main  \S*victim\.c:10 \|")
        self.assertRegex(self.report("-f", "markdown"), r"\| inner  \S*victim\.c:5 \|")  # it does not say

    def test_another_build_of_the_same_path_is_not_believed(self):
        text = self.report(build_id="00" * 20)
        self.assertNotIn("victim.c", text)
        self.assertIn("inner", text)

    def test_from_a_debug_file_by_build_id(self):
        folder = self.path("debug/.build-id/" + self.build_id[:2])
        os.makedirs(folder)
        shutil.copy(self.program, self.path("victim.debug"))
        subprocess.run(["objcopy", "--only-keep-debug", self.program,
                        os.path.join(folder, self.build_id[2:] + ".debug")], check=True)
        subprocess.run(["strip", self.program], check=True)
        self.assertNotIn("victim.c", self.report())
        text = self.report("--debuginfo-path", self.path("debug"))
        self.assertRegex(text, r"#0 +inner  .*victim\.c:5\n +#1 +main  .*victim\.c:10\n")
        # The same on a machine that does not have the program at all.
        text = self.report("--debuginfo-path", self.path("debug"), module="/gone/victim")
        self.assertRegex(text, r"#0 +inner  .*victim\.c:5\n +#1 +main  .*victim\.c:10\n")

    def test_a_module_that_is_no_program_does_no_harm(self):
        os.mkfifo(self.path("fifo"))
        junk = self.write("junk", b"\x7fELF\x02\x01\x01" + os.urandom(5000))
        for module in (self.path("fifo"), junk, "/dev/zero", self.folder, "/proc/self/mem"):
            self.assertIn("inner", self.report(module=module))

    def test_no_server_is_asked_unless_wanted(self):
        environment = dict(os.environ, DEBUGINFOD_URLS="http://127.0.0.1:1/", DEBUGINFOD_VERBOSE="1",
                           DEBUGINFOD_CACHE_PATH=self.path("cache"))
        process = Process(5, "victim")
        process.call(1, 300, stack=[frame("f", 0x1000, "/gone", "ab" * 20)])
        log = write_log(self.path("log"), process)
        _, said = self.run_tool(log, env=environment)
        self.assertEqual(said, "")
        without = {key: value for key, value in environment.items() if key != "DEBUGINFOD_URLS"}
        self.run_tool("--debuginfod", log, env=without, status=64)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    unittest.main(verbosity=2)
