# SPDX-License-Identifier: MIT
"""Where a drained program of the soak lives: commands that put it into a namespace, a group, another
user's hands or a memory limit; and the kinds of pipe it writes to."""
import atexit
import fcntl
import os
import socket
import subprocess
import tempfile

NOBODY = 65534
MEMORY_GROUP = "/sys/fs/cgroup/memory/pipeshim-soak-%d" % os.getpid()
LIMIT = 96 << 20
PACKETS = 65536  # at least what one read must ask for, or the rest of a packet is lost


def make_memory_group():
    """The command that enters it, or None where there is no such thing."""
    folder, limit = MEMORY_GROUP, MEMORY_GROUP + "/memory.limit_in_bytes"
    if not os.path.isdir("/sys/fs/cgroup/memory"):
        folder = MEMORY_GROUP.replace("/memory/", "/")
        limit = folder + "/memory.max"
    try:
        os.mkdir(folder)
        with open(limit, "w") as file:
            file.write(str(LIMIT))
    except OSError:
        return None
    return ["sh", "-c", "echo $$ >'%s/cgroup.procs' && exec \"$@\"" % folder, folder]


def works(command):
    return subprocess.run([*command, "true"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def worlds():
    """{name: (command, whether the program runs in the process that is started)}"""
    found = {
        "session": (["setsid"], True),
        "network": (["unshare", "--net"], True),
        "user namespace": (["unshare", "--user", "--map-root-user"], True),
        "another user": (["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY),
                          "--clear-groups"], True),
        "no new privileges": (["setpriv", "--no-new-privs", "--bounding-set", "-all"], True),
        "PID namespace": (["unshare", "--pid", "--fork", "--mount-proc"], False),
    }
    group = make_memory_group()
    if group:
        atexit.register(os.rmdir, group[-1])
        found["memory group"] = (group, True)
    return {name: world for name, world in found.items() if works(world[0])}


def make_fifo():
    folder = tempfile.mkdtemp()
    name = folder + "/fifo"
    os.mkfifo(name)
    reader = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(name, os.O_WRONLY)
    fcntl.fcntl(reader, fcntl.F_SETFL, os.O_RDONLY)
    os.unlink(name)
    os.rmdir(folder)
    return reader, writer


def make_small():
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    return reader, writer


def make_socket():
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


PIPES = {"pipe": os.pipe, "FIFO": make_fifo, "one page": make_small, "socketpair": make_socket,
         "packets": lambda: os.pipe2(os.O_DIRECT)}
