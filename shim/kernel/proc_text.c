// SPDX-License-Identifier: MIT
#include "kernel/proc_text.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "kernel/text_cursor.h"

/* PF_KTHREAD, PF_EXITING and PF_SIGNALED of include/linux/sched.h. */
enum { KERNEL_THREAD_FLAG = 0x00200000, EXITING_FLAG = 0x4, SIGNALED_FLAG = 0x400 };

bool parse_stat(const char *text, struct stat_line *line)
{
    const char *at = text;
    memset(line, 0, sizeof *line);
    if (!take_int(&at, &line->pid) || !take_text(&at, "("))
        return false;
    /* A process may name itself "a) R 1 (b": the last parenthesis is the kernel's. */
    const char *end = strrchr(at, ')');
    if (!end || end[1] != ' ' || end[2] == '\0')
        return false;
    size_t length = (size_t)(end - at);
    if (length > sizeof line->comm - 1)
        length = sizeof line->comm - 1;
    memcpy(line->comm, at, length);
    at = end + 2;
    line->state = *at++;
    if (!take_int(&at, &line->parent) || !take_int(&at, &line->group) ||
        !take_int(&at, &line->session))
        return false;
    skip_word(&at); /* tty_nr */
    skip_word(&at); /* tpgid */
    uint64_t flags;
    if (!take_unsigned(&at, 10, &flags))
        return false;
    line->kernel_thread = (flags & KERNEL_THREAD_FLAG) != 0;
    line->exiting = (flags & EXITING_FLAG) != 0;
    for (int field = 10; field < 20; field++)
        skip_word(&at);
    if (!take_int(&at, &line->thread_count))
        return false;
    skip_word(&at);
    if (!take_unsigned(&at, 10, &line->start_ticks))
        return false;
    for (int field = 23; field < 28; field++)
        skip_word(&at);
    if (!take_unsigned(&at, 10, &line->start_stack))
        line->start_stack = 0;
    for (int field = 29; field < 31; field++)
        skip_word(&at);
    uint64_t pending = 0;
    take_unsigned(&at, 10, &pending);
    line->killed = line->exiting || (flags & SIGNALED_FLAG) || (pending >> (SIGKILL - 1) & 1);
    for (int field = 32; field < 38; field++)
        skip_word(&at);
    if (!take_int(&at, &line->end_signal))
        line->end_signal = SIGCHLD; /* cut off: of nearly all */
    if (!take_int(&at, &line->cpu))
        line->cpu = -1;
    return true;
}

bool parse_syscall(const char *text, struct syscall_line *line)
{
    const char *at = text;
    memset(line, 0, sizeof *line);
    if (take_text(&at, "running")) {
        line->running = true;
        return true;
    }
    int64_t number;
    if (!take_signed(&at, &number))
        return false;
    line->number = (long)number;
    line->in_call = number >= 0;
    for (unsigned i = 0; line->in_call && i < 6; i++) {
        if (!take_hexadecimal(&at, &line->arguments[i]))
            return false;
    }
    return take_hexadecimal(&at, &line->stack_pointer) &&
           take_hexadecimal(&at, &line->program_counter);
}

static bool parse_two(const char *text, uint64_t *first, uint64_t *second)
{
    return take_unsigned(&text, 10, first) && take_unsigned(&text, 10, second);
}

bool parse_schedstat(const char *text, uint64_t *run_time, uint64_t *delay)
{
    return parse_two(text, run_time, delay);
}

/* "se.exec_start    :    123456.789012": milliseconds. The first line is the thread's own name. */
bool parse_exec_start(const char *text, uint64_t *ns)
{
    enum { NS_IN_MS = 1000000 };
    static const char name[] = "se.exec_start";
    uint64_t milliseconds, fraction = 0;
    for (const char *at = strchr(text, '\n'); at; at = strchr(at, '\n')) {
        at++;
        if (strncmp(at, name, sizeof name - 1) != 0)
            continue;
        at += sizeof name - 1;
        if (!take_text(&at, ":") || !take_unsigned(&at, 10, &milliseconds))
            return false;
        if (*at++ == '.')
            take_unsigned(&at, 10, &fraction); /* six digits */
        *ns = milliseconds * NS_IN_MS + fraction;
        return true;
    }
    return false;
}

bool parse_statm(const char *text, uint64_t *size, uint64_t *resident)
{
    return parse_two(text, size, resident);
}

bool parse_last_number(const char *text, uint64_t *value)
{
    const char *last = strrchr(text, ' ');
    return last && take_unsigned(&last, 10, value);
}

bool parse_field(const char *text, const char *key, int64_t *value)
{
    size_t length = strlen(key);
    for (const char *at = text; at; at = strchr(at, '\n')) {
        if (*at == '\n')
            at++;
        if (strncmp(at, key, length) == 0) {
            at += length;
            return take_signed(&at, value);
        }
    }
    return false;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* "NAME:[INODE]" to the end. */
static bool take_inode(const char *link, const char *start, uint64_t *inode)
{
    if (!starts_with(link, start))
        return false;
    const char *at = link + strlen(start);
    return take_unsigned(&at, 10, inode) && at[0] == ']' && at[1] == '\0';
}

static enum link_kind parse_device(const char *name)
{
    if (strcmp(name, "ptmx") == 0 || strcmp(name, "pts/ptmx") == 0)
        return LINK_PTY_MASTER;
    if (starts_with(name, "pts/") || starts_with(name, "tty") || strcmp(name, "console") == 0)
        return LINK_TTY;
    if (starts_with(name, "shm/")) /* a tmpfs: anything may be there */
        return LINK_PATH;
    /* Only the devices that are on every machine: a FIFO may be anywhere under /dev. */
    static const char devices[][8] = {"null", "zero", "urandom", "random", "full", "kmsg"};
    for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++) {
        if (strcmp(name, devices[i]) == 0)
            return LINK_DEVICE;
    }
    return LINK_PATH;
}

