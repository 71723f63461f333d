// SPDX-License-Identifier: MIT
#include "drain/rights.h"

#include <fcntl.h>
#include <stdint.h>

#include "base/raw_syscall.h"

enum { LINE_LIMIT = 64 };

struct rights {
    uint64_t user; /* effective */
    uint64_t others[3];
    uint64_t capabilities; /* permitted: what it can take back */
    uint64_t no_new_privileges, filter;
    unsigned found; /* bits of the fields */
};

/* The number at `*at`, and behind it; written out because the helper has no libc. */
static uint64_t number_at(const char **at, unsigned base)
{
    uint64_t value = 0;
    while (**at == ' ' || **at == '\t')
        ++*at;
    for (;; ++*at) {
        unsigned digit = 16;
        if (**at >= '0' && **at <= '9')
            digit = (unsigned)(**at - '0');
        else if (**at >= 'a' && **at <= 'f')
            digit = (unsigned)(**at - 'a') + 10;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

/* What follows `name` in the line, or NULL. */
static const char *after(const char *line, const char *name)
{
    for (; *name; name++, line++)
        if (*line != *name)
            return 0;
    return line;
}

static void read_line(const char *line, struct rights *rights)
{
    enum { DECIMAL = 10, HEXADECIMAL = 16 };
    const char *value;
    if ((value = after(line, "Uid:"))) {
        rights->others[0] = number_at(&value, DECIMAL);
        rights->user = number_at(&value, DECIMAL);
        rights->others[1] = number_at(&value, DECIMAL);
        rights->others[2] = number_at(&value, DECIMAL);
        rights->found |= 1;
    } else if ((value = after(line, "CapPrm:"))) {
        rights->capabilities = number_at(&value, HEXADECIMAL);
        rights->found |= 2;
    } else if ((value = after(line, "NoNewPrivs:"))) {
        rights->no_new_privileges = number_at(&value, DECIMAL);
        rights->found |= 4;
    } else if ((value = after(line, "Seccomp:"))) {
        rights->filter = number_at(&value, DECIMAL);
        rights->found |= 8;
    }
}

/* "/proc/PID/status", or of ourselves for 0. */
static long open_status(int pid)
{
    char path[32] = "/proc/";
    char digits[12];
    char *end = path + 6;
    int length = 0;
    for (int rest = pid; rest > 0; rest /= 10)
        digits[length++] = (char)('0' + rest % 10);
    while (length > 0)
        *end++ = digits[--length];
    for (const char *from = pid ? "/status" : "self/status"; *from; from++)
        *end++ = *from;
    *end = 0;
    return raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
}

/* False: not all of it is to be had. A line of many groups is longer than any buffer. */
static bool read_rights(int pid, struct rights *rights)
{
    enum { ALL = 15, PIECE = 512 };
    char piece[PIECE];
    char line[LINE_LIMIT];
    int length = 0;
    long size;
    long fd = open_status(pid);
    rights->found = 0;
    if (fd < 0)
        return false;
    while (rights->found != ALL && (size = raw_syscall(SYS_read, fd, piece, sizeof piece)) > 0)
        for (long i = 0; i < size; i++) {
            if (piece[i] != '\n') {
                if (length < LINE_LIMIT - 1)
                    line[length++] = piece[i];
                continue;
            }
            line[length] = 0;
            length = 0;
            read_line(line, rights);
        }
    raw_syscall(SYS_close, fd);
    return rights->found == ALL;
}

/* Every one of its users, so that one which may go back to ours is not taken for it. */
static bool is_user(const struct rights *rights, uint64_t user)
{
    return rights->user == user && rights->others[0] == user && rights->others[1] == user &&
           rights->others[2] == user;
}

bool rights_include_ours(int pid)
{
    struct rights ours;
    struct rights theirs;
    if (pid <= 0 || !read_rights(0, &ours) || !read_rights(pid, &theirs))
        return false;
    return (is_user(&theirs, ours.user) || is_user(&theirs, 0)) &&
           (ours.capabilities & ~theirs.capabilities) == 0 &&
           theirs.no_new_privileges <= ours.no_new_privileges && theirs.filter <= ours.filter;
}
