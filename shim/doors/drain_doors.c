// SPDX-License-Identifier: MIT
#include "doors/drain_doors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "base/newer_libc.h"
#include "base/raw_syscall.h"
#include "doors/real.h"
#include "drain/descriptor.h"
#include "drain/direct.h"
#include "drain/drain.h"
#include "drain/headroom.h"
#include "drain/quick_write.h"
#include "process/life.h"
#include "report/reporter.h"
#include "slots/slot.h"
#include "watch/drain_watch.h"

/* The functions that were real before the drainer stood in front of them.
 * child: constant */
static ssize_t (*next_write)(int, const void *, size_t);
static ssize_t (*next_writev)(int, const struct iovec *, int);
static ssize_t (*next_pwritev2)(int, const struct iovec *, int, off_t, int);
static ssize_t (*next_pwritev64v2)(int, const struct iovec *, int, off64_t, int);
static ssize_t (*next_send)(int, const void *, size_t, int);
static ssize_t (*next_sendto)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
static ssize_t (*next_sendmsg)(int, const struct msghdr *, int);
static int (*next_sendmmsg)(int, struct mmsghdr *, unsigned, int);
static ssize_t (*next_sendfile)(int, int, off_t *, size_t);
static ssize_t (*next_sendfile64)(int, int, off64_t *, size_t);
static ssize_t (*next_splice)(int, off64_t *, int, off64_t *, size_t, unsigned);
static ssize_t (*next_tee)(int, int, size_t, unsigned);
static ssize_t (*next_vmsplice)(int, const struct iovec *, size_t, unsigned);
static int (*next_pclose)(FILE *);

static __attribute__((noinline)) bool drained(int fd, const struct iovec *vector, int count,
                                              bool ours, long tried, ssize_t *result)
{
    if (tried < 0 && !drain_wants(fd))
        return false;
    /* The raw calls behind this are no cancellation points, and write() is one. */
    if (!is_single_threaded())
        cancellation_point();
    ssize_t outcome = drain_write(fd, vector, count, ours, tried);
    if (outcome == DRAIN_PASS)
        return false;
    if (outcome < 0) {
        errno = (int)-outcome;
        outcome = -1;
    }
    *result = outcome;
    return true;
}

bool drain_doors_stdio(int fd, const void *data, size_t size, ssize_t *result)
{
    struct iovec one = {(void *)data, size};
    if (!drain_enabled)
        return false;
    if (quick_write(fd, data, size)) {
        *result = (ssize_t)size;
        return true;
    }
    return !headroom_ask(fd, size) && drained(fd, &one, 1, true, DIRECT_NOT_TRIED, result);
}

static __attribute__((noinline)) ssize_t write_or_queue(int fd, const void *buffer, size_t size,
                                                        long tried)
{
    struct iovec one = {(void *)buffer, size};
    ssize_t result;
    return drained(fd, &one, 1, true, tried, &result) ? result : next_write(fd, buffer, size);
}

static __attribute__((noinline)) ssize_t tested_write(int fd, const void *buffer, size_t size)
{
    if (headroom_ask(fd, size))
        return next_write(fd, buffer, size);
    long tried = headroom_is_direct(fd) ? direct_try(fd, buffer, size) : DIRECT_NOT_TRIED;
    return tried >= 0 && (size_t)tried == size ? tried : write_or_queue(fd, buffer, size, tried);
}

static __attribute__((noinline)) ssize_t queue_or_ask(int fd, const void *buffer, size_t size)
{
    return quick_write(fd, buffer, size) ? (ssize_t)size
                                         : write_or_queue(fd, buffer, size, DIRECT_NOT_TRIED);
}

/* All calls are the last thing that is done (see the Makefile): the processor foretells no return
 * from behind a system call. */
static ssize_t drained_write(int fd, const void *buffer, size_t size)
{
    if (!headroom_is_direct(fd)) /* as while something is queued */
        return queue_or_ask(fd, buffer, size);
    return __builtin_expect(headroom_take_direct(fd, size), 1) ? next_write(fd, buffer, size)
                                                               : tested_write(fd, buffer, size);
}

