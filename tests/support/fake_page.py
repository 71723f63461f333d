# SPDX-License-Identifier: MIT
"""A library with a page that says what it likes, for what reads it from outside."""
import os
import subprocess

# What the first library with a page had: STATUS_SMALLEST of shim/facts/status_page.h.
PAGE_BASE = 10872
FAKE = """
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <stddef.h>
struct page { char magic[8]; uint32_t version, size; uint64_t sequence;
              unsigned char rest[BASE - 24], later[16384]; } pipeshim_status;
__attribute__((constructor)) static void fill(void)
{
    memset(&pipeshim_status, 0xff, sizeof pipeshim_status);
    memcpy(pipeshim_status.magic, "PIPESHIM", 8);
    pipeshim_status.version = VERSION;
    pipeshim_status.size = SIZE;
    pipeshim_status.sequence = SEQUENCE;
    int pid = getpid();
    memcpy(pipeshim_status.rest, &pid, sizeof pid);
}
"""


def make_library(folder, version, sequence, size="0xffffffff"):
    """Its path."""
    path = os.path.join(folder, "libpipeshim.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-DVERSION=%d" % version, "-DSEQUENCE=%d" % sequence,
                    "-DSIZE=" + size, "-DBASE=%d" % PAGE_BASE, "-x", "c", "-o", path, "-"], input=FAKE,
                   text=True, check=True)
    return path
