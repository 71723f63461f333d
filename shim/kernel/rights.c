// SPDX-License-Identifier: MIT
#include "kernel/rights.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "kernel/proc_reader.h"
#include "process/life.h"

enum {
    NAME_LIMIT = 24, /* of a field in status; the longest that is asked for has 15 bytes */
    GOOD_FOR = 50,   /* times its cost */
    GOOD_FOR_NS = 100 * NS_PER_MS,
    CAP_SETGID_BIT = 6,
    CAP_SETUID_BIT = 7,
    EFFECTIVE = 2, /* in sets[] */
};

static const uint64_t hash_start = 0xcbf29ce484222325ULL;

static uint64_t hash_byte(uint64_t hash, char byte)
{
    return (hash ^ (unsigned char)byte) * 0x100000001b3ULL; /* FNV-1a */
}

/* One line of a status file, taken byte by byte: "Groups:" may be longer than any buffer. */
struct status_line {
    char name[NAME_LIMIT];
    unsigned length;
    bool in_value;
    uint64_t hash;
    uint64_t number; /* as hexadecimal: decimal digits keep their order */
    char first;
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void line_begin(struct status_line *line)
{
    *line = (struct status_line){.hash = hash_start};
}

static void line_take(struct status_line *line, char c)
{
    if (!line->in_value) {
        if (c == ':')
            line->in_value = true;
        else if (line->length < NAME_LIMIT - 1)
            line->name[line->length++] = c;
        return;
    }
    if (!line->first && (c == '\t' || c == ' '))
        return;
    if (!line->first)
        line->first = c;
    line->hash = hash_byte(line->hash, c);
    int digit = hex_digit(c);
    if (digit >= 0)
        line->number = line->number << 4 | (uint64_t)digit;
}

/* The fields that make the rights, and where they go. */
static const struct {
    char name[16];
    uint8_t offset;
    bool hashed;
} fields[] = {
    {"Groups", offsetof(struct rights, groups), true},
    {"CapInh", offsetof(struct rights, sets[0]), false},
    {"CapPrm", offsetof(struct rights, sets[1]), false},
    {"CapEff", offsetof(struct rights, sets[EFFECTIVE]), false},
    {"CapBnd", offsetof(struct rights, sets[3]), false},
    {"CapAmb", offsetof(struct rights, sets[4]), false},
    {"NoNewPrivs", offsetof(struct rights, no_new_privileges), false},
    {"Seccomp", offsetof(struct rights, seccomp), false},
    {"Seccomp_filters", offsetof(struct rights, filters), false},
};

/* Takes a line over; false when nothing that is asked for comes behind it. */
static bool line_end(const struct status_line *line, struct rights *rights)
{
    if (strcmp(line->name, "State") == 0) {
        rights->state = line->first;
    } else if (strcmp(line->name, "Uid") == 0 || strcmp(line->name, "Gid") == 0) {
        rights->ids = rights->ids * 31 + line->hash;
    } else {
        for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
            if (strcmp(line->name, fields[i].name) == 0)
                memcpy((char *)rights + fields[i].offset,
                       fields[i].hashed ? &line->hash : &line->number, sizeof(uint64_t));
    }
    return strcmp(line->name, "Seccomp_filters") != 0;
}

static bool read_status(const char *path, struct rights *rights)
{
    char bytes[2048];
    struct status_line line;
    bool more = true;
    bool any = false;
    long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    line_begin(&line);
    while (more) {
        long size = raw_syscall(SYS_read, fd, bytes, sizeof bytes);
        if (size <= 0)
            break;
        any = true;
        for (long i = 0; more && i < size; i++) {
            if (bytes[i] != '\n') {
                line_take(&line, bytes[i]);
                continue;
            }
            more = line_end(&line, rights);
            line_begin(&line);
        }
    }
    raw_syscall(SYS_close, fd);
    return any && rights->state;
}

static bool read_namespaces(struct text_buffer *path, size_t folder, struct rights *rights)
{
    static const char *const names[] = {"ns/user", "ns/mnt", "ns/net"};
    rights->namespaces = hash_start;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char link[64];
        path->length = folder;
        text_string(path, names[i]);
        long length = proc_link(AT_FDCWD, path->data, link, sizeof link);
        if (length < 0) /* a kernel without that kind: the same for all */
            continue;
        for (const char *c = link; *c; c++)
            rights->namespaces = hash_byte(rights->namespaces, *c);
    }
    return true;
}

