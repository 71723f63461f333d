# SPDX-License-Identifier: MIT
"""A small file system that holds whoever writes to it, for as long as it is frozen: what a dead NFS
server or a lost disk does. Needs root, mkfs.ext4 and loop devices; else the test is skipped."""
import contextlib
import os
import subprocess
import threading

from pipeshim_case import DEADLINE_S, wait_until


class FrozenDisk:
    def __init__(self, folder):
        self.mount = folder

    def freeze(self):
        """Not for ever: a process that it holds cannot be killed, and a test could not fail."""
        self.limit = threading.Timer(DEADLINE_S, self.unfreeze)
        self.limit.daemon = True
        self.limit.start()
        subprocess.run(["fsfreeze", "--freeze", self.mount], check=True)

    def unfreeze(self):
        self.limit.cancel()
        subprocess.run(["fsfreeze", "--unfreeze", self.mount], stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def frozen_disk(case):
    """Yields a disk that is not frozen yet, `mount` its folder; thawed and gone at the end."""
    if os.geteuid() != 0:
        case.skipTest("needs root to mount a file system")
    folder = case.temporary_folder()
    image, mount = folder + "/image", folder + "/mount"
    os.mkdir(mount)
    with open(image, "wb") as file:
        file.truncate(8 << 20)
    for step in (["mkfs.ext4", "-q", image], ["mount", "-o", "loop", image, mount],
                 ["fsfreeze", "--freeze", mount], ["fsfreeze", "--unfreeze", mount]):
        try:
            result = subprocess.run(step, capture_output=True, text=True, timeout=DEADLINE_S)
        except FileNotFoundError as error:
            case.skipTest(str(error))
        if result.returncode != 0:
            subprocess.run(["umount", mount], stderr=subprocess.DEVNULL)
            case.skipTest("%s: %s" % (step[0], result.stderr.strip()))
    os.chmod(mount, 0o777)
    try:
        yield FrozenDisk(mount)
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", mount], stderr=subprocess.DEVNULL)
        wait_until(lambda: subprocess.run(["umount", mount], stderr=subprocess.DEVNULL)
                   .returncode == 0, "umount")
