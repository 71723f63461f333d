# SPDX-License-Identifier: MIT
"""The Nodes of this machine, and the real ones that npm installs (its package `node`)."""
import fcntl
import glob
import os
import re
import shutil
import subprocess

BUILD = os.environ.get("PIPESHIM_BUILD", os.path.join(os.getcwd(), "build"))
MAJORS = (18, 20, 22, 24, 25, 26)  # every one has a V8 of another layout
FEW = (18, 26)                     # `make test`: the oldest and the newest
INSTALL_S = 300


class Node:
    def __init__(self, path, version):
        self.path, self.version = path, version
        self.major = int(version.split(".")[0])

    def __str__(self):
        return "node %s" % self.version


def _version(path):
    """"20.20.2" if the file runs and is Node, else None."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60,
                                check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.fullmatch(r"v(\d+\.\d+\.\d+)\n", answer)
    return match and match.group(1)


def _install(package, folder, path, *options):
    """Installs below the build folder at the first time; None, or why not. Tests run side by side:
    one installs, the others wait for it."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.access(path, os.X_OK):
            return None
        if not shutil.which("npm"):
            return "npm is not installed"
        try:
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", *options,
                            "--prefix", folder, package], timeout=INSTALL_S, check=True,
                           stdin=subprocess.DEVNULL, capture_output=True)
        except (OSError, subprocess.SubprocessError) as error:
            return "npm could not install %s: %s" % (package, type(error).__name__)
    return None


def _from_npm(major):
    """The path of node@MAJOR, or None and why not."""
    folder = os.path.join(BUILD, "nodes", str(major))
    path = os.path.join(folder, "node_modules", "node", "bin", "node")
    reason = _install("node@%d" % major, folder, path)
    return (None, reason) if reason else (path, None)


def find_engine(package, binary):
    """The path of another runtime's binary from its npm package, or None and why not."""
    folder = os.path.join(BUILD, "nodes", package.strip("@").replace("/", "-"))
    path = os.path.join(folder, "node_modules", package, binary)
    reason = _install(package, folder, path, "--ignore-scripts")
    if reason:
        return None, reason
    if not os.access(path, os.X_OK):
        return None, "%s has no %s" % (package, binary)
    return os.path.abspath(path), None


def find_nodes():
    """(Nodes, reasons why others are left out). PIPESHIM_TEST_NODES=all takes every version, else a
    list of majors (18,24), else Node as it is installed here and a few more."""
    wanted = os.environ.get("PIPESHIM_TEST_NODES", "")
    majors = MAJORS if wanted == "all" else \
        [int(word) for word in wanted.split(",")] if wanted else FEW
    found, left_out = [], []
    here = [shutil.which("node"), *glob.glob("/opt/node*/bin/node")]
    for path in filter(None, here):
        version = _version(path)
        if version and int(version.split(".")[0]) >= MAJORS[0] and not wanted.isdigit():
            found.append(Node(path, version))
            break
    for major in majors:
        if any(node.major == major for node in found):
            continue
        path, reason = _from_npm(major)
        version = path and _version(path)
        if version:
            found.append(Node(path, version))
        else:
            left_out.append("node %d: %s" % (major, reason or "it does not run here"))
    return found, left_out
