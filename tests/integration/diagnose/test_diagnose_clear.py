# SPDX-License-Identifier: MIT
"""Where nothing is stuck: no verdict. And what is looked at must not notice it."""
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import CLEAR, DEADLOCK, PIPESHIM, PYTHON, DiagnoseTest, main

WRITES_FOR_EVER = "import os\nwhile True: os.write(1, b'x' * 4096)"
READS_SLOWLY = "import os, time\nwhile os.read(0, 8192): time.sleep(0.1)"

READS_SLOWLY_IN_A_LOOP = """
import asyncio, sys
async def run():
    child = await asyncio.create_subprocess_exec(
        sys.executable, '-c', "import os\\nwhile True: os.write(1, b'x' * 4096)",
        stdout=asyncio.subprocess.PIPE)
    while True:
        await child.stdout.read(65536)
        await asyncio.sleep(0.05)
asyncio.run(run())
"""

POLLS_AND_COMPUTES = """
import os, select, time
poll = select.poll()
poll.register(0, select.POLLIN)
while True:
    poll.poll()
    os.read(0, 65536)
    time.sleep(0.01)
"""

MANY_READERS_ONE_ALIVE = """
import os, time
reads, writes = os.pipe()
for i in range(5):
    if os.fork() == 0:
        os.close(writes)
        if i == 3:
            while os.read(reads, 1024): time.sleep(0.01)
        time.sleep(1000)
os.close(reads)
while True: os.write(writes, b'x' * 4096)
"""

# Both sides of a ring of pipes full, but the third member reads what the first writes.
RING_WITH_A_POLLER = """
import os, select, time
pipes = [os.pipe() for _ in range(3)]
for member in range(3):
    if os.fork() == 0:
        reads, writes = pipes[member][0], pipes[(member + 1) % 3][1]
        for pair in pipes:
            for fd in pair:
                if fd not in (reads, writes): os.close(fd)
        if member == 2:
            while True:
                if select.select([reads], [], [], 60)[0]: os.read(reads, 4096); time.sleep(0.05)
        while True: os.write(writes, b'x' * 4096)
for pair in pipes:
    for fd in pair: os.close(fd)
os.wait()
"""

IDLE_POOL = """
import concurrent.futures, socket, threading
pool = concurrent.futures.ThreadPoolExecutor(16)
list(pool.map(abs, range(64)))
threading.Thread(target=lambda: __import__('os').read(0, 1), daemon=True).start()
server = socket.create_server(('127.0.0.1', 0))
server.accept()
"""

PROCESS_POOL = """
import multiprocessing, time
if __name__ == '__main__':
    with multiprocessing.Pool(3) as pool:
        pool.map(abs, range(8))
        time.sleep(1000)
"""

WAITS_FOR_A_WORKING_CHILD = """
import subprocess
subprocess.Popen(['sleep', '1000'], stdout=subprocess.PIPE, stderr=subprocess.PIPE).communicate()
"""

SELF_PIPE = """
import os, signal
reads, writes = os.pipe()
os.set_blocking(writes, False)
signal.set_wakeup_fd(writes)
signal.signal(signal.SIGUSR1, lambda *_: None)
import select
select.select([reads], [], [])
"""


