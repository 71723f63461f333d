#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""When asyncio's Process.wait() returns after a program that never hangs (its pipe takes all), by what
it wrote into a StreamReader that nobody reads: python/cpython#119710. No library has a part in it.
PYTHON tests/bench/asyncio_wait.py"""
import asyncio
import sys
import time

PATIENCE_S = 5
WRITES = "import fcntl, os; fcntl.fcntl(1, 1031, 1 << 20); os.write(1, bytes(%d))"  # F_SETPIPE_SZ


async def measure(size):
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITES % size,
                                                 stdout=asyncio.subprocess.PIPE)
    start = time.monotonic()
    waits = asyncio.create_task(child.wait())
    while child.returncode is None:
        await asyncio.sleep(0.01)
    ended = time.monotonic() - start
    await asyncio.wait([waits], timeout=PATIENCE_S)
    print("Python %s, %d bytes: it ended after %.2f s, wait() %s after %.2f s" % (
        sys.version.split()[0], size, ended, "returned" if waits.done() else "had not returned",
        time.monotonic() - start))
    waits.cancel()
    child._transport.close()

for size in (1000, 134400):
    asyncio.run(measure(size))
