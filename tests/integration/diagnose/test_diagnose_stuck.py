# SPDX-License-Identifier: MIT
"""Writers whose readers do not listen, reads that never end: stuck, but no circle."""
import ctypes
import os
import pty
import select
import signal
import socket
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import CLEAR, DEADLOCK, STUCK, DiagnoseTest, main

CALLS_HTTP_ON_THE_LOOP = """
import asyncio, sys, urllib.request
async def run():
    child = await asyncio.create_subprocess_exec(
        sys.executable, '-c', "import os\\nwhile True: os.write(1, b'x' * 4096)",
        stdout=asyncio.subprocess.PIPE)
    await child.stdout.read(10)
    urllib.request.urlopen(sys.argv[1]).read()
asyncio.run(run())
"""

READS_AFTER_ITS_CHILD = """
import subprocess, sys
grandchild = "import subprocess; subprocess.Popen(['sleep', '1000'])"
child = subprocess.Popen([sys.executable, '-c', grandchild], stdout=subprocess.PIPE)
child.stdout.read()
"""

WRITES_FOR_EVER = "import os\nwhile True: os.write(1, b'x' * 4096)"

COPIES_TO_ITS_TERMINAL = """
import os
while True: os.write(1, os.read(0, 4096).replace(b'\\x00', b'x'))
"""

WRITES_TO_A_THREAD_THAT_SLEEPS = """
import os, threading, time
reads, writes = os.pipe()
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
os.write(writes, b'x' * 300000)
"""

PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207


# Two that share a pipe, full and made non-blocking by the first; nobody reads.
REFUSED = """
import os, signal, subprocess, sys
reads, writes = os.pipe()
first = subprocess.Popen([sys.executable, '-c', "import os, signal\\nos.set_blocking(1, False)\\n"
    "try:\\n    while True: os.write(1, bytes(4096))\\nexcept BlockingIOError: pass\\n"
    "os.write(2, b'.')\\nsignal.pause()"], stdout=writes, stderr=subprocess.PIPE)
first.stderr.read(1)
second = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdout=writes)
os.close(writes)
signal.pause()
"""
TRIES_AGAIN = """
import os, time
while True:
    try: os.write(1, b'x')
    except BlockingIOError: time.sleep(0.05)
"""
# Its stdout is full and not read, its loop asks for room, and is at work all the time: never seen in
# its wait. What it keeps grows, or does not.
AT_WORK = """
import os, select, subprocess, sys
code = '''
import os, select, sys
os.set_blocking(1, False)
try:
    while True: os.write(1, bytes(4096))
except BlockingIOError: pass
loop = select.epoll()
loop.register(1, select.EPOLLOUT)
kept, turns = [], 0
while not loop.poll(0):
    sum(range(30000))
    turns += 1
    if turns == 20: os.write(2, b'.')  # all is in memory that it ever needs
    if sys.argv[1] == 'grows': kept.append(bytearray(b'x' * 4000))
'''
child = subprocess.Popen([sys.executable, '-c', code, sys.argv[1]], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
child.stderr.read(1)
child.wait()
"""
WAITS_FOR_ROOM = "import select; select.select([], [1], [])"


