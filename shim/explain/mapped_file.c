// SPDX-License-Identifier: MIT
#include "explain/mapped_file.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/raw_syscall.h"

/* One line of proc_pid_maps(5): "start-end rwxp offset major:minor inode   path". */
struct mapping {
    uint64_t start, end, offset;
    const char *path;
};

static const char *parse_hex(const char *text, uint64_t *value)
{
    *value = 0;
    for (;; text++) {
        unsigned digit;
        if (*text >= '0' && *text <= '9')
            digit = (unsigned)(*text - '0');
        else if (*text >= 'a' && *text <= 'f')
            digit = (unsigned)(*text - 'a') + 10;
        else
            return text;
        *value = *value << 4 | digit;
    }
}

static const char *skip_field(const char *text)
{
    while (*text == ' ')
        text++;
    while (*text != ' ' && *text != '\0')
        text++;
    return text;
}

static bool parse_mapping(const char *line, struct mapping *mapping)
{
    line = parse_hex(line, &mapping->start);
    if (*line++ != '-')
        return false;
    line = skip_field(parse_hex(line, &mapping->end)); /* past the permissions */
    if (*line != ' ')
        return false;
    line = parse_hex(line + 1, &mapping->offset);
    line = skip_field(skip_field(line)); /* device, inode */
    while (*line == ' ')
        line++;
    mapping->path = line;
    return *line != '\0';
}

/* Takes one line; true when the search is over. `file->path` is the file of the lines before. */
static bool take_line(const char *line, uintptr_t address, struct mapped_file *file, bool *found)
{
    struct mapping mapping;
    bool named = parse_mapping(line, &mapping);
    if (named && strncmp(mapping.path, file->path, sizeof(file->path) - 1) == 0 &&
        mapping.offset != 0) {
        file->end = mapping.end;
    } else if (*found) {
        /* .bss follows the last mapping of the file without a name: it holds no code. */
        return true;
    } else if (named) {
        file->start = mapping.start;
        file->end = mapping.end;
        size_t length = strlen(mapping.path);
        length = length < sizeof(file->path) ? length : sizeof(file->path) - 1;
        memcpy(file->path, mapping.path, length);
        file->path[length] = '\0';
    }
    if (named && address >= mapping.start && address < mapping.end)
        *found = true;
    return false;
}

bool mapped_file_find(uintptr_t address, struct mapped_file *file)
{
    int fd = (int)raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    *file = (struct mapped_file){0};
    bool found = false, over = false, cut = false;
    char buffer[1024];
    size_t used = 0;
    while (!over) {
        long got = raw_syscall(SYS_read, fd, buffer + used, sizeof(buffer) - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
        buffer[used] = '\0';
        char *line = buffer, *end;
        while (!over && (end = strchr(line, '\n')) != NULL) {
            *end = '\0';
            over = !cut && take_line(line, address, file, &found);
            cut = false;
            line = end + 1;
        }
        used -= (size_t)(line - buffer);
        memmove(buffer, line, used);
        if (used == sizeof(buffer) - 1) { /* a line longer than the buffer: its head says enough */
            buffer[used] = '\0';
            over = !cut && take_line(buffer, address, file, &found);
            cut = true;
            used = 0;
        }
    }
    raw_syscall(SYS_close, fd);
    return found;
}
