#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A reader whose descriptors may not be read, for it is another user's: `app | sudo tee log`, or
root in a container, who may list the descriptors of others and (without CAP_SYS_PTRACE) read none.
That it cannot be seen does not mean that there is none: no_reader is not told of its writer."""
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import BUILD, Run, read_text, wait_until  # noqa: E402
from waits_case import WaitsCase  # noqa: E402

PYTHON = "/usr/bin/python3"
PIPESHIM = os.path.join(BUILD, "pipeshim")
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
WITHOUT_PTRACE = ["setpriv", "--bounding-set", "-sys_ptrace"]
NOT_ALL_READ = 4
WRITES = " {python} {folder}/writer.py "
READS = " {python} {folder}/reader.py {folder}/pid"
WRITER = """import os
for _ in range(200):
    os.write(1, bytes(1000))
"""
READER = """import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1] + ".new", sys.argv[1])
signal.sigwait([signal.SIGUSR1])
while os.read(0, 65536):
    pass
"""
# Its own reading end is on the way in a socket: no process has it.
IN_FLIGHT = """import os, socket
ours, theirs = socket.socketpair()
read_end, write_end = os.pipe()
socket.send_fds(ours, [b"x"], [read_end])
os.close(read_end)
os.write(write_end, bytes(200000))
"""


@unittest.skipUnless(os.geteuid() == 0, "needs root, who may become another user")
class UnreadableReader(WaitsCase):
    def begin_pipeline(self, command):
        """The shell is the first process; the writer alone runs the library."""
        folder = self.temporary_folder()
        for name, text in (("writer.py", WRITER), ("reader.py", READER), ("alone.py", IN_FLIGHT)):
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        run = Run(folder, [*command[:-1], command[-1].format(python=PYTHON, folder=folder)],
                  settings={"PIPESHIM_ONLY": "writer.py,alone.py"}, start_new_session=True)
        self.addCleanup(self.end, run)
        return run

    def assert_silent(self, rights, pipeline):
        """`rights`: those of the writer."""
        run = self.begin_pipeline(pipeline)
        number = os.path.join(run.folder, "pid")
        reader = int(wait_until(lambda: read_text(number), "the reader's pid"))
        writer = run.wait_for("blocked")[0]["pid"]
        run.wait_for("still", 2)  # a finding takes half the time
        asked = subprocess.run([*rights, PIPESHIM, "diagnose", str(writer), str(reader)],
                               capture_output=True, text=True, check=False)
        self.assertEqual(asked.returncode, NOT_ALL_READ, asked.stdout + asked.stderr)
        os.kill(reader, signal.SIGUSR1)
        self.assertEqual(run.drain()[2], 0)
        run.wait_for("summary")
        self.assertEqual(run.events("finding") + run.events("deadlock"), [])

    def test_root_without_ptrace(self):
        self.assert_silent(WITHOUT_PTRACE, [*WITHOUT_PTRACE, "sh", "-c", WRITES + "| " + " ".join(
            AS_NOBODY) + READS])

    def test_a_reader_with_more_rights(self):
        self.assert_silent(AS_NOBODY, ["sh", "-c", " ".join(AS_NOBODY) + WRITES + "|" + READS])

    def test_a_reader_that_is_none(self):
        """Strangers that may not be read are no reason for silence."""
        run = self.begin_pipeline([*WITHOUT_PTRACE, "sh", "-c", "{python} {folder}/alone.py; :"])
        finding = run.wait_for("finding")[0]
        self.assertEqual(finding["kind"], "no_reader", finding)


if __name__ == "__main__":
    unittest.main()
