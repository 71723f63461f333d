// SPDX-License-Identifier: MIT
#include "process/pairs.h"

#include <stdint.h>
#include <sys/stat.h>

#include "base/raw_syscall.h"

/* One word a pair, so that it needs no lock: both descriptors, plus one so that 0 means none. A
 * child starts with none (the memory is wiped), which is right: it did not make them. */
void pairs_remember(const int ends[2])
{
    uint32_t at = atomic_fetch_add_explicit(&life->pairs_made, 1, memory_order_relaxed);
    uint64_t pair = ((uint64_t)(uint32_t)ends[0] << 32 | (uint32_t)ends[1]) + 1;
    atomic_store_explicit(&life->pairs[at % PAIRS_REMEMBERED], pair, memory_order_relaxed);
}

void pairs_note_fed(int fd)
{
    struct stat status;
    for (unsigned i = 0; i < PAIRS_REMEMBERED; i++) {
        uint64_t pair = atomic_load_explicit(&life->pairs[i], memory_order_relaxed);
        if (pair == 0 || (int)((pair - 1) & UINT32_MAX) != fd)
            continue;
        if (raw_syscall(SYS_fstat, fd, &status) == 0)
            atomic_store(&life->fed_pipe, (uint64_t)status.st_ino);
        return;
    }
}

/* The kind and inode of a descriptor; false: it is closed. */
static bool describe(int fd, struct stat *status)
{
    return raw_syscall(SYS_fstat, fd, status) == 0;
}

/* Both ends of a pipe are one file. Of two sockets it is not known whether they are a pair; a
 * number that something else has now belongs to none. */
static bool are_both_ends(const struct stat *a, const struct stat *b)
{
    if (S_ISSOCK(a->st_mode) && S_ISSOCK(b->st_mode))
        return true;
    return S_ISFIFO(a->st_mode) && a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static enum other_end ask_each(const int ends[2], enum other_end (*ask)(int held),
                               enum other_end (*ask_both)(const int ends[2]))
{
    struct stat status[2];
    enum other_end answer = END_OF_NOBODY;
    bool is_open[2] = {describe(ends[0], &status[0]), describe(ends[1], &status[1])};
    if (is_open[0] && is_open[1] && are_both_ends(&status[0], &status[1]))
        return ask_both(ends);
    for (unsigned i = 0; i < 2 && answer != END_OF_OTHERS; i++) {
        if (!is_open[i] || !(S_ISFIFO(status[i].st_mode) || S_ISSOCK(status[i].st_mode)))
            continue;
        enum other_end other = ask(ends[i]);
        answer = other == END_OF_NOBODY ? answer : other;
    }
    return answer;
}

bool pairs_reach_others(enum other_end (*ask)(int held),
                        enum other_end (*ask_both)(const int ends[2]))
{
    for (unsigned i = 0; i < PAIRS_REMEMBERED; i++) {
        uint64_t pair = atomic_load_explicit(&life->pairs[i], memory_order_relaxed);
        if (pair == 0)
            continue;
        const int ends[2] = {(int)((pair - 1) >> 32), (int)((pair - 1) & UINT32_MAX)};
        enum other_end other = ask_each(ends, ask, ask_both);
        if (other == END_OF_OTHERS)
            return true;
        if (other == END_OF_NOBODY)
            atomic_compare_exchange_strong(&life->pairs[i], &pair, 0);
    }
    return false;
}
