// SPDX-License-Identifier: MIT
#include "watch/action_drain.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "drain/descriptor.h"
#include "drain/drain.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_reader.h"
#include "kernel/rights.h"
#include "kernel/task.h"
#include "process/filters.h"
#include "process/life.h"
#include "report/reporter.h"
#include "slots/slot.h"
#include "watch/context.h"
#include "watch/live_settings.h"

enum {
    LIMIT = 8,
    WHILE_GROWING_NS = 10 * NS_PER_MS, /* for a writer that was woken to come round */
    WHILE_ON_NS = 200 * NS_PER_MS,
    LOOKS_BEFORE_GROWTH = 3,
    /* One that has run for so long has left a call whose end it does not mark. */
    LOOKS_AT_A_RUNNER = 10,
};

enum phase { FREE, FREEING, ON };

/* child: kept, begin_in_child() says what of it counts */
static struct drained {
    enum phase phase;
    int fd, tid;
    uint64_t ref;
    uint64_t device, inode;
    bool is_socket;
    int64_t before, now; /* the pipe's capacity; of a socket the memory that it sends from */
    unsigned looks;      /* since it was made larger */
    unsigned moves;      /* looks in a row at which a writer ran */
} drained[LIMIT];

void action_drain_begin_in_child(void)
{
    for (unsigned i = 0; i < LIMIT; i++) {
        drained[i].ref = 0;
        if (drained[i].phase == FREEING)
            drained[i].phase = ON;
    }
}

static void say(const struct drained *of, const char *result)
{
    report_action("drain", of->ref, result, of->tid);
}

/* The program's descriptor, if it is that pipe still; for the caller to close. -1: it is not. */
static long borrow(const struct drained *of)
{
    struct stat file = {0};
    long fd = borrowed_fd(atomic_load(&life->pid), of->fd);
    if (fd < 0)
        return -1;
    if (raw_syscall(SYS_fstat, fd, &file) == 0 && file.st_dev == of->device &&
        file.st_ino == of->inode)
        return fd;
    raw_syscall(SYS_close, fd);
    return -1;
}

static bool is_write(long number)
{
    return number == SYS_write || number == SYS_writev || number == SYS_pwritev2;
}

/* What the threads do that write to the descriptor: one that has just been woken copies its bytes,
 * and sleeps again, or returns. */
enum progress { GONE_ON, MOVES, STUCK };

static enum progress progress_of(const struct drained *of)
{
    enum progress progress = GONE_ON;
    unsigned bound = slot_bound();
    for (unsigned index = 0; index < bound; index++) {
        struct slot *slot = slot_at(index);
        if (!slot || slot->tid == 0)
            continue;
        struct task_call call = task_read_call(slot->tid);
        if (call.status == TASK_IN_CALL && is_write(call.number) &&
            (int)call.arguments[0] == of->fd)
            return STUCK;
        if (call.status == TASK_RUNNING && slot->fd == of->fd &&
            (atomic_load_explicit(&slot->sequence, memory_order_acquire) & 1) &&
            !(slot_end_is_unmarked(slot) && of->moves == LOOKS_AT_A_RUNNER))
            progress = MOVES;
    }
    return progress;
}

/* Not under a filter, which the program may have installed for what it does itself. */
static int64_t socket_option(long fd, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    if (filters_known() > 0)
        return -1;
    return raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/* What the kernel makes of it is twice as much (socket(7)). Without CAP_NET_ADMIN it makes less of
 * it than was there, where the program had more than net.core.wmem_max: so only up to what that is
 * everywhere. */
static void set_send_buffer(long fd, int64_t bytes)
{
    enum { WMEM_MAX = 212992 };
    int value = (int)(bytes / 2);
    if (filters_known() > 0)
        return;
    if (raw_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUFFORCE, &value, sizeof value) != 0 &&
        value <= WMEM_MAX)
        raw_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof value);
}

/* NULL: it can be drained. */
static const char *why_not(struct drained *of)
{
    struct stat file = {0};
    if (drain_enabled && descriptor_named(of->fd))
        return "PIPESHIM_DRAIN drains it already; nothing was done";
    if (of->fd >= DESCRIPTOR_LIMIT)
        return "the number of its descriptor is too high (1024); nothing was done";
    if (!(context_permitted_access() & ACCESS_BORROW))
        return "a seccomp filter of the program forbids to look at its descriptor; nothing was "
               "done";
    long fd = borrowed_fd(atomic_load(&life->pid), of->fd);
    if (fd < 0)
        return "its descriptor may not be looked at; nothing was done";
    bool known = raw_syscall(SYS_fstat, fd, &file) == 0;
    long flags = raw_syscall(SYS_fcntl, fd, F_GETFL, 0);
    of->is_socket = known && S_ISSOCK(file.st_mode);
    bool local = of->is_socket && socket_option(fd, SO_DOMAIN) == AF_UNIX &&
                 socket_option(fd, SO_TYPE) == SOCK_STREAM;
    of->before = of->now =
        of->is_socket ? socket_option(fd, SO_SNDBUF) : raw_syscall(SYS_fcntl, fd, F_GETPIPE_SZ);
    of->device = file.st_dev;
    of->inode = file.st_ino;
    raw_syscall(SYS_close, fd);
    if (!known || (!local && !S_ISFIFO(file.st_mode)))
        return "it waits for neither a pipe nor a stream socket of this host (AF_UNIX), or a "
               "seccomp filter forbids to ask; nothing was done";
    if (!of->is_socket && (flags & O_DIRECT))
        return "it is a pipe of packets (O_DIRECT), which a queue would merge; nothing was done";
    return NULL;
}

