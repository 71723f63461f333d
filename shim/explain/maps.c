// SPDX-License-Identifier: MIT
#include "explain/maps.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"

enum {
    LINE_LIMIT = PATH_MAX + 128, /* the fields before the path take 73 bytes */
    MAPPING_LIMIT = 65536,       /* vm.max_map_count is 65530 by default */
};

void maps_proc_path(int pid, const char *name, char *path)
{
    struct text_buffer text;
    text_init(&text, path, PROC_PATH_LIMIT);
    text_string(&text, "/proc/");
    if (pid == 0)
        text_string(&text, "self");
    else
        text_unsigned(&text, (uint64_t)pid);
    text_char(&text, '/');
    text_string(&text, name);
}

static const char *parse_hex(const char *text, uint64_t *value)
{
    *value = 0;
    for (;; text++) {
        unsigned digit = (unsigned char)*text;
        if (digit >= '0' && digit <= '9')
            digit -= '0';
        else if (digit >= 'a' && digit <= 'f')
            digit -= 'a' - 10;
        else
            return text;
        *value = *value << 4 | digit;
    }
}

static const char *skip_field(const char *text)
{
    while (*text != '\0' && *text != ' ')
        text++;
    while (*text == ' ')
        text++;
    return text;
}

/* "start-end rwxp offset major:minor inode   path" */
static bool parse_line(const char *line, struct mapping *mapping)
{
    uint64_t start, end;
    const char *at = parse_hex(line, &start);
    if (*at != '-')
        return false;
    at = parse_hex(at + 1, &end);
    if (*at != ' ' || strlen(at) < 5)
        return false;
    mapping->start = start;
    mapping->end = end;
    mapping->executable = at[3] == 'x';
    at = parse_hex(skip_field(at + 1), &mapping->offset);
    if (*at != ' ')
        return false;
    mapping->path = skip_field(skip_field(skip_field(at)));
    return true;
}

/* Splits what read(2) returns into lines; of a line longer than any the kernel writes the head
 * counts. */
static void read_lines(int fd, bool (*visit)(const struct mapping *mapping, void *context),
                       void *context)
{
    char buffer[LINE_LIMIT + 1];
    size_t have = 0;
    bool cut = false;
    for (unsigned lines = 0; lines < MAPPING_LIMIT;) {
        struct mapping mapping;
        long got = raw_syscall(SYS_read, fd, buffer + have, LINE_LIMIT - have);
        if (got <= 0)
            return;
        have += (size_t)got;
        buffer[have] = '\0';
        char *line = buffer, *end;
        while ((end = memchr(line, '\n', have - (size_t)(line - buffer))) != NULL) {
            *end = '\0';
            if (!cut && parse_line(line, &mapping) && !visit(&mapping, context))
                return;
            cut = false;
            line = end + 1;
            lines++;
        }
        have -= (size_t)(line - buffer);
        memmove(buffer, line, have);
        if (have == LINE_LIMIT) {
            buffer[have] = '\0';
            if (!cut && parse_line(buffer, &mapping) && !visit(&mapping, context))
                return;
            cut = true;
            have = 0;
        }
    }
}

bool maps_for_each(int pid, bool (*visit)(const struct mapping *mapping, void *context),
                   void *context)
{
    char path[PROC_PATH_LIMIT];
    maps_proc_path(pid, "maps", path);
    int fd = (int)raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    read_lines(fd, visit, context);
    raw_syscall(SYS_close, fd);
    return true;
}
