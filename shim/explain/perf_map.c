// SPDX-License-Identifier: MIT
#include "explain/perf_map.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "kernel/status.h"

enum {
    BUFFER_SIZE = 4096,
    PATH_LIMIT = 96,
    FILE_LIMIT = 64 << 20,
};

/* A line is parsed as it comes, byte by byte: it may be longer than any buffer. */
enum field { FIELD_START, FIELD_SIZE, FIELD_NAME, FIELD_DAMAGED };

struct map_parser {
    enum field field;
    unsigned digits;
    uint64_t start, size;
    size_t name_length;
    char name[SYMBOL_NAME_LIMIT];
};

static void parser_reset(struct map_parser *parser)
{
    parser->field = FIELD_START;
    parser->digits = 0;
    parser->start = parser->size = 0;
    parser->name_length = 0;
}

/* A number ends at a space; "0x" before it is allowed (some Java agents write it). */
static void take_digit(struct map_parser *parser, uint64_t *number, unsigned char c)
{
    unsigned digit;
    if (c == ' ' && parser->digits > 0) {
        parser->field++;
        parser->digits = 0;
        return;
    }
    if (c == 'x' && parser->digits == 1 && *number == 0)
        return;
    if (c >= '0' && c <= '9')
        digit = c - '0';
    else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        digit = (c | 0x20) - 'a' + 10;
    else
        digit = 16;
    if (digit > 15 || parser->digits++ >= 18)
        parser->field = FIELD_DAMAGED;
    *number = *number << 4 | (digit & 15);
}

/* Drops the start of a UTF-8 character that a cut has left without its end. */
static void trim_cut_character(char *name, size_t length)
{
    size_t at = length;
    while (at > 0 && length - at < 3 && (name[at - 1] & 0xc0) == 0x80)
        at--;
    if (at == 0 || !(name[at - 1] & 0x80))
        return;
    unsigned char lead = (unsigned char)name[at - 1];
    size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (length - (at - 1) < size)
        name[at - 1] = '\0';
}

static void take_line(struct map_parser *parser, struct perf_map_name *names, unsigned count)
{
    bool valid = parser->field == FIELD_NAME && parser->name_length > 0;
    for (unsigned i = 0; valid && i < count; i++) {
        if (names[i].pc < parser->start || names[i].pc - parser->start >= parser->size)
            continue;
        names[i].start = parser->start;
        memcpy(names[i].name, parser->name, parser->name_length);
        names[i].name[parser->name_length] = '\0';
        if (parser->name_length == sizeof parser->name - 1)
            trim_cut_character(names[i].name, parser->name_length);
    }
    parser_reset(parser);
}

static void take_byte(struct map_parser *parser, unsigned char c)
{
    switch (parser->field) {
    case FIELD_START:
        take_digit(parser, &parser->start, c);
        break;
    case FIELD_SIZE:
        take_digit(parser, &parser->size, c);
        break;
    case FIELD_NAME:
        if (parser->name_length < sizeof parser->name - 1)
            parser->name[parser->name_length++] = (char)(c < 0x20 || c == 0x7f ? '?' : c);
        break;
    default:
        break;
    }
}

unsigned perf_map_read(int fd, struct perf_map_name *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        names[i].start = 0;
        names[i].name[0] = '\0';
    }
    struct map_parser parser;
    unsigned char buffer[BUFFER_SIZE] = {0};
    parser_reset(&parser);
    for (uint64_t total = 0; total < FILE_LIMIT;) {
        long got = raw_syscall(SYS_read, fd, buffer, sizeof buffer);
        if (got <= 0)
            break;
        total += (uint64_t)got;
        for (long i = 0; i < got; i++) {
            if (buffer[i] == '\n')
                take_line(&parser, names, count);
            else
                take_byte(&parser, buffer[i]);
        }
    }
    /* A line without its end is still being written: its name may be cut. */
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++)
        found += names[i].name[0] != '\0';
    return found;
}

/* The process's id as it knows it itself: the last number of "NSpid:" in /proc/PID/status. */
static uint64_t inner_pid(int pid)
{
    struct status_field inner = {.name = "NSpid", .base = 10};
    return status_read(pid, 0, &inner, 1) && inner.value != 0 ? inner.value : (uint64_t)pid;
}

static bool owner_of_process(int pid, uid_t *owner)
{
    if (pid == 0) {
        *owner = (uid_t)raw_syscall(SYS_geteuid);
        return true;
    }
    char path[PATH_LIMIT];
    struct text_buffer text;
    struct stat process = {0};
    text_init(&text, path, sizeof path);
    text_string(&text, "/proc/");
    text_unsigned(&text, (uint64_t)pid);
    if (raw_syscall(SYS_newfstatat, AT_FDCWD, path, &process, 0) != 0)
        return false;
    *owner = process.st_uid;
    return true;
}

static int open_map(int pid, bool in_its_root, uint64_t inner)
{
    char path[PATH_LIMIT];
    struct text_buffer text;
    text_init(&text, path, sizeof path);
    if (in_its_root) {
        text_string(&text, "/proc/");
        text_unsigned(&text, (uint64_t)pid);
        text_string(&text, "/root");
    }
    text_string(&text, "/tmp/perf-");
    text_unsigned(&text, inner);
    text_string(&text, ".map");
    /* O_NONBLOCK: the name may be a FIFO's, planted. */
    long fd = raw_syscall(SYS_openat, AT_FDCWD, path,
                          O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0)
        return -1;
    struct stat file = {0};
    uid_t owner;
    if (raw_syscall(SYS_fstat, fd, &file) != 0 || !S_ISREG(file.st_mode) ||
        !owner_of_process(pid, &owner) || (file.st_uid != owner && file.st_uid != 0)) {
        raw_syscall(SYS_close, fd);
        return -1;
    }
    if (file.st_size > FILE_LIMIT)
        raw_syscall(SYS_lseek, fd, file.st_size - FILE_LIMIT, SEEK_SET);
    return (int)fd;
}

unsigned perf_map_find(int pid, struct perf_map_name *names, unsigned count)
{
    int fd;
    if (pid == 0) {
        fd = open_map(0, false, (uint64_t)raw_syscall(SYS_getpid));
    } else {
        uint64_t inner = inner_pid(pid);
        fd = open_map(pid, true, inner);
        if (fd < 0)
            fd = open_map(pid, false, inner);
    }
    if (fd < 0) {
        for (unsigned i = 0; i < count; i++) {
            names[i].start = 0;
            names[i].name[0] = '\0';
        }
        return 0;
    }
    unsigned found = perf_map_read(fd, names, count);
    raw_syscall(SYS_close, fd);
    return found;
}
