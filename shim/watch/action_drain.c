// SPDX-License-Identifier: MIT
#include "watch/action_drain.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "drain/descriptor.h"
#include "drain/drain.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_reader.h"
#include "kernel/task.h"
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
    int64_t before, now; /* the pipe's capacity */
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
    of->before = of->now = raw_syscall(SYS_fcntl, fd, F_GETPIPE_SZ);
    of->device = file.st_dev;
    of->inode = file.st_ino;
    raw_syscall(SYS_close, fd);
    if (!known || !S_ISFIFO(file.st_mode))
        return "it waits for a socket, whose sleeping writer cannot be let go without taking bytes "
               "out of it; expected a pipe; nothing was done";
    if (flags & O_DIRECT)
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
 * pipe-max-size, pipe-user-pages-soft), or it is as large as that. */
static bool grow(struct drained *of, long fd)
{
    if ((uint64_t)of->now >= settings.number[SETTING_DRAIN_MAX])
        return false;
    long made = raw_syscall(SYS_fcntl, fd, F_SETPIPE_SZ, 2 * of->now);
    if (made <= of->now)
        return false;
    of->now = made;
    return true;
}

static void restore_size(const struct drained *of, long fd)
{
    if (of->now > of->before)
        raw_syscall(SYS_fcntl, fd, F_SETPIPE_SZ, of->before);
}

static void let_go(struct drained *of, long fd)
{
    char memory[256];
    enum progress progress = progress_of(of);
    if (progress == MOVES) {
        of->moves += of->moves < LOOKS_AT_A_RUNNER;
        return;
    }
    of->moves = 0;
    if (progress == GONE_ON) {
        of->phase = ON;
        say(of, words(memory, sizeof memory,
                      of->now > of->before
                          ? "fd %d: its write went on, for the pipe was made larger, from %ld to "
                            "%ld bytes; it is drained until its reader is back"
                          : "fd %d is drained until its reader is back; its write went on by "
                            "itself",
                      of));
    } else if (of->looks++ < LOOKS_BEFORE_GROWTH && of->looks > 1) {
        return;
    } else if (grow(of, fd)) {
        of->looks = 1;
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
    raw_syscall(SYS_ioctl, fd, FIONREAD, &used);
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
        if (of->phase == FREE)
            continue;
        look_at(of);
        uint64_t again = now + (of->phase == FREEING ? WHILE_GROWING_NS : WHILE_ON_NS);
        if (of->phase != FREE && again < next)
            next = again;
    }
    return next;
}
