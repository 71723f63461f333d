# SPDX-License-Identifier: MIT
"""PIPESHIM_LOG=journal: records of a real systemd-journald, and what is done where none is."""
import json
import os
import select
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from journal_case import JournalCase  # noqa: E402
from pipeshim_case import DEADLINE_S, LIBRARY, PipeshimCase, read_text, wait_until  # noqa: E402

PYTHON = "/usr/bin/python3"
# Its stderr is a pipe that nobody reads until it has been told of.
STUCK = """import os, sys
def fill():
    os.write(2, b"x" * 70000)
fill()
"""
DEADLOCK = """import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print('x' * 200000)"], stdout=subprocess.PIPE)
child.wait()
"""


WITHOUT_JOURNAL = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]


def environment(**settings):
    kept = {k: v for k, v in os.environ.items()
            if not k.startswith("PIPESHIM") and k != "JOURNAL_STREAM"}
    kept.update(LD_PRELOAD=os.path.abspath(LIBRARY), PIPESHIM_LOG="journal",
                PIPESHIM_THRESHOLD="50ms", **settings)
    return kept


class Journal(JournalCase):
    def setUp(self):
        self.folder = self.temporary_folder()
        self.script = os.path.join(self.folder, "stuck.py")
        self.begin_journal()

    def run_stuck(self, script=STUCK, command=None, **settings):
        with open(self.script, "w") as file:
            file.write(script)
        process = subprocess.Popen(self.inside(*(command or []), PYTHON, self.script),
                                   env=environment(**settings), stderr=subprocess.PIPE,
                                   start_new_session=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_fields(self):
        process = self.run_stuck()
        entry = self.wait_for_entries("PIPESHIM_EVENT=blocked")[0]
        told = json.loads(entry["PIPESHIM_JSON"])
        self.assertEqual((told["event"], told["pid"], told["call"]), ("blocked", process.pid, "write"))
        self.assertEqual(entry["_PID"], str(process.pid))
        self.assertEqual(entry["PRIORITY"], "4")
        self.assertEqual(entry["SYSLOG_IDENTIFIER"], "pipeshim")
        self.assertEqual((entry["CODE_FILE"], entry["CODE_LINE"], entry["CODE_FUNC"]),
                         (self.script, "3", "fill"))
        self.assertEqual(entry["PIPESHIM_CLASS"], "pipe_write")
        self.assertEqual(entry["PIPESHIM_STACK_ID"], told["stack_id"])
        self.assertEqual(entry["PIPESHIM_SEQ"], str(told["seq"]))
        self.assertEqual(int(entry["PIPESHIM_BLOCKED_USEC"]), int(told["blocked_ms"] * 1000))
        message = entry["MESSAGE"].splitlines()
        self.assertTrue(message[0].startswith("pipeshim: BLOCKED stuck.py["), message[0])
        self.assertIn("fill", entry["MESSAGE"])
        self.assertGreater(len(message), 3, "one record of several lines")
        same = self.entries("MESSAGE_ID=" + entry["MESSAGE_ID"])
        self.assertEqual({e["PIPESHIM_EVENT"] for e in same}, {"blocked"})
        self.assertEqual(process.stderr.read(), b"x" * 70000)
        self.assertEqual(process.wait(DEADLINE_S), 0)
        end = self.wait_for_entries("PIPESHIM_EVENT=unblocked")[0]
        self.assertEqual(end["PRIORITY"], "6")

    def test_deadlock_is_an_error(self):
        self.run_stuck(DEADLOCK)
        entries = self.wait_for_entries("PIPESHIM_EVENT=deadlock", "PRIORITY=3")
        told = json.loads(entries[0]["PIPESHIM_JSON"])
        self.assertEqual(len(told["chain"]), 2)
        self.assertIn(int(entries[0]["PIPESHIM_PEER_PID"]), {link["pid"] for link in told["chain"]})
        self.assertIn("DEADLOCK", entries[0]["MESSAGE"])

    def test_a_quiet_program_says_nothing(self):
        """The twin: also in JSON, whose `start` a file would get."""
        subprocess.run(self.inside(PYTHON, "-c", "import time; time.sleep(0.2)"), check=True,
                       env=environment(PIPESHIM_FORMAT="json"), timeout=DEADLINE_S)
        self.assertEqual(self.entries("SYSLOG_IDENTIFIER=pipeshim"), [])

    def test_report_reads_it_back(self):
        process = self.run_stuck()
        self.wait_for_entries("PIPESHIM_EVENT=blocked")
        process.stderr.read()
        process.wait(DEADLINE_S)
        self.wait_for_entries("PIPESHIM_EVENT=unblocked")
        lines = subprocess.run(
            self.inside("journalctl", "-t", "pipeshim", "-o", "cat", "--output-fields=PIPESHIM_JSON",
                        "--no-pager"), check=True, capture_output=True).stdout
        log = os.path.join(self.folder, "log")
        with open(log, "wb") as file:
            file.write(lines)
        tool = os.path.join(os.path.dirname(LIBRARY), "pipeshim")
        shown = subprocess.run([tool, "report", log], capture_output=True, text=True, check=True)
        self.assertIn("fill", shown.stdout)

    def test_a_daemon_that_is_stopped_holds_nobody(self):
        """What the program's end finds in the socket comes when the daemon runs again."""
        os.kill(int(self.daemon), signal.SIGSTOP)
        process = self.run_stuck()
        top = [os.path.join(os.path.dirname(LIBRARY), "pipeshim"), "top", "--json", "-n", "1",
               str(process.pid)]
        wait_until(lambda: b"pipe_write" in subprocess.run(top, capture_output=True).stdout, "report")
        process.stderr.read()
        self.assertEqual(process.wait(DEADLINE_S), 0)
        os.kill(int(self.daemon), signal.SIGCONT)
        self.wait_for_entries("PIPESHIM_EVENT=blocked")

    def test_a_full_socket_holds_nobody(self):
        """The second stall is seen while the record of the first finds no room; both come when the
        daemon runs again."""
        os.kill(int(self.daemon), signal.SIGSTOP)
        self.addCleanup(os.kill, int(self.daemon), signal.SIGCONT)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            filler.connect(self.root + "/run/systemd/journal/socket")
            try:
                while True:
                    filler.send(b"MESSAGE=x\n")
            except BlockingIOError:
                pass
        process = self.run_stuck(STUCK + "fill()\n")
        tool = os.path.join(os.path.dirname(LIBRARY), "pipeshim")

        def stall(oldest_ms, youngest_ms=0):
            shown = subprocess.run([tool, "top", "--json", "-n", "1", str(process.pid)], capture_output=True)
            seen = json.loads(shown.stdout)["processes"] if shown.stdout else []
            return [one for of in seen for one in of.get("threads", [])
                    if one.get("call") == "write" and youngest_ms <= one["blocked_ms"] < oldest_ms]
        wait_until(lambda: stall(float("inf"), 5000), "first stall, of five seconds")
        left = 70000
        while left:
            left -= len(os.read(process.stderr.fileno(), left))
        wait_until(lambda: stall(5000), "second stall")
        os.kill(int(self.daemon), signal.SIGCONT)
        told = wait_until(lambda: (e := [json.loads(entry["PIPESHIM_JSON"]) for entry in
                                         self.entries("PIPESHIM_EVENT=blocked")]) and len(e) == 2 and e,
                          "both records")
        self.assertEqual([event["pid"] for event in told], [process.pid] * 2)
        process.stderr.read()
        self.assertEqual(process.wait(DEADLINE_S), 0)


class NoJournal(PipeshimCase):
    def test_stderr_of_a_service(self):
        """No journal socket: JOURNAL_STREAM says that stderr is the journal's."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        status = os.fstat(theirs.fileno())
        script = "import os, threading\nr, w = os.pipe()\nos.write(w, b'x' * 70000)\n"
        process = subprocess.Popen(
            [*WITHOUT_JOURNAL, PYTHON, "-c", script], stderr=theirs,
            env=environment(JOURNAL_STREAM="%d:%d" % (status.st_dev, status.st_ino)))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        theirs.close()
        got = b""

        def told():
            nonlocal got
            got += ours.recv(65536, socket.MSG_DONTWAIT) if self.readable(ours) else b""
            return b"<4>pipeshim: BLOCKED" in got and got.endswith(b"\n")
        wait_until(told, "line on stderr")
        for line in got.decode().splitlines():
            self.assertRegex(line, "^<[3-6]>")

    @staticmethod
    def readable(end):
        return select.select([end], [], [], 0)[0]

    def test_plain_stderr(self):
        """Elsewhere it is one line, and plain text: also if JOURNAL_STREAM is another file's."""
        folder = self.temporary_folder()
        path = os.path.join(folder, "stderr")
        with open(path, "wb") as file:
            process = subprocess.Popen(
                [*WITHOUT_JOURNAL, PYTHON, "-c", "import os\nr, w = os.pipe()\nos.write(w, b'x' * 70000)\n"],
                env=environment(JOURNAL_STREAM="1:2"), stderr=file)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        text = wait_until(lambda: all(word in read_text(path) for word in ("WARNING", "BLOCKED")) and
                          read_text(path), "warning and report")
        lines = [line for line in text.splitlines() if "PIPESHIM_LOG" in line and "WARNING" in line]
        self.assertEqual(len(lines), 1, text)
        self.assertIn("expected systemd's journal at /run/systemd/journal/socket", lines[0])
        self.assertIn("reports go to stderr", lines[0])
        self.assertNotIn("<4>", text)
        self.assertIn("BLOCKED", text)


if __name__ == "__main__":
    unittest.main()