static ssize_t drained_writev(int fd, const struct iovec *vector, int count)
{
    ssize_t result;
    if (count > 0 && drained(fd, vector, count, false, DIRECT_NOT_TRIED, &result))
        return result;
    return next_writev(fd, vector, count);
}

/* Calls that are not queued wait until what is queued has gone; those that must not wait fail as
 * they do when there is no room. */
static bool may_pass(int fd, bool waits)
{
    enum drain_wait wait = waits ? DRAIN_WAIT_LIKE_WRITE : DRAIN_DONT_WAIT;
    int result = drain_wants(fd) ? drain_flush(fd, wait) : 0;
    if (result != 0)
        errno = -result;
    return result == 0;
}

static ssize_t drained_pwritev64v2(int fd, const struct iovec *vector, int count, off64_t offset,
                                   int flags)
{
    ssize_t result;
    if (offset == -1 && flags == 0 && count > 0 &&
        drained(fd, vector, count, false, DIRECT_NOT_TRIED, &result))
        return result;
    return may_pass(fd, !(flags & RWF_NOWAIT)) ? next_pwritev64v2(fd, vector, count, offset, flags)
                                               : -1;
}

static ssize_t drained_pwritev2(int fd, const struct iovec *vector, int count, off_t offset,
                                int flags)
{
    ssize_t result;
    if (offset == -1 && flags == 0 && count > 0 &&
        drained(fd, vector, count, false, DIRECT_NOT_TRIED, &result))
        return result;
    return may_pass(fd, !(flags & RWF_NOWAIT)) ? next_pwritev2(fd, vector, count, offset, flags)
                                               : -1;
}

static ssize_t drained_send(int fd, const void *buffer, size_t size, int flags)
{
    return may_pass(fd, !(flags & MSG_DONTWAIT)) ? next_send(fd, buffer, size, flags) : -1;
}

static ssize_t drained_sendto(int fd, const void *buffer, size_t size, int flags,
                              const struct sockaddr *address, socklen_t length)
{
    return may_pass(fd, !(flags & MSG_DONTWAIT))
               ? next_sendto(fd, buffer, size, flags, address, length)
               : -1;
}

static ssize_t drained_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return may_pass(fd, !(flags & MSG_DONTWAIT)) ? next_sendmsg(fd, message, flags) : -1;
}

static int drained_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return may_pass(fd, !(flags & MSG_DONTWAIT)) ? next_sendmmsg(fd, messages, count, flags) : -1;
}

static ssize_t drained_sendfile(int out, int in, off_t *offset, size_t size)
{
    return may_pass(out, true) ? next_sendfile(out, in, offset, size) : -1;
}

static ssize_t drained_sendfile64(int out, int in, off64_t *offset, size_t size)
{
    return may_pass(out, true) ? next_sendfile64(out, in, offset, size) : -1;
}

static ssize_t drained_splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t size,
                              unsigned flags)
{
    return may_pass(out, !(flags & SPLICE_F_NONBLOCK))
               ? next_splice(in, in_offset, out, out_offset, size, flags)
               : -1;
}

static ssize_t drained_tee(int in, int out, size_t size, unsigned flags)
{
    return may_pass(out, !(flags & SPLICE_F_NONBLOCK)) ? next_tee(in, out, size, flags) : -1;
}

static ssize_t drained_vmsplice(int fd, const struct iovec *vector, size_t count, unsigned flags)
{
    return may_pass(fd, !(flags & SPLICE_F_NONBLOCK)) ? next_vmsplice(fd, vector, count, flags)
                                                      : -1;
}

/* Of a popen(…, "w"): it closes the program's fd inside. */
static int drained_pclose(FILE *stream)
{
    unsigned fd = (unsigned)stream->_fileno;
    descriptor_changes(fd, fd);
    int result = next_pclose(stream);
    descriptor_changed(fd, fd);
    descriptor_child_ended();
    return result;
}