static struct drained *take_place(void)
{
    for (unsigned i = 0; i < LIMIT; i++)
        if (drained[i].phase == FREE)
            return &drained[i];
    return NULL;
}

static bool is_begun(int fd)
{
    for (unsigned i = 0; i < LIMIT; i++)
        if (drained[i].phase != FREE && drained[i].fd == fd)
            return true;
    return false;
}

void action_drain_begin(int fd, int tid, uint64_t ref)
{
    struct drained *of = take_place();
    struct drained refused = {.fd = fd, .tid = tid, .ref = ref};
    if (is_begun(fd))
        return;
    if (!of) {
        say(&refused, "more descriptors than 8 are drained by proof; nothing was done");
        return;
    }
    *of = refused;
    const char *why = why_not(of);
    if (why || !live_settings_drain_one(fd, true, &why)) {
        say(of, why);
        return;
    }
    of->phase = FREEING;
}

/* Off, with one word why. */
static void end(struct drained *of, const char *result)
{
    const char *why;
    live_settings_drain_one(of->fd, false, &why);
    say(of, result);
    of->phase = FREE;
}

static const char *words(char *memory, size_t size, const char *format, const struct drained *of)
{
    struct text_buffer text;
    text_init(&text, memory, size);
    text_format(&text, format, of->fd, (long)of->before, (long)of->now);
    return memory;
}

/* The pipe twice as large, up to what may be queued. False: the kernel refuses (pipe(7):
 * pipe-max-size, pipe-user-pages-soft; socket(7): wmem_max), or it is as large as that. A socket's
 * writer is woken when a quarter of its memory is used, no more. */
static bool grow(struct drained *of, long fd)
{
    if ((uint64_t)of->now >= settings.number[SETTING_DRAIN_MAX])
        return false;
    int64_t made;
    if (of->is_socket) {
        set_send_buffer(fd, 2 * of->now);
        made = socket_option(fd, SO_SNDBUF);
    } else {
        made = raw_syscall(SYS_fcntl, fd, F_SETPIPE_SZ, 2 * of->now);
    }
    if (made <= of->now)
        return false;
    of->now = made;
    return true;
}

static void restore_size(const struct drained *of, long fd)
{
    if (of->now > of->before && of->is_socket)
        set_send_buffer(fd, of->before);
    else if (of->now > of->before)
        raw_syscall(SYS_fcntl, fd, F_SETPIPE_SZ, of->before);
}

static void let_go(struct drained *of, long fd)
{
    char memory[384];
    enum progress progress = progress_of(of);
    if (progress == MOVES) {
        of->moves += of->moves < LOOKS_AT_A_RUNNER;
        return;
    }
    of->moves = 0;
    if (progress == GONE_ON) {
        of->phase = ON;
        say(of, words(memory, sizeof memory,
                      of->now > of->before && of->is_socket
                          ? "fd %d: its write went on, for the socket was given more memory, %ld "
                            "to %ld bytes; it is drained until its reader is back"
                      : of->now > of->before
                          ? "fd %d: its write went on, for the pipe was made larger, from %ld to "
                            "%ld bytes; it is drained until its reader is back"
                          : "fd %d is drained until its reader is back; its write went on by "
                            "itself",
                      of));
    } else if (of->looks++ < LOOKS_BEFORE_GROWTH && of->looks > 1) {
        return;
    } else if (grow(of, fd)) {
        of->looks = 1;
    } else if (of->is_socket) {
        restore_size(of, fd);
        end(of,
            words(memory, sizeof memory,
                  "fd %d: its write goes on when its socket's memory of %ld bytes is four times "
                  "as much and it fits, which the kernel refuses (%ld: net.core.wmem_max without "
                  "CAP_NET_ADMIN, PIPESHIM_DRAIN_MAX); nothing is drained. `pipeshim rescue` can "
                  "take what nobody reads",
                  of));
    } else {
        end(of, words(memory, sizeof memory,
                      "fd %d: its write needs more than the pipe of %ld bytes can be made to hold "
                      "(%ld: fs.pipe-max-size, PIPESHIM_DRAIN_MAX); nothing is drained. `pipeshim "
                      "rescue` can take what nobody reads",
                      of));
    }
}

/* Its reader is back when all that was queued is in the pipe, and of the pipe half at least of what
 * it held before is free: it is as it was. */
static void see_whether_reader_is_back(struct drained *of, long fd)
{
    char memory[160];
    int used = INT32_MAX;
    raw_syscall(SYS_ioctl, fd, of->is_socket ? TIOCOUTQ : FIONREAD, &used);
    if (drain_has_queued(of->device, of->inode) || used > of->before / 2)
        return;
    restore_size(of, fd);
    end(of, words(memory, sizeof memory, "fd %d: its reader is back; it is drained no more", of));
}

static void look_at(struct drained *of)
{
    long fd = borrow(of);
    if (fd < 0) {
        end(of, "the descriptor is another one now; it is drained no more");
        return;
    }
    if (of->phase == FREEING)
        let_go(of, fd);
    else
        see_whether_reader_is_back(of, fd);
    raw_syscall(SYS_close, fd);
}

uint64_t action_drain_poll(uint64_t now)
{
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < LIMIT; i++) {
        struct drained *of = &drained[i];
        if (of->phase == FREE || !rights_hold())
            continue;
        look_at(of);
        uint64_t again = now + (of->phase == FREEING ? WHILE_GROWING_NS : WHILE_ON_NS);
        if (of->phase != FREE && again < next)
            next = again;
    }
    return next;
}
