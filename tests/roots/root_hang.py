# SPDX-License-Identifier: MIT
"""A hang is reported while it hangs, with C frames, Python frames and the deadlock; the static tool
says the same from outside."""
import os
import signal
import subprocess
import tempfile

from roots_support import TOOL, await_event, program, start

with tempfile.TemporaryDirectory() as folder:
    log = os.path.join(folder, "log")
    parent = start(log, program())
    try:
        blocked = await_event(log, "blocked")
        deadlock = await_event(log, "deadlock")
        diagnosis = subprocess.run([TOOL, "diagnose", str(parent.pid)], stdout=subprocess.PIPE,
                                   universal_newlines=True, check=False)
    finally:
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()

assert blocked["class"] == "pipe_write", blocked
assert blocked["pipe"]["full"] and blocked["pipe"]["peers"], blocked
functions = [frame["function"] for frame in blocked["python"]]
assert functions[:2] == ["log_request", "serve"], functions
symbols = [frame.get("symbol") for frame in blocked["stack"]]
assert len(symbols) > 5 and any(name and "main" in name.lower() for name in symbols), symbols
assert len(deadlock["chain"]) >= 2, deadlock
assert diagnosis.returncode == 2 and "DEADLOCK" in diagnosis.stdout, diagnosis
