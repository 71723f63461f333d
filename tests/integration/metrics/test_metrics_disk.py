# SPDX-License-Identifier: MIT
"""Metrics files on a disk that is full, and on one that may not be written."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from pipeshim_case import BUILD, DEADLINE_S, LIBRARY, PipeshimCase, read_text, wait_until, watchdog_folder  # noqa: E402

TOOL = os.path.join(BUILD, "pipeshim")
# Its stderr is full: the page has begun; it ends with its input.
WRITES = "import os, sys; os.write(2, b'x' * 70000); sys.stdin.read()"


@unittest.skipUnless(os.getuid() == 0, "mounts need root")
class Disk(PipeshimCase):
    def setUp(self):
        self.logs = self.temporary_folder()
        self.disk = self.temporary_folder()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", self.disk],
                              stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            self.skipTest("no tmpfs can be mounted: " + done.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=True)
        self.path = os.path.join(self.disk, "m.prom")

    def fill_up(self):
        with open(os.path.join(self.disk, "ballast"), "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                return file.name

    def read_only(self, on):
        subprocess.run(["mount", "-o", "remount," + ("ro" if on else "rw"), self.disk], check=True)

    def launch(self):
        log = os.path.join(self.logs, "log")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PIPESHIM")}
        environment.update(LD_PRELOAD=LIBRARY, PIPESHIM_THRESHOLD="50ms", PIPESHIM_LOG=log,
                           PIPESHIM_METRICS=self.path, PIPESHIM_METRICS_EVERY="100ms")
        process = subprocess.Popen(["/usr/bin/python3", "-c", WRITES], env=environment,
                                   stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdin.close)
        return process, log

    def exporter(self):
        process = subprocess.Popen([TOOL, "metrics", "--every", "100ms", "--textfile", self.path],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def assert_whole(self):
        text = wait_until(lambda: read_text(self.path), "a file")
        self.assertTrue(text.endswith("\n"))
        self.assertTrue(text.startswith("# HELP pipeshim_build_info"))
        self.assertEqual([n for n in os.listdir(self.disk) if n.endswith(".tmp")], [])

    def wait_for_rounds(self, folder):
        """It has tried again, several times: each time it sleeps."""
        def sleeps():
            return int(read_text(folder + "/status").split("voluntary_ctxt_switches:")[1].split()[0])
        before = sleeps()
        wait_until(lambda: sleeps() >= before + 15, "more tries")

    def of_a_process(self, spoil, mend, why):
        """One warning, the last file stays whole, and there are files again when it is mended."""
        process, log = self.launch()
        self.assert_whole()
        spoil()
        wait_until(lambda: "cannot be written" in read_text(log), "a warning")
        self.wait_for_rounds(watchdog_folder(process.pid))
        before = os.stat(self.path).st_ino
        os.read(process.stderr.fileno(), 1)
        mend()
        wait_until(lambda: os.stat(self.path).st_ino != before, "another file")
        self.assert_whole()
        process.stderr.read1(70000)
        process.stdin.close()
        self.assertEqual(process.wait(DEADLINE_S), 0)
        lines = [line for line in read_text(log).splitlines() if "cannot be written" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(why, lines[0])

    def of_the_host(self, spoil, mend, why):
        exporter = self.exporter()
        self.assert_whole()
        spoil()
        self.assertIn(why, exporter.stderr.readline())
        self.wait_for_rounds("/proc/%d" % exporter.pid)
        before = os.stat(self.path).st_ino
        mend()
        wait_until(lambda: os.stat(self.path).st_ino != before, "another file")
        self.assert_whole()
        exporter.terminate()
        self.assertEqual((exporter.wait(DEADLINE_S), exporter.stderr.read()), (0, ""))

    def test_a_full_disk(self):
        ballast = []
        self.of_a_process(lambda: ballast.append(self.fill_up()), lambda: os.unlink(ballast[0]),
                          "no space left")

    def test_a_full_disk_of_the_exporter(self):
        ballast = []
        self.of_the_host(lambda: ballast.append(self.fill_up()), lambda: os.unlink(ballast[0]),
                         "No space left on device")

    def test_a_read_only_disk(self):
        self.of_a_process(lambda: self.read_only(True), lambda: self.read_only(False),
                          "read-only")

    def test_a_read_only_disk_of_the_exporter(self):
        self.of_the_host(lambda: self.read_only(True), lambda: self.read_only(False), "Read-only")


if __name__ == "__main__":
    unittest.main()
