// SPDX-License-Identifier: MIT
#include "kernel/rights.h"

#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "kernel/proc_reader.h"
#include "kernel/status.h"
#include "kernel/task.h"
#include "process/life.h"

enum {
    GOOD_FOR = 50, /* times its cost */
    GOOD_FOR_NS = 100 * NS_PER_MS,
    CLOCK_GOOD_FOR_NS = NS_PER_MS / 10, /* the same of a clock, which is read in 0.5 us */
    CAP_SETGID_BIT = 6,
    CAP_SETUID_BIT = 7,
    EFFECTIVE = 2, /* in sets[] */
};

/* Of the file status, as rights_read() asks for them. */
enum {
    FIELD_STATE,
    FIELD_UID,
    FIELD_GID,
    FIELD_GROUPS,
    FIELD_SETS,
    FIELD_NO_NEW_PRIVILEGES = FIELD_SETS + RIGHTS_SETS,
    FIELD_SECCOMP,
    FIELD_FILTERS,
};

static void fill(struct rights *rights, const struct status_field *fields)
{
    rights->state = (char)fields[FIELD_STATE].value;
    rights->ids = fields[FIELD_UID].value * 31 + fields[FIELD_GID].value;
    rights->groups = fields[FIELD_GROUPS].value;
    for (unsigned i = 0; i < RIGHTS_SETS; i++)
        rights->sets[i] = fields[FIELD_SETS + i].value;
    rights->no_new_privileges = fields[FIELD_NO_NEW_PRIVILEGES].value;
    rights->seccomp = fields[FIELD_SECCOMP].value;
    rights->filters = fields[FIELD_FILTERS].value;
}

/* A namespace that the kernel does not know is the same for all. */
static uint64_t hash_namespaces(int tid)
{
    static const char *const names[] = {"ns/user", "ns/mnt", "ns/net"};
    uint64_t hash = 0;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char path[PROC_PATH_LIMIT];
        char link[64];
        struct text_buffer text;
        text_init(&text, path, sizeof path);
        text_string(&text, tid ? "/proc/self/task/" : "/proc/thread-self/");
        if (tid) {
            text_signed(&text, tid);
            text_char(&text, '/');
        }
        text_string(&text, names[i]);
        proc_link(AT_FDCWD, path, link, sizeof link);
        for (const char *c = link; *c; c++)
            hash = hash * 31 + (unsigned char)*c;
    }
    return hash;
}

