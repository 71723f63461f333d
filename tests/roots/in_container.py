# SPDX-License-Identifier: MIT
"""The first process of a container, under its engine's filters: the library stays loaded beside the
program's own LD_PRELOAD, and a stuck write is reported."""
import os
import subprocess
import sys
import tempfile

from roots_support import LIBRARY, await_event

OTHER = "libresolv.so.2"  # of libc's package, and not Python's own
WRITER = """
import os
maps = open("/proc/self/maps").read()
assert "/libpipeshim.so" in maps and "/libresolv" in maps, maps
os.write(1, bytes(65536 + 1))
"""

if __name__ == "__main__":
    with open("/proc/self/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    if status["Seccomp"].strip() == "0":
        sys.exit("no filter here; expected those of a container's engine")
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER], stdout=subprocess.PIPE,
            env=dict(os.environ, LD_PRELOAD=LIBRARY + ":" + OTHER, PIPESHIM_LOG=log,
                     PIPESHIM_FORMAT="json"))
        call = await_event(log, "blocked")
        if (call["call"], call["class"]) != ("write", "pipe_write"):
            sys.exit("told wrongly: %s" % call)
        writer.communicate()
        sys.exit(writer.returncode)
