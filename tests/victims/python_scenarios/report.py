# SPDX-License-Identifier: MIT
"""What the caller's stack is, as Python itself says it."""
import ctypes
import json
import os
import sys
import threading
import traceback

GETTID = 186 if os.uname().machine == "x86_64" else 178
report_lock = threading.Lock()


def gettid():
    return ctypes.CDLL(None).syscall(GETTID)


def report():
    """Prints the stack of the caller."""
    frame = sys._getframe(1)
    summary = traceback.extract_stack(frame)[::-1]
    frames = []
    for entry in summary:
        code = frame.f_code
        assert (entry.filename, entry.name) == (code.co_filename, code.co_name), (entry, code)
        function = getattr(code, "co_qualname", code.co_name)
        frames.append([entry.lineno, entry.filename, function])
        frame = frame.f_back
    assert frame is None
    line = json.dumps({"tid": gettid(), "frames": frames})
    with report_lock:
        os.write(1, (line + "\n").encode())


def block():
    report(), os.read(0, 1)
