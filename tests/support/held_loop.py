# SPDX-License-Identifier: MIT
"""Victims whose loop is blocked by what the test holds (a lock, a server's answer, a child's input)
until it lets go, or not at all because it let go before."""
import fcntl
import os
import shutil
import signal
import socket
import tempfile
import threading
import time

from pipeshim_case import PipeshimCase, wait_until

QUIET = {"PIPESHIM_THRESHOLD": "500ms"}  # forks and imports of a busy machine are no stalls


class Hold:
    """What keeps the loop blocked, in the test's hands. This one: the victim's open stdin.
    `released` is the same from the beginning on."""
    argument = None

    def __init__(self, case, released=False):
        self.released = released

    def begin(self, run):
        self.run = run
        if self.released:
            self.release()

    def release(self):
        self.run.process.stdin.close()


class Moment(Hold):
    """A sleep of a fixed time: long enough to be reported before it ends."""

    def __init__(self, case, released=False):
        self.argument = "1" if released else "1500"

    def begin(self, run):
        pass

    def release(self):
        pass


class Signal(Hold):
    def __init__(self, case, released=False):
        self.argument = "pending" if released else None

    def begin(self, run):
        self.run = run

    def release(self):
        self.run.process.send_signal(signal.SIGUSR1)


class Output(Hold):
    """Nobody reads the victim's stdout."""

    def __init__(self, case, released=False):
        self.argument = "little" if released else None

    def begin(self, run):
        self.run = run

    def release(self):
        self.run.begin_drain()


class FileLock(Hold):
    lock = staticmethod(fcntl.flock)

    def __init__(self, case, released=False):
        self.argument = os.path.join(self.folder(case), "file")
        self.file = open(self.argument, "w")
        case.addCleanup(self.file.close)
        if not released:
            self.lock(self.file, fcntl.LOCK_EX)

    def folder(self, case):
        return case.temporary_folder()

    def begin(self, run):
        pass

    def release(self):
        self.lock(self.file, fcntl.LOCK_UN)


class RecordLock(FileLock):
    lock = staticmethod(fcntl.lockf)


class MemoryFile(FileLock):
    """A busy disk takes its time for an fsync."""

    def folder(self, case):
        memory = "/dev/shm"
        path = tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None)
        case.addCleanup(shutil.rmtree, path)
        return path


class Fifo(Hold):
    def __init__(self, case, released=False):
        self.argument = os.path.join(case.temporary_folder(), "fifo")
        os.mkfifo(self.argument)
        if released:
            case.addCleanup(os.close, os.open(self.argument, os.O_RDWR))

    def begin(self, run):
        pass

    def release(self):
        os.close(os.open(self.argument, os.O_WRONLY))


class UnixPath(Hold):
    """The victim listens, and waits for somebody to call."""

    def __init__(self, case, released=False):
        super().__init__(case, released)
        self.argument = os.path.join(case.temporary_folder(), "socket")

    def release(self):
        def call():
            with socket.socket(socket.AF_UNIX) as caller:
                return caller.connect_ex(self.argument) == 0
        wait_until(call, "listener")


class Server(Hold):
    """Accepts, and answers when it is told to. `answer` is what HTTP clients understand."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"

    def __init__(self, case, released=False):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.argument = str(self.listener.getsockname()[1])
        self.go = threading.Event()
        if released:
            self.go.set()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        case.addCleanup(self.end)

    def serve(self):
        try:
            caller, _ = self.listener.accept()
        except OSError:
            return
        with caller:
            self.go.wait()
            try:
                caller.sendall(self.answer)
                caller.shutdown(socket.SHUT_WR)
                while caller.recv(1 << 20):
                    pass
            except OSError:
                pass

    def begin(self, run):
        pass

    def release(self):
        self.go.set()

    def end(self):
        self.go.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


class Backlog(Hold):
    """A listener whose queue is full: a connect() waits until the listener is gone."""

    def __init__(self, case, released=False):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.argument = str(self.listener.getsockname()[1])
        self.callers = []
        for _ in range(0 if released else 4):
            caller = socket.socket()
            caller.setblocking(False)
            caller.connect_ex(self.listener.getsockname())
            self.callers.append(caller)
        case.addCleanup(self.release)

    def begin(self, run):
        pass

    def release(self):
        for opened in [self.listener] + self.callers:
            opened.close()


def end_loop(run):
    """Lets the victim's loop end; its exit status."""
    if not run.threads:
        run.begin_drain()
    return run.finish()[2]


def own_events(run, kind=None):
    return [e for e in run.events(kind) if e["pid"] == run.process.pid]


def wait_own(run, kind, condition=lambda event: True):
    """The first event of the victim itself (not of its children) that fulfils the condition."""
    return wait_until(lambda: next(filter(condition, own_events(run, kind)), None),
                      "%s event of %s" % (kind, run.process.args))


def is_scheduling(event, events):
    """A lag because others had the CPU: true on a busy machine, and nothing the victim does."""
    if event["event"] == "lag":
        return event["cause"] == "starved"
    if event["event"] == "lag_end":
        return any(e["seq"] == event["ref"] and is_scheduling(e, events) for e in events
                   if e["pid"] == event["pid"] and e["event"] == "lag")
    return False


class HeldLoopCase(PipeshimCase):
    def assertSilent(self, run):
        events = run.events()
        reports = [e for e in events if e["event"] not in ("start", "summary")
                   and not is_scheduling(e, events)]
        self.assertEqual(reports, [], run.process.args)
        self.assertIn("summary", [e["event"] for e in events])

    def begin_held(self, hold, *command, **options):
        """Starts a victim with the hold's argument at the end of its command."""
        if hold.argument is not None:
            command += (hold.argument,)
        run = self.start(*command, **options)
        hold.begin(run)
        return run

    def check_one_story(self, run, hold, expected_class, calls):
        """The call is reported while it lasts, once, and its end ends the lag; returns the
        report. `calls`: the names that it may have."""
        blocked = wait_own(run, "blocked")
        early = own_events(run, "unblocked")
        hold.release()
        unblocked = wait_own(run, "unblocked")
        lag_end = wait_own(run, "lag_end", lambda e: e["ref"] == blocked["seq"])
        self.assertEqual(end_loop(run), 0)
        events = own_events(run)
        self.assertEqual(blocked["class"], expected_class, blocked)
        self.assertIn(blocked["call"], calls)
        self.assertIs(blocked["loop"], True)
        self.assertGreaterEqual(blocked["blocked_ms"], blocked["threshold_ms"])
        if early:  # only a sleep can have ended by itself
            self.assertGreater(early[0]["blocked_ms"], blocked["blocked_ms"])
        self.assertEqual(unblocked["ref"], blocked["seq"])
        self.assertGreater(unblocked["seq"], blocked["seq"])
        self.assertGreater(lag_end["seq"], unblocked["seq"])
        # On a busy machine the start of a process costs more CPU than the call lasts.
        waits = {k: ms for k, ms in lag_end["cause"].items() if k not in ("cpu", "starved")}
        self.assertEqual(max(waits, key=waits.get), expected_class, lag_end)
        stories = [e for e in events if e["event"] in ("blocked", "lag")
                   and not is_scheduling(e, events)]
        self.assertEqual(stories, [blocked])
        return blocked

    def check_quiet(self, runs):
        """The same programs with nothing that blocks: silent, also while their loops idle."""
        time.sleep(1)
        for run in runs:
            with self.subTest(command=run.process.args):
                self.assertEqual(end_loop(run), 0, b"".join(run.contents))
                self.assertSilent(run)
