// SPDX-License-Identifier: MIT
#include "watch/drain_watch.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/other_stack.h"
#include "base/raw_syscall.h"
#include "drain/drain.h"
#include "drain/episode.h"
#include "drain/finish.h"
#include "drain/helper_process.h"
#include "drain/space.h"
#include "drain/stream.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_reader.h"
#include "kernel/task.h"
#include "process/life.h"
#include "watch/context.h"
#include "watch/drain_reports.h"
#include "watch/drain_spool.h"
#include "watch/rescues.h"
#include "watch/thread.h"
#include "watch/untested_writes.h"

enum { BETWEEN_SCANS_NS = 20 * NS_PER_MS };

static _Atomic uint32_t lock; /* of what is reported */

static bool take_if_free(void)
{
    uint32_t owner = 0;
    return atomic_compare_exchange_strong(&lock, &owner, (uint32_t)atomic_load(&life->pid));
}

/* For a thread that ends the process: the watchdog is waited for a moment, and longer only if it
 * has no CPU, not if it hangs. */
static bool take_lock(void)
{
    enum { HANGS_AFTER_NS = 50 * NS_PER_MS, STARVED_FOR_NS = 2 * (uint64_t)NS_PER_S };
    enum { MOMENT_NS = 20 * NS_PER_MS };
    uint64_t deadline = clock_monotonic_ns() + HANGS_AFTER_NS;
    uint64_t last = deadline + STARVED_FOR_NS;
    while (!take_if_free()) {
        struct timespec moment = {0, NS_PER_MS / 10};
        uint64_t now = clock_monotonic_ns();
        if (now >= deadline && (now >= last || !task_wants_cpu(atomic_load(&life->watchdog_tid))))
            return false;
        if (now >= deadline)
            deadline = now + MOMENT_NS;
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
    return true;
}

void drain_watch_begin_in_child(void)
{
    drain_reports_begin_in_child();
    drain_spool_begin_in_child();
    rescues_begin_in_child();
    atomic_store(&lock, 0);
}

/* The program may not write again, and what is queued has to go. The watchdog has none of the
 * program's descriptors: it borrows one, which the new helper inherits. */
static void check_helper(struct stream *stream)
{
    if (!atomic_load(&stream->running))
        return;
    episode_check(stream, -1); /* it may have left */
    if (!helper_was_killed(atomic_load(&stream->channel)) ||
        !(context_permitted_access() & ACCESS_BORROW))
        return;
    long fd = borrowed_fd(atomic_load(&life->pid), atomic_load(&stream->fd));
    if (fd < 0)
        return;
    episode_check(stream, (int)fd);
    raw_syscall(SYS_close, fd);
}

/* A helper wakes those who wait for its own queue; the bound is that of all. Not without need: a
 * signal handler that runs while a writer looks for space does not interrupt its write. */
static void wake_those_who_wait(uint32_t known)
{
    uint64_t queued = 0;
    unsigned others = 0;
    if (atomic_load(&drain_state->waiting) == 0)
        return;
    for (uint32_t i = 0; i < known; i++) {
        struct stream *stream = &drain_state->streams[i];
        struct channel *channel = atomic_load(&stream->channel);
        if (!atomic_load(&stream->running))
            continue;
        others++;
        queued += channel_head(channel) - atomic_load(&channel->tail);
    }
    if (others < 2 || queued + RECORD_LIMIT > drain_limits.max)
        return;
    for (uint32_t i = 0; i < known; i++)
        if (atomic_load(&drain_state->streams[i].running))
            space_announce(atomic_load(&drain_state->streams[i].channel));
}

unsigned drain_watch_drains(struct status_drain *out, unsigned limit)
{
    unsigned count = 0;
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++) {
        struct stream *stream = &drain_state->streams[i];
        struct channel *channel = atomic_load(&stream->channel);
        if (!atomic_load(&stream->running) || atomic_load(&stream->ended_ns) != 0 || !channel)
            continue;
        uint64_t tail = atomic_load(&channel->tail);
        uint64_t head = channel_head(channel);
        if (count < limit)
            out[count] = (struct status_drain){.fd = atomic_load(&stream->fd),
                                               .inode = atomic_load(&stream->inode),
                                               .queued_bytes = head > tail ? head - tail : 0,
                                               .taken_bytes = atomic_load(&stream->episode_bytes),
                                               .begun_ns = atomic_load(&stream->started_ns)};
        count++;
    }
    return count;
}

uint64_t drain_watch_scan(uint64_t now)
{
    if (!drain_enabled)
        return UINT64_MAX;
    if (!take_if_free()) /* a thread ends the process, or tries to execute another program */
        return now + BETWEEN_SCANS_NS;
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++)
        check_helper(&drain_state->streams[i]);
    wake_those_who_wait(known);
    untested_writes_scan(now);
    bool open = drain_reports_streams(now, true);
    drain_reports_exit(now);
    if (!open)
        helpers_reap();
    drain_reports_drops_now_and_then(now);
    atomic_store(&lock, 0);
    return open ? now + BETWEEN_SCANS_NS : UINT64_MAX;
}

static void end_on_other_stack(void *exits)
{
    bool alone = take_lock(); /* else what the watchdog was about to report is lost with it */
    if (alone) {
        drain_reports_streams(clock_monotonic_ns(), false);
        drain_reports_drops();
    }
    if (exits)
        drain_spool_all();
    drain_reports_rest(exits != NULL);
    if (!alone)
        return;
    drain_reports_streams(clock_monotonic_ns(), false);
    atomic_store(&lock, 0);
}

void drain_watch_end(bool exits)
{
    /* An exec in a signal handler comes this way. */
    on_other_stack(end_on_other_stack, exits ? &lock : NULL);
}

static void look_on_other_stack(void *unused)
{
    (void)unused;
    if (!take_lock())
        return;
    drain_reports_exit(clock_monotonic_ns());
    atomic_store(&lock, 0);
}

/* The watchdog looks, which has descriptors of its own; after its end, or where there is none, the
 * thread that waits does. */
static void look_for_finish(void)
{
    if (atomic_load(&life->watchdog_tid) != 0 && !atomic_load(&life->finished))
        watchdog_thread_wake();
    else
        on_other_stack(look_on_other_stack, NULL);
}

static void spool_on_other_stack(void *unused)
{
    (void)unused;
    bool alone = take_lock();
    drain_spool_all();
    if (alone)
        atomic_store(&lock, 0);
}

static void after_late_write(void)
{
    if (drain_spool_is_wanted())
        on_other_stack(spool_on_other_stack, NULL);
}

void drain_watch_prepare(void)
{
    static const struct finish_hooks hooks = {look_for_finish, after_late_write};
    drain_spool_prepare();
    finish_prepare(&hooks, drain_spool_is_wanted());
}
