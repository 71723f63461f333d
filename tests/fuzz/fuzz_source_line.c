// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are a source file, of which the line that a thread is at is shown.
//   make fuzz [FUZZ_SECONDS=60]
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/source_line.h"
#include "seeds.h"

static char path[64];
static int file = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char seed[] = "\x02#!/bin/sh\n\tprintf '%s\\n' \"$1\" >&2\r\nexit";
    (void)argc;
    (void)argv;
    write_seed(0, seed, sizeof seed - 1);
    file = memfd_create("source", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return file < 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* What was changed after the process began is not what runs. */
    static const struct timespec long_ago[2];
    char line[SOURCE_LINE_LIMIT];
    if (size == 0)
        return 0;
    if (ftruncate(file, 0) != 0 || pwrite(file, data + 1, size - 1, 0) != (ssize_t)size - 1 ||
        futimens(file, long_ago) != 0)
        abort();
    memset(line, 'x', sizeof line);
    bool found = source_line_read(getpid(), path, data[0], line);
    const char *end = memchr(line, '\0', sizeof line);
    if (!end || found != (end > line) || memchr(line, '\n', (size_t)(end - line)))
        abort();
    /* The first one, where it is text, is found. */
    if (data[0] == 1 && size > 1 && data[1] > ' ' && !found)
        abort();
    return 0;
}
