# SPDX-License-Identifier: MIT
"""Bad input and bad luck: a clear line for each, and the rest still reported."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import CLEAR, DEADLOCK, ERROR, PIPESHIM, DiagnoseTest, main

WAITS_BEFORE_READING = """
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', "import os; os.write(1, b'x' * 300000)"],
                         stdout=subprocess.PIPE)
child.wait()
"""

IGNORES_STDERR = """
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', "import os; os.write(2, b'x' * 300000)"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
child.stdout.read()
"""

STATIC_WRITER = """
#include <unistd.h>
static char bytes[65536];
int main(void) { for (;;) if (write(1, bytes, sizeof bytes) < 0) return 1; }
"""

NOBODY = 65534


class Input(DiagnoseTest):
    def run_as(self, user, *arguments, prefix=()):
        """diagnose as another user, from a copy that this user can execute."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o755)
        copy = shutil.copy(PIPESHIM, folder)
        os.chmod(copy, 0o755)
        command = [*prefix, "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups",
                   copy, "diagnose", *map(str, arguments)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=60)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_wrong_use_is_one_line_and_64(self):
        for arguments in ([], ["abc"], ["0"], ["-1"], ["12x"], ["--all", "1"], ["--nonsense", "1"],
                          ["99999999999999999999"], [""]):
            status, out, err = self.text(*arguments)
            self.assertEqual((status, out, err.count("\n")), (64, "", 1), (arguments, err))

    def test_help_and_version(self):
        self.assertIn("usage: pipeshim diagnose", self.text("--help")[1])
        status, out, _ = self.text("--version")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"^pipeshim \d")

    def unused_pid(self):
        child = subprocess.Popen(["true"])
        child.wait()
        return child.pid

    def test_no_such_process(self):
        pid = self.unused_pid()
        status, out, err = self.text(pid)
        self.assertEqual((status, out), (ERROR, ""))
        self.assertIn(f"process {pid} not found", err)
        self.assertEqual(self.diagnose(pid)[1]["verdict"], "error")

    def test_the_rest_is_still_reported(self):
        missing, parent = self.unused_pid(), self.python(WAITS_BEFORE_READING)
        report = self.until_status(DEADLOCK, missing, parent.pid)
        self.assertIn(missing, [note.get("pid") for note in report["notes"]])

    def test_an_end_during_the_look(self):
        for _ in range(30):
            child = subprocess.Popen(["sh", "-c", "for i in 1 2 3; do /bin/true; done"])
            status, report = self.diagnose(child.pid)
            child.wait()
            self.assertIn(status, (CLEAR, ERROR))
            self.assertEqual(report["findings"], [])

    def test_a_zombie(self):
        child = subprocess.Popen(["true"])
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        status, report = self.diagnose(child.pid)
        child.wait()
        self.assertEqual(status, CLEAR)
        self.assertIn("zombie", report["notes"][0]["note"])

    def test_thousands_of_threads(self):
        victim = self.python("import threading\nthreading.stack_size(32768)\n"
                             "stop = threading.Event()\n"
                             "for _ in range(3000): threading.Thread(target=stop.wait).start()\n")
        self.until(lambda: len(os.listdir(f"/proc/{victim.pid}/task")) > 3000, "3,001 threads")
        status, report = self.diagnose(victim.pid)
        self.assertEqual(status, CLEAR)
        self.assertEqual(len(report["processes"][0]["threads"]), 3001)
        status, out, _ = self.text(victim.pid)
        self.assertEqual(status, CLEAR)
        self.assertIn("3001 threads", out)
        self.assertLess(len(out.splitlines()), 25)

    def test_a_name_that_is_no_text(self):
        code = ("import ctypes, time\nctypes.CDLL(None).prctl(15, b'\\x1b[J\\xc2\\x9b\\xff\\n) R 1')\n"
                "time.sleep(1000)")
        victim = self.python(code)
        self.until(lambda: b"\xff" in open_bytes(f"/proc/{victim.pid}/comm"), "the name")
        status, report = self.diagnose(victim.pid)
        self.assertEqual(status, CLEAR)
        process = report["processes"][0]
        self.assertEqual((process["state"], process["parent"]), ("S", os.getpid()))
        for options in ((), ("--json",)):
            done = subprocess.run([PIPESHIM, "diagnose", *options, str(victim.pid)],
                                  stdout=subprocess.PIPE)
            self.assertNotIn(b"\x1b", done.stdout)
            self.assertNotIn(b"\x9b", done.stdout)  # also U+009B, which stands for ESC [

    @unittest.skipUnless(shutil.which("cc"), "no compiler on this machine")
    def test_a_static_program(self):
        with tempfile.TemporaryDirectory() as folder:
            source, program = os.path.join(folder, "w.c"), os.path.join(folder, "static-writer")
            with open(source, "w") as file:
                file.write(STATIC_WRITER)
            subprocess.run(["cc", "-static", "-o", program, source], check=True)
            parent = self.python("import subprocess, sys\n"
                                 "subprocess.Popen([sys.argv[1]], stdout=subprocess.PIPE).wait()",
                                 program)
            finding = self.the_finding(self.until_status(DEADLOCK, parent.pid), "deadlock")
            self.assertEqual(finding["chain"][0]["comm"], "static-writer")

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_a_process_of_another_user(self):
        victim = self.python("import time; time.sleep(1000)")
        status, _, err = self.run_as(NOBODY, victim.pid)
        self.assertEqual(status, 4)  # not all could be read
        self.assertIn(f"process {victim.pid} may not be read: it belongs to root", err)

    @unittest.skipUnless(os.geteuid() == 0, "needs root to become somebody else")
    def test_ones_own_process_without_privileges(self):
        parent = self.python(WAITS_BEFORE_READING, user=NOBODY, group=NOBODY, extra_groups=[])
        self.until_status(DEADLOCK, parent.pid)
        status, out, err = self.run_as(NOBODY, "--json", parent.pid)
        self.assertEqual(status, DEADLOCK, (out, err))
        link = json.loads(out)["findings"][0]["chain"][0]
        self.assertEqual((link["capacity"], link["full"]), (65536, True))
        status, out, err = self.run_as(NOBODY, "--all")
        self.assertEqual(status, DEADLOCK, (out, err))
        self.assertRegex(err, r"\d+ process(es)? may not be read")

    @unittest.skipUnless(os.geteuid() == 0, "needs root to mount")
    def test_calls_that_may_not_be_read(self):
        """As under Yama: /proc/PID/syscall says nothing, wchan the kind of the wait."""
        if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("mount namespaces are not allowed here")
        parent = self.python(IGNORES_STDERR)
        self.until_status(DEADLOCK, parent.pid)
        child = self.child_of(parent.pid)
        script = ("for pid in $1 $2; do mount --bind /dev/null /proc/$pid/task/$pid/syscall || "
                  "exit 99; done; exec \"$3\" diagnose --json $1")
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", str(parent.pid),
                               str(child), PIPESHIM], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=60)
        if done.returncode == 99:
            self.skipTest("mounts over /proc are not allowed here")
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, DEADLOCK, report)
        finding = self.the_finding(report, "deadlock")
        self.assert_closed(finding)
        self.assertEqual([link["waits_in"] for link in finding["chain"]], ["write", "read"])
        self.assertIn("the calls of 2 threads may not be read",
                      " ".join(note["note"] for note in report["notes"]))

    @unittest.skipUnless(os.geteuid() == 0, "needs root to mount")
    def test_a_proc_with_hidepid(self):
        victim = self.python("import time; time.sleep(1000)")
        script = "mount -t proc -o hidepid=2 proc /proc && exec \"$@\""
        probe = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", "true"],
                               stderr=subprocess.DEVNULL)
        if probe.returncode != 0:
            self.skipTest("mount namespaces are not allowed here")
        prefix = ["unshare", "-m", "sh", "-c", script, "sh"]
        status, out, err = self.run_as(NOBODY, victim.pid, prefix=prefix)
        self.assertEqual((status, out), (ERROR, ""))
        self.assertIn(f"process {victim.pid} not found", err)
        self.assertIn("hidepid", err)


def open_bytes(path):
    with open(path, "rb") as file:
        return file.read()


if __name__ == "__main__":
    main()
