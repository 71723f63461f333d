# SPDX-License-Identifier: MIT
"""A file system that answers nobody, not even one who only reads: a dead NFS server. Needs root and
/dev/fuse; else the test is skipped."""
import contextlib
import ctypes
import os


@contextlib.contextmanager
def silent_disk(case):
    """Yields its folder; whoever looks at anything below hangs until the end."""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        case.skipTest("needs root and /dev/fuse to mount a file system")
    folder = case.temporary_folder() + "/mount"
    os.mkdir(folder)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    libc = ctypes.CDLL(None, use_errno=True)
    options = "fd=%d,rootmode=40000,user_id=0,group_id=0" % device
    if libc.mount(b"silent", folder.encode(), b"fuse", 0, options.encode()) != 0:
        os.close(device)
        case.skipTest("mount: " + os.strerror(ctypes.get_errno()))
    try:
        yield folder
    finally:
        os.close(device)  # lets all go
        libc.umount2(folder.encode(), 2)