bool rights_read(int tid, struct rights *rights)
{
    struct status_field fields[] = {
        [FIELD_STATE] = {.name = "State", .base = STATUS_LETTER},
        [FIELD_UID] = {.name = "Uid", .base = STATUS_WHOLE},
        [FIELD_GID] = {.name = "Gid", .base = STATUS_WHOLE},
        [FIELD_GROUPS] = {.name = "Groups", .base = STATUS_WHOLE},
        [FIELD_SETS] = {.name = "CapInh", .base = 16},
        {.name = "CapPrm", .base = 16},
        {.name = "CapEff", .base = 16},
        {.name = "CapBnd", .base = 16},
        {.name = "CapAmb", .base = 16},
        [FIELD_NO_NEW_PRIVILEGES] = {.name = "NoNewPrivs", .base = 10},
        [FIELD_SECCOMP] = {.name = "Seccomp", .base = 10},
        [FIELD_FILTERS] = {.name = "Seccomp_filters", .base = 10},
    };
    status_read(tid ? STATUS_THIS_PROCESS : 0, tid, fields, sizeof fields / sizeof *fields);
    fill(rights, fields);
    rights->namespaces = hash_namespaces(tid);
    return fields[FIELD_UID].found && fields[FIELD_SETS + EFFECTIVE].found;
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
/* child: kept, its own watchdog begins it anew (rights_begin) */
static struct {
    struct rights own; /* as last read. All that others can do to them afterwards (a seccomp
                          filter for all threads) makes them fewer, and a proof of more is one. */
    bool own_known;
    int own_tid;  /* as /proc names it: a process may see the /proc of another pid namespace */
    int covering; /* the thread that had as many rights at the last proof; 0: the first that comes
                   */
    uint64_t covering_ns; /* its CPU time before it was read; 0: not known */
    bool clocks_tell;     /* this process and its /proc number threads alike */
    int tried;            /* the last one that was asked in place of it; 0: none */
    bool lost;
    bool unreadable;
    bool others; /* at the last proof, a thread of the program was alive */
    uint64_t good_until;
    uint64_t proven_at;         /* 0: not yet */
    uint64_t search_not_before; /* for a thread that sleeps */
} proof;

static bool is_alive(const struct rights *rights)
{
    return rights->state != 'Z' && rights->state != 'X';
}

static bool covers(int tid, const struct rights *own)
{
    struct rights theirs;
    uint64_t clock = proof.clocks_tell ? task_run_time_ns(tid) : 0; /* first */
    if (tid == proof.own_tid || !rights_read(tid, &theirs) || !is_alive(&theirs))
        return false;
    proof.others = true;
    if (!rights_cover(&theirs, own))
        return false;
    proof.covering = tid;
    proof.covering_ns = clock;
    return true;
}

/* Who has not run since it was read is alive and has the rights that it had: a thread gives up its
 * own only. */
static bool covering_has_not_run(void)
{
    return proof.clocks_tell && proof.covering != 0 && proof.covering_ns != 0 &&
           task_run_time_ns(proof.covering) == proof.covering_ns;
}

/* One that runs all the time must be read for each proof. So the next one is tried, in the order of
 * their numbers, until it is one that sleeps; not among very many. */
static int next_after(int before)
{
    enum { MANY_THREADS = 64 };
    struct directory threads;
    int tid;
    int first = 0;
    int next = 0;
    unsigned count = 0;
    if (directory_open(&threads, "/proc/self/task") != 0)
        return 0;
    while (count++ < MANY_THREADS && directory_next_number(&threads, &tid, NULL)) {
        if (tid == proof.own_tid || tid == proof.covering)
            continue;
        if (first == 0 || tid < first)
            first = tid;
        if (tid > before && (next == 0 || tid < next))
            next = tid;
    }
    directory_close(&threads);
    return next ? next : first;
}

static bool another_covers(const struct rights *own, uint64_t now)
{
    enum { ALONE_FOR_S = 10 };
    if (!proof.clocks_tell || proof.covering == 0 || now < proof.search_not_before)
        return false;
    int tid = next_after(proof.tried ? proof.tried : proof.covering);
    proof.tried = tid;
    if (tid == 0)
        proof.search_not_before = now + ALONE_FOR_S * (uint64_t)NS_PER_S;
    return tid != 0 && covers(tid, own);
}

static __attribute__((noinline)) bool any_thread_covers(const struct rights *own, uint64_t now)
{
    struct directory threads;
    int tid;
    bool found = false;
    if (another_covers(own, now) || (proof.covering && covers(proof.covering, own)))
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

static bool read_own(void)
{
    proof.own_known = rights_read(0, &proof.own);
    return proof.own_known;
}

static bool is_covered(uint64_t now)
{
    proof.others = false;
    return proof.own_known && any_thread_covers(&proof.own, now);
}

void rights_begin(void)
{
    proof.covering = 0;
    proof.lost = false;
    proof.unreadable = false;
    proof.good_until = 0;
    proof.proven_at = 0;
    proof.search_not_before = 0;
    proof.tried = 0;
    proof.own_tid = own_tid_in_proc();
    proof.clocks_tell = proof.own_tid == (int)raw_syscall(SYS_gettid);
    read_own();
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
    if ((int)raw_syscall(SYS_gettid) != atomic_load(&life->watchdog_tid))
        return true;
    if (proof.lost || atomic_load(&life->stop))
        return false;
    uint64_t begin = clock_monotonic_ns();
    bool in_doubt = begin < atomic_load(&life->doubted_until);
    if (!in_doubt && begin < proof.good_until)
        return true;
    if (!in_doubt && covering_has_not_run()) {
        proof.good_until = begin + CLOCK_GOOD_FOR_NS;
        proof.proven_at = begin;
        return true;
    }
    if (!is_covered(begin) && !(read_own() && is_covered(begin))) {
        proof.unreadable = !proof.own_known;
        proof.lost = true;
        return false;
    }
    uint64_t end = clock_monotonic_ns();
    uint64_t good_for = (end - begin) * GOOD_FOR;
    proof.good_until = end + (good_for < GOOD_FOR_NS ? good_for : GOOD_FOR_NS);
    proof.proven_at = end;
    return true;
}

bool rights_stand(uint64_t now)
{
    enum { STANDS_FOR_NS = 500 * NS_PER_MS };
    if (proof.lost || atomic_load(&life->stop))
        return false;
    if (now < atomic_load(&life->doubted_until) || now - proof.proven_at >= STANDS_FOR_NS)
        return rights_hold();
    return true;
}
