// SPDX-License-Identifier: MIT
/*
 * Opening a FIFO for writing waits until somebody opens it for reading: `echo x >fifo` of a shell
 * whose reader has died waits for ever. Nothing is recorded here; a watchdog is started if what is
 * opened is a FIFO, and finds the wait in /proc (graph/finding_unopened.c). To open one for reading
 * is how a server waits for its clients, and is left alone.
 *
 * Only an open for writing alone is looked at, and only as long as there is no watchdog: one
 * fstatat() more, beside an open that takes three times as long.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/raw_syscall.h"
#include "doors/claim.h"
#include "doors/door.h"
#include "doors/real.h"
#include "kernel/inherited_filter.h"
#include "process/life.h"

struct opening {
    int folder;
    const char *path;
};

static bool is_of_fifo(const void *context)
{
    const struct opening *opening = context;
    struct stat file;
    return raw_syscall(SYS_newfstatat, opening->folder, opening->path, &file, 0) == 0 &&
           S_ISFIFO(file.st_mode);
}

/* Asked once: it takes ten times as long as an open. What the program itself installs passes the
 * doors of sandbox_doors.c, and the library begins there. */
static bool filters_permit(void)
{
    static _Atomic bool known; /* child: kept, it has the same filters */
    if (!atomic_load_explicit(&known, memory_order_relaxed) &&
        inherited_filter_read().verdict == FILTER_PERMITS)
        atomic_store_explicit(&known, true, memory_order_relaxed);
    return atomic_load_explicit(&known, memory_order_relaxed);
}

/* Before the library has begun it may make no call that an unknown filter could kill for, and need
 * not begin for a file. */
static bool may_be_of_fifo(const struct opening *opening)
{
    return !life_is_postponed() || (filters_permit() && is_of_fifo(opening));
}

static __attribute__((noinline)) void before_writing(int folder, const char *path)
{
    struct opening opening = {folder, path};
    if (!life_is_inert() && atomic_load(&life->thread_state) == THREAD_NONE &&
        may_be_of_fifo(&opening))
        watchdog_claim(is_of_fifo, &opening);
}

static inline void before_open(int folder, const char *path, int flags)
{
    if (__builtin_expect((flags & (O_ACCMODE | O_NONBLOCK | O_PATH)) == O_WRONLY, 0))
        before_writing(folder, path);
}

/* "w", "a" and what may follow, but for the "+" of both ways. */
static inline void before_fopen(const char *path, const char *mode)
{
    if ((mode[0] == 'w' || mode[0] == 'a') && mode[1] != '+' && (!mode[1] || mode[2] != '+'))
        before_writing(AT_FDCWD, path);
}

/* Variadic as fcntl() is: doors/nonblocking_doors.c. */
#define OPENING(name)                                                                              \
    DOOR(int, name, (const char *path, int flags, mode_t mode))                                    \
    {                                                                                              \
        BOUND(name);                                                                               \
        before_open(AT_FDCWD, path, flags);                                                        \
        return real_##name(path, flags, mode);                                                     \
    }                                                                                              \
    DOOR(int, __##name##_2, (const char *path, int flags))                                         \
    {                                                                                              \
        BOUND(__##name##_2);                                                                       \
        before_open(AT_FDCWD, path, flags);                                                        \
        return real___##name##_2(path, flags);                                                     \
    }

OPENING(open)
OPENING(open64)

#define OPENING_AT(name)                                                                           \
    DOOR(int, name, (int folder, const char *path, int flags, mode_t mode))                        \
    {                                                                                              \
        BOUND(name);                                                                               \
        before_open(folder, path, flags);                                                          \
        return real_##name(folder, path, flags, mode);                                             \
    }                                                                                              \
    DOOR(int, __##name##_2, (int folder, const char *path, int flags))                             \
    {                                                                                              \
        BOUND(__##name##_2);                                                                       \
        before_open(folder, path, flags);                                                          \
        return real___##name##_2(folder, path, flags);                                             \
    }

OPENING_AT(openat)
OPENING_AT(openat64)

#define CREATING(name)                                                                             \
    DOOR(int, name, (const char *path, mode_t mode))                                               \
    {                                                                                              \
        BOUND(name);                                                                               \
        before_writing(AT_FDCWD, path);                                                            \
        return real_##name(path, mode);                                                            \
    }

CREATING(creat)
CREATING(creat64)

#define OPENING_FILE(name)                                                                         \
    DOOR(FILE *, name, (const char *path, const char *mode))                                       \
    {                                                                                              \
        BOUND(name);                                                                               \
        before_fopen(path, mode);                                                                  \
        return real_##name(path, mode);                                                            \
    }

OPENING_FILE(fopen)
OPENING_FILE(fopen64)
