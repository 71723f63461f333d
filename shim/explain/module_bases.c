// SPDX-License-Identifier: MIT
#include "explain/module_bases.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"

enum {
    LINE_LIMIT = PATH_MAX + 128, /* the fields before the path take 73 bytes */
    MAPPING_LIMIT = 65536,       /* vm.max_map_count is 65530 by default */
};

void module_bases_proc_path(int pid, const char *name, char *path)
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

/* A line of maps: "55d0-55d1 r--p OFFSET MAJOR:MINOR INODE   PATH". */
struct mapping {
    uintptr_t start, end;
    bool from_file_start, executable;
    const char *path;
};

static const char *parse_hex(const char *at, uint64_t *value)
{
    *value = 0;
    for (;; at++) {
        unsigned digit = (unsigned char)*at;
        if (digit >= '0' && digit <= '9')
            digit -= '0';
        else if (digit >= 'a' && digit <= 'f')
            digit -= 'a' - 10;
        else
            return at;
        *value = *value << 4 | digit;
    }
}

static const char *skip_field(const char *at)
{
    while (*at != '\0' && *at != ' ')
        at++;
    while (*at == ' ')
        at++;
    return at;
}

static struct mapping parse_line(const char *line)
{
    struct mapping mapping;
    uint64_t start = 0, end = 0, offset = 0;
    const char *at = parse_hex(line, &start);
    if (*at == '-')
        parse_hex(at + 1, &end);
    at = skip_field(line);
    mapping.executable = at[0] != '\0' && at[1] != '\0' && at[2] == 'x';
    at = skip_field(at);
    at = parse_hex(at, &offset);
    mapping.start = start;
    mapping.end = end;
    mapping.from_file_start = offset == 0;
    mapping.path = skip_field(skip_field(skip_field(at)));
    return mapping;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void take(struct module_bases *bases, const struct mapping *mapping, const char *executable)
{
    if (mapping->path[0] != '/')
        return;
    const char *name = file_name(mapping->path);
    bool may_hold_v8 = strcmp(mapping->path, executable) == 0 || starts_with(name, "libnode.so");
    if (may_hold_v8 && mapping->executable && bases->code_count < CODE_RANGE_LIMIT)
        bases->code[bases->code_count++] = (struct code_range){mapping->start, mapping->end};
    if (!mapping->from_file_start)
        return;
    if (bases->executable == 0 && strcmp(mapping->path, executable) == 0) {
        bases->executable = mapping->start;
        bases->executable_is_python = starts_with(name, "python");
    } else if (bases->libnode == 0 && starts_with(name, "libnode.so")) {
        bases->libnode = mapping->start;
    } else if (starts_with(name, "libpython") && bases->libpython_count < LIBPYTHON_LIMIT) {
        bases->libpython[bases->libpython_count++] = mapping->start;
    } else if (starts_with(name, "libpthread.so.0") || starts_with(name, "libpthread-2.") ||
               (bases->libc == 0 &&
                (starts_with(name, "libc.so.6") || starts_with(name, "libc-2.")))) {
        /* Before glibc 2.34 threads are in a library of their own, mapped below libc or above. */
        bases->libc = mapping->start;
    }
}

/* Splits what read(2) returns into lines; a line longer than any the kernel writes is dropped. */
static void read_lines(int fd, struct module_bases *bases, const char *executable)
{
    char buffer[LINE_LIMIT + 1] = {0};
    size_t have = 0;
    for (unsigned lines = 0; lines < MAPPING_LIMIT;) {
        long got = raw_syscall(SYS_read, fd, buffer + have, LINE_LIMIT - have);
        if (got <= 0)
            return;
        have += (size_t)got;
        char *line = buffer, *end;
        while ((end = memchr(line, '\n', have - (size_t)(line - buffer))) != NULL) {
            *end = '\0';
            struct mapping mapping = parse_line(line);
            take(bases, &mapping, executable);
            line = end + 1;
            lines++;
        }
        have -= (size_t)(line - buffer);
        memmove(buffer, line, have);
        if (have == LINE_LIMIT)
            have = 0;
    }
}

bool module_bases_read(int pid, struct module_bases *bases)
{
    memset(bases, 0, sizeof *bases);
    char path[PROC_PATH_LIMIT], executable[PATH_MAX];
    module_bases_proc_path(pid, "exe", path);
    long length = raw_syscall(SYS_readlinkat, AT_FDCWD, path, executable, sizeof executable - 1);
    executable[length > 0 ? length : 0] = '\0';
    module_bases_proc_path(pid, "maps", path);
    long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    read_lines((int)fd, bases, executable);
    raw_syscall(SYS_close, fd);
    return true;
}
