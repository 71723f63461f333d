# SPDX-License-Identifier: MIT
"""The drainer lets the same program end that root_hang.py sees hang."""
import os
import tempfile

from roots_support import DEADLINE_S, events, program, start

with tempfile.TemporaryDirectory() as folder:
    log = os.path.join(folder, "log")
    parent = start(log, program(drained=True), PIPESHIM_DRAIN="stderr", PIPESHIM_DRAIN_EXIT="0")
    output, _ = parent.communicate(timeout=DEADLINE_S)
    assert parent.returncode == 0 and output == b"done\n", (parent.returncode, output)
    told = [event["event"] for event in events(log)]
    assert {"drain_start", "drain_handoff"} & set(told), told
