// SPDX-License-Identifier: MIT
/* Opens a FIFO for writing: fifo_writer fopen|creat|openat PATH; or "files": opens a file in each
 * of these ways, and /dev/null, and sleeps. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int open_by(const char *how, const char *path)
{
    if (strcmp(how, "fopen") == 0)
        return fopen(path, "we") ? 0 : 1;
    if (strcmp(how, "creat") == 0)
        return creat(path, 0600) >= 0 ? 0 : 1;
    return openat(AT_FDCWD, path, O_WRONLY | O_CREAT, 0600) >= 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 64;
    if (strcmp(argv[1], "files") != 0)
        return open_by(argv[1], argv[2]);
    int failed = open_by("fopen", argv[2]) | open_by("creat", argv[2]) |
                 open_by("openat", argv[2]) | open_by("openat", "/dev/null");
    sleep(600);
    return failed;
}
