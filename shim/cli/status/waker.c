// SPDX-License-Identifier: MIT
#include "cli/status/waker.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "explain/maps.h"
#include "facts/mailbox.h"

struct search {
    uintptr_t start, end;
    char path[PATH_MAX];
};

static bool take_library(const struct map_line *mapping, void *context)
{
    static const char name[] = "/libpipeshim";
    struct search *search = context;
    const char *slash = strrchr(mapping->path, '/');
    if (mapping->offset != 0 || !slash || strncmp(slash, name, sizeof name - 1) != 0)
        return true;
    search->start = mapping->start;
    search->end = mapping->end;
    snprintf(search->path, sizeof search->path, "%s", mapping->path);
    return false;
}

/* Root has the very file; others what is at its path now. */
static int open_file(int pid, const struct search *search)
{
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "/proc/%d/map_files/%" PRIxPTR "-%" PRIxPTR, pid, search->start,
             search->end);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0)
        return file;
    snprintf(path, sizeof path, "/proc/%d/root%s", pid, search->path);
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

struct waker waker_open(int pid, int pid_inside)
{
    static struct search search;
    size_t size = MAILBOX_WORDS * sizeof(uint32_t);
    search.start = 0;
    maps_for_each(pid, take_library, &search);
    int file = search.start != 0 ? open_file(pid, &search) : -1;
    if (file < 0)
        return (struct waker){NULL};
    const uint32_t *words = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    return (struct waker){words == MAP_FAILED ? NULL : &words[mailbox_word(pid_inside)]};
}

void waker_wake(const struct waker *waker)
{
    if (waker->word)
        syscall(SYS_futex, waker->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
