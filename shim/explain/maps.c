// SPDX-License-Identifier: MIT
#include "explain/maps.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "kernel/proc_reader.h"

enum {
    LINE_LIMIT = PATH_MAX + 128, /* the fields before the path take 73 bytes */
    MAPPING_LIMIT = 65536,       /* vm.max_map_count is 65530 by default */
};

/* Splits what read(2) returns into lines; of a line longer than any the kernel writes the head
 * counts. */
static void read_lines(int fd, bool (*visit)(const struct map_line *mapping, void *context),
                       void *context)
{
    char buffer[LINE_LIMIT + 1];
    size_t have = 0;
    bool cut = false;
    for (unsigned lines = 0; lines < MAPPING_LIMIT;) {
        struct map_line mapping;
        long got = raw_syscall(SYS_read, fd, buffer + have, LINE_LIMIT - have);
        if (got <= 0)
            return;
        have += (size_t)got;
        buffer[have] = '\0';
        char *line = buffer, *end;
        while ((end = memchr(line, '\n', have - (size_t)(line - buffer))) != NULL) {
            *end = '\0';
            if (!cut && parse_map(line, &mapping) && !visit(&mapping, context))
                return;
            cut = false;
            line = end + 1;
            lines++;
        }
        have -= (size_t)(line - buffer);
        memmove(buffer, line, have);
        if (have == LINE_LIMIT) {
            buffer[have] = '\0';
            if (!cut && parse_map(buffer, &mapping) && !visit(&mapping, context))
                return;
            cut = true;
            have = 0;
        }
    }
}

bool maps_for_each(int pid, bool (*visit)(const struct map_line *mapping, void *context),
                   void *context)
{
    char path[PROC_PATH_LIMIT];
    proc_path(path, pid, 0, "maps");
    int fd = (int)raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    read_lines(fd, visit, context);
    raw_syscall(SYS_close, fd);
    return true;
}
