# SPDX-License-Identifier: MIT
"""A process that is stepped through its code, by ptrace(2)."""
import ctypes
import os
import signal

SEIZE, INTERRUPT, SYSCALL, SINGLESTEP, DETACH = 0x4206, 0x4207, 24, 9, 17
TRACE_EXIT, WALL = 0x40, 0x40000000
_ptrace = ctypes.CDLL(None, use_errno=True).ptrace
_ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_ptrace.restype = ctypes.c_long


class Stepped:
    """For one thread: the one that makes it must make all calls."""

    def __init__(self, case, pid, options=0):
        self.pid, self.ended = pid, False
        if _ptrace(SEIZE, pid, None, options) != 0:
            case.skipTest("no ptrace of who is not our child")
        case.addCleanup(self.let_go)

    def wait(self):
        """For its next stop; False: it has ended."""
        _, status = os.waitpid(self.pid, WALL)
        self.ended = not os.WIFSTOPPED(status)
        return not self.ended

    def interrupt(self):
        assert _ptrace(INTERRUPT, self.pid, None, None) == 0
        return self.wait()

    def on(self, how):
        """To its next stop: SYSCALL (a call's begin or end), or SINGLESTEP."""
        assert _ptrace(how, self.pid, None, None) == 0
        return self.wait()

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        while not self.ended:
            self.wait()

    def let_go(self):
        if not self.ended:
            _ptrace(DETACH, self.pid, None, None)
            self.ended = True
