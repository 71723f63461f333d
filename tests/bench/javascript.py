#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long the JavaScript part of a report takes: a Node that is blocked with 12 frames.
   javascript.py BUILD [RECORDING]     RECORDING: what fuzz_javascript starts from"""
import os
import shutil
import subprocess
import sys
import time

PROGRAM = """
const fs = require('fs');
function block() { fs.readSync(0, Buffer.alloc(1)); }
let call = block;
for (let i = 0; i < 8; i++) {
  const inner = call;
  call = ({ [`step${i}`]: function step() { return inner() + 1; } })[`step${i}`];
}
setImmediate(function begin() { call(); });
"""
DEADLINE_S = 30


def main():
    tool = os.path.join(sys.argv[1], "tests", "tools", "javascript_frames")
    node = shutil.which("node")
    if not node:
        print("JavaScript frames: left out, node is not installed")
        return 0
    process = subprocess.Popen([node, "-e", PROGRAM], stdin=subprocess.PIPE)
    try:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            with open("/proc/%d/wchan" % process.pid, encoding="ascii") as file:
                if "pipe" in file.read():
                    break
            time.sleep(0.01)
        if len(sys.argv) > 2:
            return subprocess.run([tool, str(process.pid), "--record=" + sys.argv[2]], check=False,
                                  stdout=subprocess.DEVNULL).returncode
        print("JavaScript frames: ", end="", flush=True)
        return subprocess.run([tool, str(process.pid), "--times=2000"], check=False).returncode
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