class Clear(DiagnoseTest):
    def assert_clear(self, *pids, settled):
        """Several diagnoses, once `settled` says that the picture is there."""
        self.until(settled, "the picture")
        for _ in range(3):
            status, report = self.diagnose(*pids)
            self.assertEqual(status, CLEAR, report["findings"] if report else None)
            self.assertEqual(report["findings"], [])

    def sleeps_in(self, pid, *names):
        return lambda: any(self.wchan(pid).startswith(name) for name in names)

    def pipe_write(self, pid):
        return self.sleeps_in(pid, "anon_pipe_write", "pipe_write", "pipe_wait")

    def pipe_read(self, pid):
        return self.sleeps_in(pid, "anon_pipe_read", "pipe_read", "pipe_wait")

    def pipeline(self, reader_code):
        reads, writes = os.pipe()
        writer = self.python(WRITES_FOR_EVER, stdout=writes)
        reader = self.python(reader_code, stdin=reads)
        os.close(reads)
        os.close(writes)
        return writer, reader

    def test_a_slow_reader(self):
        writer, reader = self.pipeline(READS_SLOWLY)
        self.assert_clear(writer.pid, reader.pid, settled=self.pipe_write(writer.pid))

    def test_a_slow_reader_in_an_event_loop(self):
        parent = self.python(READS_SLOWLY_IN_A_LOOP)
        child = self.child_of(parent.pid)
        self.assert_clear(parent.pid, settled=self.pipe_write(child))

    def test_a_loop_whose_timer_will_read_again(self):
        """Stuck for the moment, but no deadlock: the reader wakes by itself."""
        parent = self.python(READS_SLOWLY_IN_A_LOOP.replace("0.05", "1.2"))
        child = self.child_of(parent.pid)
        self.until(self.pipe_write(child), "the write")
        for _ in range(5):
            self.assertNotEqual(self.diagnose(parent.pid)[0], DEADLOCK)

    def test_a_poll_that_includes_the_pipe(self):
        writer, reader = self.pipeline(POLLS_AND_COMPUTES)
        self.assert_clear(writer.pid, reader.pid, settled=self.pipe_write(writer.pid))

    def test_many_readers_one_of_them_alive(self):
        parent = self.python(MANY_READERS_ONE_ALIVE)
        self.assert_clear(parent.pid, settled=self.pipe_write(parent.pid))

    def test_a_ring_in_which_one_polls(self):
        parent = self.python(RING_WITH_A_POLLER)
        self.assert_clear(parent.pid, settled=self.sleeps_in(parent.pid, "do_wait"))

    def test_an_idle_shell_pipeline(self):
        shell = self.spawn(["sh", "-c", "sleep 1000 | cat | cat"])
        self.child_of(shell.pid, "cat")
        self.assert_clear(shell.pid, settled=self.sleeps_in(shell.pid, "do_wait"))

    def test_an_idle_pipeline_whose_shell_is_gone(self):
        """Orphans of one parent: a daemon and its logger."""
        with tempfile.NamedTemporaryFile("r") as pids:
            shell = self.spawn(["sh", "-c", """mkfifo "$1.fifo"; sleep 1000 >"$1.fifo" & echo $! >>"$1"
                                cat <"$1.fifo" & echo $! >>"$1" """, "sh", pids.name])
            self.addCleanup(os.unlink, pids.name + ".fifo")
            daemon, logger = self.until(lambda: shell.poll() is not None and
                                        [int(pid) for pid in open_read(pids.name).split()],
                                        "the pipeline")
            self.addCleanup(os.kill, daemon, signal.SIGKILL)
            self.assert_clear(logger, settled=self.pipe_read(logger))

    def test_a_reader_that_is_fed_by_its_orphaned_parent(self):
        """A terminal multiplexer or an agent: its own parent has gone, its shell leads a session."""
        code = ("import subprocess, sys\n"
                "child = subprocess.Popen(['cat'], stdin=subprocess.PIPE, start_new_session=True)\n"
                "print(child.pid, file=open(sys.argv[1], 'w'), flush=True)\n"
                "sys.stdin.read()")
        reads, writes = os.pipe()
        self.addCleanup(os.close, writes)
        with tempfile.NamedTemporaryFile("r") as pids:
            # A background job's stdin is /dev/null, but for another descriptor.
            self.spawn(["sh", "-c", 'exec 3<&0; "$0" -c "$1" "$2" <&3 & exit 0', PYTHON, code,
                        pids.name], stdin=reads).wait()
            os.close(reads)
            cat = int(self.until(lambda: open_read(pids.name), "the reader"))
            self.addCleanup(os.kill, cat, signal.SIGKILL)
            self.assert_clear(cat, settled=self.pipe_read(cat))

    def test_idle_threads(self):
        reads, writes = os.pipe()
        self.addCleanup(os.close, writes)
        pool = self.python(IDLE_POOL, stdin=reads)
        os.close(reads)
        self.assert_clear(pool.pid, settled=self.sleeps_in(pool.pid, "inet_csk_accept"))

    def test_an_idle_process_pool(self):
        pool = self.python(PROCESS_POOL)
        self.assert_clear(pool.pid, settled=self.sleeps_in(pool.pid, "hrtimer_nanosleep"))

    def test_a_child_that_works(self):
        parent = self.python(WAITS_FOR_A_WORKING_CHILD)
        self.assert_clear(parent.pid, settled=self.sleeps_in(parent.pid, "poll_schedule", "do_poll"))

    def test_a_loop_that_only_a_signal_wakes(self):
        victim = self.python(SELF_PIPE)
        self.assert_clear(victim.pid,
                          settled=self.sleeps_in(victim.pid, "poll_schedule", "do_select"))

    @unittest.skipUnless(shutil.which("node"), "no node on this machine")
    def test_an_idle_node_server(self):
        node = self.spawn(["node", "-e", "require('net').createServer().listen(0)"])
        self.assert_clear(node.pid, settled=self.sleeps_in(node.pid, "do_epoll_wait", "ep_poll"))

    def test_all_of_this_machine(self):
        """--all says how many it looked at, and 4 only where one may not be read, as in a container
        the first process of the machine."""
        status, report = self.diagnose("--all")
        if not report["findings"]:
            self.assertEqual(status, 4 if report["unread"] > 0 else 0, report["notes"])
        else:
            self.assertIn(status, (1, 2))
        self.assertIn(os.getpid(), [process["pid"] for process in report["processes"]])


