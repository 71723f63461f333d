// SPDX-License-Identifier: MIT
#include "kernel/memory_limit.h"

#include <stdbool.h>
#include <string.h>

#include "base/other_stack.h"
#include "base/text_buffer.h"
#include "kernel/proc_reader.h"

enum { PATH_LIMIT = 512, FILE_LIMIT = 2048 };

/* "max" and what is no number are no limit. */
static uint64_t number_in(const char *folder, const char *name)
{
    char path[PATH_LIMIT];
    char text[32];
    struct text_buffer whole;
    text_init(&whole, path, sizeof path);
    text_string(&whole, folder);
    text_string(&whole, name);
    if (whole.truncated)
        return UINT64_MAX;
    if (proc_read_start(path, text, sizeof text) <= 0 || text[0] < '0' || text[0] > '9')
        return UINT64_MAX;
    uint64_t value = 0;
    for (const char *at = text; *at >= '0' && *at <= '9' && value < UINT64_MAX / 10; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    return value;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Of the group `path` below `root`, and of all above it. */
static uint64_t limit_of(const char *root, const char *path, const char *hard, const char *soft)
{
    char folder[PATH_LIMIT];
    size_t length = strcspn(path, "\n");
    size_t stem = strlen(root);
    uint64_t limit = UINT64_MAX;
    if (stem + length + 1 >= sizeof folder)
        return limit;
    memcpy(folder, root, stem);
    memcpy(folder + stem, path, length);
    folder[stem + length] = 0;
    for (;;) {
        limit = smaller(limit, smaller(number_in(folder, hard), number_in(folder, soft)));
        char *slash = strrchr(folder + stem, '/');
        if (!slash)
            return limit;
        *slash = 0;
    }
}

uint64_t memory_limit_of(const char *groups)
{
    const char *second = strstr(groups, "0::/");
    const char *first = strstr(groups, ":memory:/");
    uint64_t limit = UINT64_MAX;
    if (second && (second == groups || second[-1] == '\n'))
        limit = limit_of("/sys/fs/cgroup", second + 3, "/memory.max", "/memory.high");
    if (first)
        limit = smaller(limit, limit_of("/sys/fs/cgroup/memory", first + 8,
                                        "/memory.limit_in_bytes", "/memory.limit_in_bytes"));
    return limit;
}

static void find_limit(void *to)
{
    char groups[FILE_LIMIT];
    if (proc_read_start("/proc/self/cgroup", groups, sizeof groups) > 0)
        *(uint64_t *)to = memory_limit_of(groups);
}

uint64_t memory_limit(void)
{
    uint64_t limit = UINT64_MAX;
    on_other_stack(find_limit, &limit); /* the first full pipe may be a signal handler's */
    return limit;
}
