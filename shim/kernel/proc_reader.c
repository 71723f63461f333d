// SPDX-License-Identifier: MIT
#include "kernel/proc_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"

/* "/proc/PID/", for 0 "/proc/self/". */
static void begin_path(struct text_buffer *text, char path[PROC_PATH_LIMIT], int pid)
{
    text_init(text, path, PROC_PATH_LIMIT);
    if (pid == 0)
        text_string(text, "/proc/self/");
    else
        text_format(text, "/proc/%d/", pid);
}

void proc_path(char path[PROC_PATH_LIMIT], int pid, int tid, const char *file)
{
    struct text_buffer text;
    begin_path(&text, path, pid);
    if (tid != 0)
        text_format(&text, "task/%d/", tid);
    text_string(&text, file);
}

void proc_path_number(char path[PROC_PATH_LIMIT], int pid, const char *folder, int number)
{
    struct text_buffer text;
    begin_path(&text, path, pid);
    text_format(&text, "%s/%d", folder, number);
}

static long open_file(const char *path)
{
    return raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

/* Fills `to` as far as the file goes; `*more`: it goes on. */
static long read_into(const char *path, char *to, size_t capacity, bool *more)
{
    to[0] = '\0';
    long fd = open_file(path);
    if (fd < 0)
        return fd;
    size_t length = 0;
    long result = 0;
    while (length < capacity - 1) {
        result = raw_syscall(SYS_read, fd, to + length, capacity - 1 - length);
        if (result <= 0)
            break;
        length += (size_t)result;
    }
    char next;
    *more = result > 0 && raw_syscall(SYS_read, fd, &next, 1) > 0;
    raw_syscall(SYS_close, fd);
    to[result < 0 ? 0 : length] = '\0';
    return result < 0 ? result : (long)length;
}

static long too_large(char *to)
{
    to[0] = '\0';
    return -EFBIG;
}

long proc_read_start(const char *path, char *to, size_t capacity)
{
    bool more;
    return read_into(path, to, capacity, &more);
}

long proc_read_start_of(int pid, int tid, const char *file, char *to, size_t capacity)
{
    char path[PROC_PATH_LIMIT];
    proc_path(path, pid, tid, file);
    return proc_read_start(path, to, capacity);
}

long proc_read(const char *path, char *to, size_t capacity)
{
    bool more = false;
    long length = read_into(path, to, capacity, &more);
    return more ? too_large(to) : length;
}

long proc_read_of(int pid, int tid, const char *file, char *to, size_t capacity)
{
    char path[PROC_PATH_LIMIT];
    proc_path(path, pid, tid, file);
    return proc_read(path, to, capacity);
}

long proc_read_piece_of(int pid, int tid, const char *file, char *to, size_t capacity)
{
    char path[PROC_PATH_LIMIT];
    proc_path(path, pid, tid, file);
    to[0] = '\0';
    long fd = open_file(path);
    if (fd < 0)
        return fd;
    long length = raw_syscall(SYS_read, fd, to, capacity);
    raw_syscall(SYS_close, fd);
    if (length == (long)capacity)
        return too_large(to);
    to[length > 0 ? length : 0] = '\0';
    return length;
}

long proc_link(int directory, const char *path, char *to, size_t capacity)
{
    long length = raw_syscall(SYS_readlinkat, directory, path, to, capacity - 1);
    to[length < 0 ? 0 : length] = '\0';
    return length;
}

/* What getdents64(2) writes; glibc 2.36 declares it only together with its own readdir. */
struct directory_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

long directory_open(struct directory *directory, const char *path)
{
    directory->at = directory->end = 0;
    directory->error = 0;
    long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    directory->fd = (int)fd;
    return fd < 0 ? fd : 0;
}

static bool parse_name(const char *name, int *number)
{
    int64_t value = 0;
    if (*name == '\0')
        return false;
    for (; *name != '\0'; name++) {
        if (*name < '0' || *name > '9')
            return false;
        value = value * 10 + (*name - '0');
        if (value > INT_MAX)
            return false;
    }
    *number = (int)value;
    return true;
}

bool directory_next_number(struct directory *directory, int *number, const char **name)
{
    for (;;) {
        if (directory->at >= directory->end) {
            long bytes = raw_syscall(SYS_getdents64, directory->fd, directory->buffer,
                                     sizeof directory->buffer);
            if (bytes < 0)
                directory->error = bytes;
            if (bytes <= 0)
                return false;
            directory->at = 0;
            directory->end = (size_t)bytes;
        }
        const char *at = directory->buffer + directory->at;
        uint16_t size;
        memcpy(&size, at + offsetof(struct directory_entry, size), sizeof size);
        if (size < offsetof(struct directory_entry, name) + 1)
            return false;
        directory->at += size;
        const char *entry_name = at + offsetof(struct directory_entry, name);
        if (!parse_name(entry_name, number))
            continue;
        if (name)
            *name = entry_name;
        return true;
    }
}

void directory_close(struct directory *directory)
{
    raw_syscall(SYS_close, directory->fd);
}

long lines_open(struct line_reader *lines, const char *path)
{
    lines->at = lines->end = 0;
    lines->ended = false;
    long fd = open_file(path);
    lines->fd = (int)fd;
    return fd < 0 ? fd : 0;
}

static void lines_fill(struct line_reader *lines)
{
    size_t left = lines->end - lines->at;
    memmove(lines->buffer, lines->buffer + lines->at, left);
    lines->at = 0;
    lines->end = left;
    long bytes =
        raw_syscall(SYS_read, lines->fd, lines->buffer + left, sizeof lines->buffer - 1 - left);
    if (bytes <= 0)
        lines->ended = true;
    else
        lines->end += (size_t)bytes;
}

const char *lines_next(struct line_reader *lines)
{
    for (;;) {
        size_t left = lines->end - lines->at;
        char *line = lines->buffer + lines->at;
        char *newline = left ? memchr(line, '\n', left) : NULL;
        bool no_space = left >= sizeof lines->buffer - 1;
        if (newline || no_space || (lines->ended && left > 0)) {
            size_t length = newline ? (size_t)(newline - line) : left;
            line[length] = '\0';
            lines->at += length + (newline ? 1 : 0);
            return line;
        }
        if (lines->ended)
            return NULL;
        lines_fill(lines);
    }
}

void lines_close(struct line_reader *lines)
{
    raw_syscall(SYS_close, lines->fd);
}