/* Waits for children: one that ended may have left a helper of its own behind. */
#define REAPING(type, name, parameters, arguments)                                                 \
    static type(*next_##name) parameters; /* child: constant */                                    \
    static type drained_##name parameters                                                          \
    {                                                                                              \
        type result = next_##name arguments;                                                       \
        descriptor_child_ended();                                                                  \
        return result;                                                                             \
    }

REAPING(pid_t, wait, (int *status), (status))
REAPING(pid_t, waitpid, (pid_t pid, int *status, int flags), (pid, status, flags))
REAPING(pid_t, wait3, (int *status, int flags, struct rusage *usage), (status, flags, usage))
REAPING(pid_t, wait4, (pid_t pid, int *status, int flags, struct rusage *usage),
        (pid, status, flags, usage))
REAPING(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int flags), (type, id, info, flags))
REAPING(int, system, (const char *command), (command))

/* A thread that resolves the pointer just then may store what is behind us. */
#define INSTALL(name)                                                                              \
    do {                                                                                           \
        next_##name = (__typeof__(next_##name))real_function(#name);                               \
        __atomic_store_n(&real_##name, drained_##name, __ATOMIC_RELEASE);                          \
    } while (0)

static struct drain_options options_for(const char *fds)
{
    return (struct drain_options){
        .fds = fds,
        .write_behind_mode = settings.number[SETTING_DRAIN_MODE] == 1,
        .max = settings.number[SETTING_DRAIN_MAX],
        .overflow = (enum drain_overflow)settings.number[SETTING_DRAIN_OVERFLOW],
        .exit_ns = settings.number[SETTING_DRAIN_EXIT],
        .grow = settings.number[SETTING_GROW],
    };
}

static void install_all(void)
{
    INSTALL(write);
    INSTALL(writev);
    INSTALL(pwritev2);
    INSTALL(pwritev64v2);
    INSTALL(send);
    INSTALL(sendto);
    INSTALL(sendmsg);
    INSTALL(sendmmsg);
    INSTALL(sendfile);
    INSTALL(sendfile64);
    INSTALL(splice);
    INSTALL(tee);
    INSTALL(vmsplice);
    INSTALL(pclose);
    INSTALL(wait);
    INSTALL(waitpid);
    INSTALL(wait3);
    INSTALL(wait4);
    INSTALL(waitid);
    INSTALL(system);
}

void drain_doors_install(void)
{
    struct drain_options options = options_for(settings.text[SETTING_DRAIN]);
    if (drain_init(&options)) {
        drain_watch_prepare();
        install_all();
    } else if (options.fds[0] && strcmp(options.fds, "off") != 0) {
        report_line("no memory for the drainer's queue (RLIMIT_AS?): nothing is drained");
    }
}

static _Atomic unsigned late_looks; /* child: kept, its pointers are ours */

static bool begin_late(const char *fds)
{
    enum { LOOKS = 100 };
    struct drain_options options = options_for(fds);
    if (!drain_begin(&options))
        return false;
    drain_watch_prepare();
    install_all();
    slots_reset(); /* from now on each call marks its end (doors/claim.c) */
    atomic_store(&late_looks, LOOKS);
    return true;
}

bool drain_doors_switch(const char *fds)
{
    if (!drain_enabled && strcmp(fds, "off") != 0 && !begin_late(fds))
        return false;
    drain_name(fds);
    return true;
}

bool drain_doors_switch_one(int fd, bool on)
{
    if (!on || drain_enabled || begin_late("off"))
        return drain_name_one(fd, on);
    return false;
}

void drain_doors_look(void)
{
    if (atomic_load_explicit(&late_looks, memory_order_relaxed) == 0)
        return;
    atomic_fetch_sub(&late_looks, 1);
    install_all();
}

/* A vfork child has its parent's memory: what is queued is its parent's to wait for. */
void drain_doors_finish(bool exits)
{
    if (!drain_enabled)
        return;
    if (atomic_load(&life->pid) != (int32_t)raw_syscall(SYS_getpid))
        descriptor_child_leaves();
    else if (drain_finish(exits))
        drain_watch_end(exits);
}
