// SPDX-License-Identifier: MIT
#include "drain/send_order.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "drain/rights.h"

/* Who makes more locks than that is no helper, and order behind it is not promised. */
enum { QUESTIONS = 256 };

static const int64_t last_byte = INT64_MAX;

/* A lock of another process in [from, to], the lowest; false: there is none. The kernel names any
 * of them, so it is asked again for what lies before. */
static bool lowest_lock(int fd, int64_t from, int64_t to, int *questions, struct flock *lowest)
{
    bool found = false;
    while (from <= to && --*questions >= 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_start = from};
        lock.l_len = to == last_byte ? 0 : to - from + 1;
        if (raw_syscall(SYS_fcntl, fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
            break;
        *lowest = lock;
        found = true;
        to = lock.l_start - 1;
    }
    return found;
}

/* The place of one that is waited for. */
struct place {
    int64_t first, last; /* one byte, if it is a helper's */
    int pid;
};

/* The lowest in [from, to]; false: there is none. */
static bool place_between(int fd, int64_t from, int64_t to, struct place *place)
{
    int questions = QUESTIONS;
    struct flock lock;
    while (lowest_lock(fd, from, to, &questions, &lock)) {
        *place = (struct place){lock.l_start, last_byte, lock.l_pid};
        if (lock.l_len != 0 && lock.l_start <= last_byte - lock.l_len)
            place->last = lock.l_start + lock.l_len - 1;
        if (rights_include_ours(place->pid))
            return true;
        if (place->last == last_byte)
            break;
        from = place->last + 1;
    }
    return false;
}

bool send_order_is_taken(int fd)
{
    struct place place;
    return place_between(fd, 0, last_byte, &place);
}

bool send_order_is_wanted(int fd, int64_t ticket)
{
    struct place place;
    return ticket != SEND_ORDER_NONE && place_between(fd, ticket + 1, last_byte, &place);
}

int64_t send_order_draw(int fd)
{
    enum { TRIES = 64 };
    int64_t next = 0;
    for (int tries = 0; tries < TRIES; tries++) {
        struct place place;
        while (place_between(fd, next, last_byte, &place)) {
            if (place.last == last_byte)
                return SEND_ORDER_NONE;
            next = place.last + 1;
        }
        struct flock lock = {.l_type = F_WRLCK, .l_start = next, .l_len = 1};
        long result = raw_syscall(SYS_fcntl, fd, F_SETLK, &lock);
        if (result == 0)
            return next;
        if (result != -EAGAIN && result != -EACCES)
            break;
        next++; /* another helper was faster, or a stranger has it */
    }
    return SEND_ORDER_NONE;
}

/* Until the process ends, or a while. */
static void wait_for(int fd, const struct place *place)
{
    enum { RETRY_NS = NS_PER_MS };
    struct timespec moment = {0, RETRY_NS};
    struct timespec while_it_lives = {1, 0};
    struct place now;
    struct pollfd ended = {(int)raw_syscall(SYS_pidfd_open, place->pid, 0), POLLIN, 0};
    /* Is it still the same, now that its number cannot be given to another? */
    if (ended.fd >= 0 && place_between(fd, place->first, place->first, &now) &&
        now.pid == place->pid)
        raw_syscall(SYS_ppoll, &ended, 1, &while_it_lives, 0, 8);
    else if (ended.fd < 0)
        raw_syscall(SYS_nanosleep, &moment, 0);
    if (ended.fd >= 0)
        raw_syscall(SYS_close, ended.fd);
}

bool send_order_wait(int fd, int64_t ticket, const _Atomic uint32_t *stop)
{
    struct place place;
    while (ticket > 0 && place_between(fd, 0, ticket - 1, &place)) {
        if (atomic_load_explicit(stop, memory_order_relaxed))
            return false;
        wait_for(fd, &place);
    }
    return true;
}