enum link_kind parse_link(const char *link, uint64_t *inode)
{
    *inode = 0;
    if (take_inode(link, "pipe:[", inode))
        return LINK_PIPE;
    if (take_inode(link, "socket:[", inode))
        return LINK_SOCKET;
    if (take_inode(link, "pidfd:[", inode) || strcmp(link, "anon_inode:[pidfd]") == 0)
        return LINK_PIDFD;
    *inode = 0;
    if (strcmp(link, "anon_inode:[eventpoll]") == 0)
        return LINK_EPOLL;
    if (strcmp(link, "anon_inode:[io_uring]") == 0)
        return LINK_URING;
    if (starts_with(link, "anon_inode:"))
        return LINK_ANON;
    if (starts_with(link, "/dev/"))
        return parse_device(link + strlen("/dev/"));
    return link[0] == '/' ? LINK_PATH : LINK_OTHER;
}

static void next_line(const char **at)
{
    while (**at != '\0' && **at != '\n')
        (*at)++;
    if (**at == '\n')
        (*at)++;
}

bool parse_epoll(const char **cursor, struct epoll_line *line)
{
    /* tfd:        7 events:       19 data:                7  pos:0 ino:b71f sdev:8 */
    for (; **cursor != '\0'; next_line(cursor)) {
        const char *at = *cursor;
        uint64_t events = 0;
        memset(line, 0, sizeof *line);
        if (!take_text(&at, "tfd:") || !take_int(&at, &line->fd) || !take_text(&at, "events:") ||
            !take_unsigned(&at, 16, &events))
            continue;
        line->events = (uint32_t)events;
        while (*at != '\0' && *at != '\n') {
            if (take_text(&at, "ino:")) {
                take_unsigned(&at, 16, &line->inode);
                break;
            }
            skip_blanks(&at);
            skip_word(&at);
        }
        next_line(cursor);
        return true;
    }
    return false;
}

bool parse_lock(const char **cursor, struct lock_line *line)
{
    /* 1: FLOCK  ADVISORY  WRITE 708 08:02:1234 0 EOF;  1: -> FLOCK  ADVISORY  WRITE 709 … */
    for (; **cursor != '\0'; next_line(cursor)) {
        const char *at = *cursor;
        uint64_t number, major, minor;
        memset(line, 0, sizeof *line);
        if (!take_unsigned(&at, 10, &number) || !take_text(&at, ":"))
            continue;
        line->waits = take_text(&at, "->");
        for (int word = 0; word < 3; word++) /* FLOCK, ADVISORY, WRITE */
            skip_word(&at);
        if (!take_int(&at, &line->pid) || !take_unsigned(&at, 16, &major) || !take_text(&at, ":") ||
            !take_unsigned(&at, 16, &minor) || !take_text(&at, ":") ||
            !take_unsigned(&at, 10, &line->inode))
            continue;
        line->major = (unsigned)major;
        line->minor = (unsigned)minor;
        next_line(cursor);
        return true;
    }
    return false;
}

/* Eight hexadecimal digits, the kernel's in-memory word printed as a number of the host. */
static bool take_address_word(const char **at, uint8_t *to)
{
    uint32_t word = 0;
    for (int i = 0; i < 8; i++, (*at)++) {
        int digit = digit_value(**at, 16);
        if (digit < 0)
            return false;
        word = word << 4 | (unsigned)digit;
    }
    memcpy(to, &word, sizeof word);
    return true;
}

static bool take_endpoint(const char **at, uint8_t address[16], uint16_t *port)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    uint64_t number;
    skip_blanks(at);
    if (!take_address_word(at, address))
        return false;
    if (**at == ':') {
        memcpy(address + 12, address, 4);
        memcpy(address, mapped, sizeof mapped);
    } else {
        for (size_t word = 1; word < 4; word++) {
            if (!take_address_word(at, address + word * 4))
                return false;
        }
    }
    if (!take_text(at, ":") || !take_unsigned(at, 16, &number) || number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

bool parse_inet(const char *text, struct inet_line *line)
{
    /* 0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 46881 … */
    const char *at = text;
    uint64_t number;
    memset(line, 0, sizeof *line);
    if (!take_unsigned(&at, 10, &number) || !take_text(&at, ":") ||
        !take_endpoint(&at, line->local, &line->local_port) ||
        !take_endpoint(&at, line->remote, &line->remote_port) || !take_unsigned(&at, 16, &number))
        return false;
    line->state = (unsigned)number;
    for (int word = 0; word < 5; word++) /* queues, timer, retransmits, user, timeout */
        skip_word(&at);
    return take_unsigned(&at, 10, &line->inode);
}

static const char *skip_field(const char *at)
{
    while (*at != '\0' && *at != ' ')
        at++;
    skip_blanks(&at);
    return at;
}

bool parse_map(const char *text, struct map_line *line)
{
    /* 7f21a000-7f21c000 rw-p 00000000 00:00 0      [heap] */
    const char *at = text;
    memset(line, 0, sizeof *line);
    if (!take_unsigned(&at, 16, &line->start) || !take_text(&at, "-") ||
        !take_unsigned(&at, 16, &line->end))
        return false;
    skip_blanks(&at);
    if (strnlen(at, 4) < 4)
        return false;
    line->executable = at[2] == 'x';
    line->shared = at[3] == 's';
    if (at[3] != 's' && at[3] != 'p')
        return false;
    at += 4;
    if (!take_unsigned(&at, 16, &line->offset))
        return false;
    skip_blanks(&at);
    line->path = skip_field(skip_field(at)); /* device, inode */
    return true;
}
