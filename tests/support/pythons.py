# SPDX-License-Identifier: MIT
"""The Pythons of this machine."""
import glob
import os
import subprocess

OLDEST = (3, 8)


def find_pythons():
    """(path, version) of every CPython from OLDEST on that runs here: Debian's, pyenv's, conda's, and
    those that PIPESHIM_TEST_PYTHONS=PATH[:PATH...] names."""
    candidates = ["/usr/bin/python3", "/usr/local/bin/python3"]
    candidates += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python3")))
    candidates += sorted(glob.glob("/root/.pyenv/versions/*/bin/python3"))
    candidates += sorted(glob.glob("/opt/*conda*/bin/python3"))
    candidates += filter(None, os.environ.get("PIPESHIM_TEST_PYTHONS", "").split(":"))
    found, seen = [], set()
    for path in candidates:
        if not os.access(path, os.X_OK) or os.path.realpath(path) in seen:
            continue
        seen.add(os.path.realpath(path))
        code = "import sys; print('%d.%d.%d' % sys.version_info[:3], sys.implementation.name)"
        answer = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False)
        version, name = (answer.stdout.split() + ["0.0.0", ""])[:2]
        if name == "cpython" and tuple(map(int, version.split(".")[:2])) >= OLDEST:
            found.append((path, version))
    return found