class Stuck(DiagnoseTest):
    def refused(self, code):
        parent = self.python(REFUSED, code)
        def second():
            children = self.children(parent.pid)
            return children[1] if len(children) > 1 else None
        pid = self.until(second, "the second writer")
        return parent, pid

    def children(self, pid):
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            return [int(child) for child in file.read().split()]

    def test_a_write_that_is_refused(self):
        parent, pid = self.refused(TRIES_AGAIN)
        def told():
            report = self.diagnose(pid)[1]
            return report if "nonblocking_shared" in str(report) else None
        finding = self.the_finding(self.until(told, "the finding"), "nonblocking_shared")
        self.assertEqual(finding["chain"][0]["pid"], pid)
        self.assertEqual(finding["chain"][1]["pid"], self.children(parent.pid)[0])
        self.assertRegex(finding["words"], r"is refused each write to stdout \(EAGAIN\).*"
                         r"probably made it so$")

    def test_one_that_waits_for_room(self):
        """The same stream, but the program is made for it."""
        _, pid = self.refused(WAITS_FOR_ROOM)
        self.until(lambda: "poll" in self.wchan(pid) or "select" in self.wchan(pid), "its select")
        report = self.diagnose(pid)[1]
        self.assertNotIn("nonblocking_shared", str(report))

    def at_work(self, how):
        parent = self.python(AT_WORK, how)
        self.until(lambda: self.wchan(parent.pid) == "do_wait", "the wait for it")
        return parent, self.children(parent.pid)[0]

    def test_a_backlog_of_one_that_never_rests(self):
        parent, pid = self.at_work("grows")
        finding = self.the_finding(self.until_status(STUCK, parent.pid), "backlog")
        self.assertEqual([link["pid"] for link in finding["chain"]], [pid, parent.pid])
        self.assertEqual(finding["chain"][0]["waits_in"], "epoll_wait")
        self.assertRegex(finding["words"], r"keeps in memory.*; its memory grew by [0-9]+ KiB")

    def test_one_that_never_rests_and_keeps_nothing(self):
        parent, _ = self.at_work("stays")
        status, report = self.diagnose(parent.pid)
        self.assertEqual((status, report["findings"]), (CLEAR, []))

    def pipeline(self, reader_code, **reader_options):
        """A writer that never ends, and a reader of its pipe; the test keeps neither end."""
        reads, writes = os.pipe()
        writer = self.python(WRITES_FOR_EVER, stdout=writes)
        reader = self.python(reader_code, stdin=reads, **reader_options)
        os.close(reads)
        os.close(writes)
        return writer, reader

    def test_a_loop_that_is_away_in_an_http_call(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        accepted = []
        server = threading.Thread(target=lambda: accepted.append(listener.accept()[0]))
        server.start()
        port = listener.getsockname()[1]
        parent = self.python(CALLS_HTTP_ON_THE_LOOP, f"http://127.0.0.1:{port}/")
        server.join()
        self.addCleanup(accepted[0].close)
        report = self.until_status(STUCK, parent.pid)
        finding = self.the_finding(report, "reader_away")
        writer, keeper = finding["chain"]
        self.assertEqual(writer["for_pid"], parent.pid)
        self.assertEqual(keeper["pid"], parent.pid)
        self.assertRegex(keeper["waits_in"], r"^recvfrom fd \d+$")
        self.assertIn(f"127.0.0.1:{port}", finding["words"])
        self.assertIn("away from its event loop", finding["words"])
        self.assertIn("take this call off the event loop", finding["advice"])

    def test_a_child_that_asks_its_stuck_parent_is_a_circle(self):
        """The same call, but the server behind it is the child that cannot write."""
        code = """
import os, socket, subprocess, sys
CHILD = '''
import os, socket, sys
server = socket.create_server(("127.0.0.1", 0))
os.write(2, b"%d\\\\n" % server.getsockname()[1])
connection = server.accept()[0]
os.write(1, b"x" * 300000)
connection.sendall(b"answer")
'''
child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
port = int(child.stderr.readline())
socket.create_connection(("127.0.0.1", port)).recv(6)
"""
        parent = self.python(code)
        finding = self.the_finding(self.until_status(DEADLOCK, parent.pid), "deadlock")
        self.assert_closed(finding)
        self.assertEqual(len(finding["chain"]), 2)

    def test_a_grandchild_that_holds_the_writing_end(self):
        parent = self.python(READS_AFTER_ITS_CHILD)
        report = self.until_status(STUCK, parent.pid)
        finding = self.the_finding(report, "eof_never")
        holder = finding["chain"][0]["for_pid"]
        with open(f"/proc/{holder}/comm") as comm:
            self.assertEqual(comm.read().strip(), "sleep")
        self.addCleanup(os.kill, holder, signal.SIGKILL)
        self.assertIn(f"sleep ({holder}) still holds the writing end (stdout)", finding["words"])

    def test_a_grandchild_behind_a_shell(self):
        """The shape of `(daemon &) | cat`."""
        shell = self.spawn(["sh", "-c", "(sleep 1000 &) | cat"])
        cat = self.child_of(shell.pid, "cat")
        finding = self.the_finding(self.until_status(STUCK, cat), "eof_never")
        self.assertIn("sleep", finding["words"])
        os.kill(finding["chain"][0]["for_pid"], signal.SIGKILL)

    def test_a_stopped_reader(self):
        writer, reader = self.pipeline("import time; time.sleep(1000)")
        os.kill(reader.pid, signal.SIGSTOP)
        finding = self.the_finding(self.until_status(STUCK, writer.pid), "reader_stopped")
        self.assertEqual(finding["chain"][0]["for_pid"], reader.pid)
        self.assertIn("which is stopped (SIGSTOP", finding["words"])
        self.assertEqual(finding["advice"], f"continue it: kill -CONT {reader.pid}")

    def test_a_traced_reader(self):
        writer, reader = self.pipeline("import time; time.sleep(1000)")
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.assertEqual(libc.ptrace(PTRACE_SEIZE, reader.pid, None, None), 0)
        self.assertEqual(libc.ptrace(PTRACE_INTERRUPT, reader.pid, None, None), 0)
        finding = self.the_finding(self.until_status(STUCK, writer.pid), "reader_stopped")
        self.assertIn("stopped by its tracer", finding["words"])
        self.assertIn(f"({os.getpid()})", finding["words"])

    def terminal_reader(self):
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        writer, reader = self.pipeline(COPIES_TO_ITS_TERMINAL, stdout=slave)
        os.close(slave)
        return master, writer, reader

    def test_a_reader_on_a_flow_controlled_terminal(self):
        master, writer, reader = self.terminal_reader()
        os.write(master, b"\x13")  # Ctrl-S
        self.until(lambda: self.is_silent(master), "a terminal that is stopped")
        finding = self.the_finding(self.until_status(STUCK, writer.pid), "reader_away")
        self.assertEqual(finding["chain"][0]["for_pid"], reader.pid)
        self.assertIn("/dev/pts/", finding["words"])
        self.assertIn("it is flow-controlled (Ctrl-S)", finding["words"])
        self.assertIn("Ctrl-Q", finding["advice"])

    def is_silent(self, master):
        """Reads what there is; true when nothing came for a while."""
        os.set_blocking(master, False)
        try:
            os.read(master, 65536)
            return False
        except BlockingIOError:
            return not select.select([master], [], [], 0.3)[0]

    def test_a_reader_on_a_terminal_that_nobody_reads(self):
        _, writer, reader = self.terminal_reader()
        finding = self.the_finding(self.until_status(STUCK, writer.pid), "reader_away")
        self.assertEqual(finding["chain"][0]["for_pid"], reader.pid)
        self.assertIn("its other side does not read", finding["words"])

    def test_a_reader_that_sleeps_long(self):
        writer, reader = self.pipeline("import time; time.sleep(1000)")
        finding = self.the_finding(self.until_status(STUCK, writer.pid), "reader_away")
        self.assertEqual(finding["chain"][0]["for_pid"], reader.pid)
        self.assertEqual(finding["chain"][1]["waits_in"], "clock_nanosleep")

    def test_only_its_own_process_could_read(self):
        victim = self.python(WRITES_TO_A_THREAD_THAT_SLEEPS)
        finding = self.the_finding(self.until_status(STUCK, victim.pid), "self_reader")
        self.assertIn("only it itself holds the reading end", finding["words"])

    def test_the_last_stage_of_a_halted_pipeline_is_named(self):
        shell = self.spawn(["sh", "-c", "yes | cat | sleep 1000"])
        cat = self.child_of(shell.pid, "cat")
        self.child_of(shell.pid, "sleep")
        finding = self.the_finding(self.until_status(STUCK, shell.pid), "reader_away")
        self.assertEqual(finding["chain"][0]["pid"], cat)
        self.assertEqual(finding["chain"][1]["comm"], "sleep")

    def test_a_fifo(self):
        folder = tempfile.mkdtemp()
        path = os.path.join(folder, "fifo")
        os.mkfifo(path)
        self.addCleanup(os.rmdir, folder)
        self.addCleanup(os.unlink, path)
        reader = self.python("import sys, time; file = open(sys.argv[1]); time.sleep(1000)", path)
        writer = self.python("import os, sys; os.write(os.open(sys.argv[1], os.O_WRONLY), "
                             "b'x' * 300000)", path)
        finding = self.the_finding(self.until_status(STUCK, writer.pid), "reader_away")
        self.assertEqual(finding["chain"][0]["object"], path)
        self.assertEqual(finding["chain"][0]["for_pid"], reader.pid)


if __name__ == "__main__":
    main()
