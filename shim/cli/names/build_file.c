// SPDX-License-Identifier: MIT
#include "cli/names/build_file.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Opens a regular file; a path from a log may name a FIFO, whose open would wait. */
static int open_regular(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    if (fd >= 0 && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool has_build_id(int fd, const char *wanted)
{
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    const unsigned char *bytes = NULL;
    ssize_t size = elf ? dwelf_elf_gnu_build_id(elf, (const void **)&bytes) : -1;
    bool same = size > 0 && (size_t)size * 2 == strlen(wanted);
    for (ssize_t i = 0; same && i < size; i++) {
        char digits[3];
        snprintf(digits, sizeof digits, "%02x", bytes[i]);
        same = strncasecmp(digits, wanted + 2 * i, 2) == 0;
    }
    elf_end(elf);
    return same;
}

/* Below each debug directory: .build-id/ab/cdef….debug, where distributions put them. */
static int open_debug_file(const char *debug_path, const char *build_id)
{
    int found = -1;
    char *directories = strdup(debug_path);
    char *rest = directories;
    for (char *directory; found < 0 && rest && (directory = strsep(&rest, ":"));) {
        char path[4096];
        if (*directory != '/')
            continue;
        snprintf(path, sizeof path, "%s/.build-id/%.2s/%s.debug", directory, build_id,
                 build_id + 2);
        found = open_regular(path);
        if (found >= 0 && !has_build_id(found, build_id)) {
            close(found);
            found = -1;
        }
    }
    free(directories);
    return found;
}

int build_file_open(const char *path, const char *build_id, const char *debug_path)
{
    elf_version(EV_CURRENT);
    int fd = *path == '/' ? open_regular(path) : -1;
    if (fd >= 0 && has_build_id(fd, build_id))
        return fd;
    if (fd >= 0)
        close(fd);
    return open_debug_file(debug_path, build_id);
}