/* `thread` is "self/task/TID" or "thread-self". */
static bool read_rights_of(const char *thread, struct rights *rights)
{
    char bytes[PROC_PATH_LIMIT];
    struct text_buffer path;
    *rights = (struct rights){0};
    text_init(&path, bytes, sizeof bytes);
    text_string(&path, "/proc/");
    text_string(&path, thread);
    text_char(&path, '/');
    size_t folder = path.length;
    text_string(&path, "status");
    return read_status(path.data, rights) && read_namespaces(&path, folder, rights);
}

bool rights_read(int tid, struct rights *rights)
{
    char bytes[PROC_PATH_LIMIT];
    struct text_buffer thread;
    text_init(&thread, bytes, sizeof bytes);
    text_string(&thread, "self/task/");
    text_signed(&thread, tid);
    return read_rights_of(thread.data, rights);
}

static bool may_become_anyone(const struct rights *rights)
{
    const uint64_t both = 1ULL << CAP_SETUID_BIT | 1ULL << CAP_SETGID_BIT;
    return (rights->sets[EFFECTIVE] & both) == both;
}

bool rights_cover(const struct rights *upper, const struct rights *lower)
{
    for (unsigned i = 0; i < RIGHTS_SETS; i++)
        if (lower->sets[i] & ~upper->sets[i])
            return false;
    if ((upper->ids != lower->ids || upper->groups != lower->groups) && !may_become_anyone(upper))
        return false;
    return upper->no_new_privileges <= lower->no_new_privileges &&
           upper->seccomp <= lower->seccomp && upper->filters <= lower->filters &&
           upper->namespaces == lower->namespaces;
}

/* Of the watchdog that runs; it is one at a time. */
static struct {
    int own_tid;  /* as /proc names it: a process may see the /proc of another pid namespace */
    int covering; /* the thread that had as many rights at the last proof; 0: the first that comes
                   */
    bool lost;
    bool unreadable;
    bool others; /* at the last proof, a thread of the program was alive */
    uint64_t good_until;
} proof;

static bool is_alive(const struct rights *rights)
{
    return rights->state != 'Z' && rights->state != 'X';
}

static bool covers(int tid, const struct rights *own)
{
    struct rights theirs;
    if (tid == proof.own_tid || !rights_read(tid, &theirs) || !is_alive(&theirs))
        return false;
    proof.others = true;
    if (!rights_cover(&theirs, own))
        return false;
    proof.covering = tid;
    return true;
}

static bool any_thread_covers(const struct rights *own)
{
    struct directory threads;
    int tid;
    bool found = false;
    if (proof.covering && covers(proof.covering, own))
        return true;
    if (directory_open(&threads, "/proc/self/task") != 0)
        return false;
    while (!found && directory_next_number(&threads, &tid, NULL))
        found = covers(tid, own);
    directory_close(&threads);
    return found;
}

static int own_tid_in_proc(void)
{
    char link[64];
    int tid = 0;
    long length = proc_link(AT_FDCWD, "/proc/thread-self", link, sizeof link);
    const char *last = length > 0 ? strrchr(link, '/') : NULL;
    for (const char *c = last ? last + 1 : ""; *c >= '0' && *c <= '9'; c++)
        tid = tid * 10 + (*c - '0');
    return tid;
}

void rights_begin(void)
{
    proof.covering = 0;
    proof.lost = false;
    proof.unreadable = false;
    proof.good_until = 0;
    proof.own_tid = own_tid_in_proc();
}

bool rights_unreadable(void)
{
    return proof.unreadable;
}

bool rights_nobody_left(void)
{
    return proof.lost && !proof.unreadable && !proof.others;
}

bool rights_hold(void)
{
    struct rights own;
    if ((int)raw_syscall(SYS_gettid) != atomic_load(&life->watchdog_tid))
        return true;
    if (proof.lost || atomic_load(&life->stop))
        return false;
    uint64_t begin = clock_monotonic_ns();
    if (begin < proof.good_until && begin >= atomic_load(&life->doubted_until))
        return true;
    proof.others = false;
    proof.unreadable = !read_rights_of("thread-self", &own);
    if (proof.unreadable || !any_thread_covers(&own)) {
        proof.lost = true;
        return false;
    }
    uint64_t end = clock_monotonic_ns();
    uint64_t good_for = (end - begin) * GOOD_FOR;
    proof.good_until = end + (good_for < GOOD_FOR_NS ? good_for : GOOD_FOR_NS);
    return true;
}