def open_read(path):
    with open(path) as file:
        return file.read()


# Prints what interrupted it, or "not interrupted"; sleeps in the call until its stdin ends.
NOTICES = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(1)
result = libc.read(0, buffer, 1)
print("read", result, ctypes.get_errno(), flush=True)
"""


class Undisturbed(DiagnoseTest):
    def switches(self, pid):
        with open(f"/proc/{pid}/status") as status:
            return [line for line in status if "ctxt_switches" in line]

    def test_a_watched_process_sleeps_on(self):
        """No wake, no signal, no EINTR, no stop while it is watched; nor is its pipe held open."""
        victim = self.python(NOTICES, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.until(lambda: self.wchan(victim.pid) in ("anon_pipe_read", "pipe_read", "pipe_wait"),
                   "the read")
        before = self.switches(victim.pid)
        watch = subprocess.Popen([PIPESHIM, "diagnose", "--watch", str(victim.pid)],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(watch.wait)
        self.addCleanup(watch.kill)
        for _ in range(20):
            self.diagnose(victim.pid)
        self.assertEqual(self.switches(victim.pid), before)
        self.assertIsNone(watch.poll())
        victim.stdin.close()  # the one writing end: the read must end at once, with 0 and no error
        self.assertEqual(victim.stdout.readline(), b"read 0 0\n")

    def test_a_full_pipe_still_breaks_when_its_reader_goes(self):
        reads, writes = os.pipe()
        victim = self.python("import os\ntry:\n while True: os.write(1, b'x' * 4096)\n"
                             "except BrokenPipeError: os.write(2, b'broken')",
                             stdout=writes, stderr=subprocess.PIPE)
        os.close(writes)
        self.until(lambda: self.wchan(victim.pid) in ("anon_pipe_write", "pipe_write", "pipe_wait"),
                   "the write")
        for _ in range(5):
            self.diagnose(victim.pid)
        os.close(reads)
        self.assertTrue(select.select([victim.stderr], [], [], 20)[0])
        self.assertEqual(victim.stderr.read(), b"broken")


if __name__ == "__main__":
    main()
