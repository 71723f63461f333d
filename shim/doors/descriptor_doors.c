// SPDX-License-Identifier: MIT
/*
 * What makes a descriptor another one: the drainer remembers which pipe an fd is. What libc closes
 * inside is here too where it may be an fd of the program's (fclose, freopen, daemon, login_tty); a
 * posix_spawn child changes its own table only. Without PIPESHIM_DRAIN each is a test and a jump.
 * Before the library has begun (watch/late_start.h) it is noted when fd 2 is no longer the stderr
 * that the program was started with.
 */
#include <stdio.h>
#include <sys/prctl.h>

#include "base/raw_syscall.h"
#include "base/ticks.h"
#include "doors/door.h"
#include "doors/drain_doors.h"
#include "doors/mapping_doors.h"
#include "doors/real.h"
#include "drain/descriptor.h"
#include "drain/drain.h"
#include "process/life.h"
#include "process/own_streams.h"
#include "report/log.h"
#include "watch/child.h"
#include "watch/finish.h"

/* A vfork child has its parent's memory, and descriptors of its own. Inert, nobody asks later. */
static void replace_stdio(unsigned first, unsigned last)
{
    int pid = atomic_load(&life->pid);
    if (!life_is_inert() && (pid == 0 || pid == (int)raw_syscall(SYS_getpid)))
        own_streams_replaced(first, last);
}

static void before_change(unsigned first, unsigned last)
{
    (void)first;
    (void)last;
}

#define CHANGING(before, type, name, parameters, arguments, first, last)                           \
    DOOR(type, name, parameters)                                                                   \
    {                                                                                              \
        BOUND(name);                                                                               \
        unsigned from = (unsigned)(first);                                                         \
        unsigned to = (unsigned)(last);                                                            \
        before(from, to);                                                                          \
        if (__builtin_expect(from <= 2, 0))                                                        \
            replace_stdio(from, to);                                                               \
        if (__builtin_expect(!drain_enabled && !life_is_postponed(), 1))                           \
            return real_##name arguments;                                                          \
        if (!drain_enabled) {                                                                      \
            log_forget_stderr(from, to);                                                           \
            return real_##name arguments;                                                          \
        }                                                                                          \
        descriptor_changes(from, to);                                                              \
        type result = real_##name arguments;                                                       \
        descriptor_changed(from, to);                                                              \
        return result;                                                                             \
    }

CHANGING(life_before_close, int, close, (int fd), (fd), fd, fd)
CHANGING(before_change, int, dup2, (int old, int new), (old, new), new, new)
CHANGING(before_change, int, dup3, (int old, int new, int flags), (old, new, flags), new, new)
CHANGING(life_before_close, int, close_range, (unsigned first, unsigned last, int flags),
         (first, last, flags), first, last)
CHANGING(life_before_close, int, fclose, (FILE * stream), (stream), stream->_fileno,
         stream->_fileno)
CHANGING(before_change, FILE *, freopen, (const char *path, const char *mode, FILE *stream),
         (path, mode, stream), stream->_fileno, stream->_fileno)
CHANGING(before_change, FILE *, freopen64, (const char *path, const char *mode, FILE *stream),
         (path, mode, stream), stream->_fileno, stream->_fileno)
CHANGING(before_change, int, daemon, (int stay, int keep), (stay, keep), 0, 2)
CHANGING(before_change, int, login_tty, (int fd), (fd), 0, 2)

DOOR(void, closefrom, (int first))
{
    BOUND(closefrom);
    life_before_close((unsigned)first, ~0U);
    replace_stdio((unsigned)first, ~0U);
    if (life_is_postponed())
        log_forget_stderr((unsigned)first, ~0U);
    bool remembers = drain_enabled; /* it may begin meanwhile */
    if (remembers)
        descriptor_changes((unsigned)first, ~0U);
    real_closefrom(first);
    if (remembers)
        descriptor_changed((unsigned)first, ~0U);
}

/* The helper could not send after it. */
DOOR(int, shutdown, (int fd, int how))
{
    BOUND(shutdown);
    if (drain_wants(fd) && how != SHUT_RD)
        drain_flush(fd, DRAIN_WAIT_TO_THE_END);
    return real_shutdown(fd, how);
}

/* Called by the assembler of syscall(), doors/control.c, while something may be drained. */
__attribute__((used, visibility("hidden"))) void syscall_before_drained(long number, long a, long b,
                                                                        long c, long d)
{
    switch (number) {
    case SYS_close:
        descriptor_forget((unsigned)a, (unsigned)a);
        break;
#ifdef SYS_dup2
    case SYS_dup2:
#endif
    case SYS_dup3:
        descriptor_forget((unsigned)b, (unsigned)b);
        break;
    case SYS_close_range:
        descriptor_forget((unsigned)a, (unsigned)b);
        break;
    case SYS_write:
    case SYS_writev:
        if (drain_wants((int)a))
            drain_flush((int)a, DRAIN_WAIT_TO_THE_END);
        break;
    case SYS_prctl:
        if (a == PR_SET_TSC && b == PR_TSC_SIGSEGV)
            ticks_are_forbidden = true;
        break;
    default:
        mapping_doors_syscall(number, c, d);
        break;
    }
}
