// SPDX-License-Identifier: MIT
#include "kernel/fill_watch.h"

#include <string.h>

#include "kernel/borrowed_fd.h"

bool fill_forecast(const struct fill_sample *before, const struct fill_sample *now,
                   struct fill_forecast *forecast)
{
    if (now->time_ns <= before->time_ns || now->used <= before->used || now->used < 0 ||
        before->used < 0 || now->capacity < now->used)
        return false;
    double seconds = (double)(now->time_ns - before->time_ns) / 1e9;
    double rate = (double)(now->used - before->used) / seconds;
    double left = (double)(now->capacity - now->used) / rate * 1e3;
    forecast->bytes_per_s = rate < 9e18 ? (int64_t)rate : INT64_MAX;
    forecast->full_in_ms = left < 9e18 ? (int64_t)left : INT64_MAX;
    return true;
}

void fill_history_forget(struct fill_history *history)
{
    history->begun = false;
    history->warned = false;
    history->confirmations = 0;
}

/* A pipe whose reader keeps in step holds a little more now and a little less then. */
static bool has_grown(const struct fill_history *history)
{
    enum { PARTS = 32, MANY_RISES = 10 };
    int64_t growth = history->last.used - history->first.used;
    return history->rises >= FILL_RISES &&
           (growth >= history->last.capacity / PARTS || history->rises >= MANY_RISES);
}

bool fill_history_add(struct fill_history *history, const struct fill_sample *now,
                      unsigned warn_percent, struct fill_forecast *forecast)
{
    if (now->used == 0) {
        fill_history_forget(history);
        return false;
    }
    if (!history->begun || now->used < history->last.used) {
        history->fell = history->begun;
        fill_history_forget(history);
        history->begun = true;
        history->rises = 0;
        history->first = *now;
    } else if (now->used > history->last.used) {
        history->rises++;
        history->fell = false;
    }
    history->last = *now;
    bool past = now->capacity > 0 && now->used >= now->capacity / 100 * (int64_t)warn_percent;
    if (!past || history->warned || !has_grown(history))
        return false;
    if (history->confirmations++ < FILL_CONFIRMATIONS ||
        !fill_forecast(&history->first, now, forecast))
        return false;
    history->warned = true;
    return true;
}

uint64_t fill_history_pause_ns(const struct fill_history *history)
{
    static const uint64_t millisecond = 1000000;
    unsigned confirmations = history->confirmations;
    if (history->begun && !history->warned && confirmations > 0)
        return millisecond << (confirmations < FILL_CONFIRMATIONS ? confirmations - 1
                                                                  : FILL_CONFIRMATIONS - 1);
    if (!history->begun || history->warned || history->fell)
        return 1000 * millisecond; /* it is read */
    /* What grows is soon beyond the mark. */
    return (history->rises > 0 ? 100 : 300) * millisecond;
}

static struct fill_history *find_history(struct fill_watch *watch, struct object_key key)
{
    for (unsigned i = 0; i < watch->count; i++)
        if (object_key_equal(watch->pipes[i].key, key))
            return &watch->pipes[i];
    return NULL;
}

static struct fill_history *history_of(struct fill_watch *watch, struct object_key key)
{
    struct fill_history *history = find_history(watch, key);
    if (history || watch->count == FILL_WATCH_LIMIT)
        return history;
    history = &watch->pipes[watch->count++];
    memset(history, 0, sizeof *history);
    history->key = key;
    return history;
}

static void forget_closed(struct fill_watch *watch)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < watch->count; i++) {
        if (watch->pipes[i].seen)
            watch->pipes[kept++] = watch->pipes[i];
    }
    watch->count = kept;
}

static bool can_be_written(const struct fd_description *fd)
{
    return (fd->kind == LINK_PIPE || fd->fifo) && (fd->access & FD_WRITES);
}

long fill_watch_find(struct fill_watch *watch, int pid)
{
    struct fd_iterator fds;
    long error = fd_iterate(&fds, pid);
    if (error < 0)
        return error;
    for (unsigned i = 0; i < watch->count; i++)
        watch->pipes[i].seen = false;
    while (fd_next(&fds)) {
        struct fill_history *history =
            can_be_written(&fds.description) ? history_of(watch, fds.description.key) : NULL;
        if (!history || history->seen)
            continue; /* the same pipe under two numbers is one pipe */
        history->seen = true;
        history->fd = fds.description.fd;
    }
    fd_iterate_end(&fds);
    forget_closed(watch);
    return 0;
}

uint64_t fill_watch_next(const struct fill_watch *watch)
{
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < watch->count; i++)
        if (watch->pipes[i].next_ns < next)
            next = watch->pipes[i].next_ns;
    return next;
}

/* The number may be another file's by now: then the next find tells. */
static bool measure(const struct fill_history *history, int pid, struct pipe_fill *fill)
{
    struct fd_description fd;
    return fd_describe(pid, history->fd, &fd) == 0 && can_be_written(&fd) &&
           object_key_equal(fd.key, history->key) &&
           borrowed_pipe_fill(pid, history->fd, false, fill) == 0;
}

void fill_watch_look(struct fill_watch *watch, int pid, unsigned warn_percent, uint64_t now_ns,
                     fill_report report, void *context)
{
    for (unsigned i = 0; i < watch->count; i++) {
        struct fill_history *history = &watch->pipes[i];
        struct pipe_fill fill;
        struct fill_forecast forecast;
        if (now_ns < history->next_ns)
            continue;
        if (measure(history, pid, &fill)) {
            struct fill_sample now = {fill.used, fill.capacity, now_ns};
            if (fill_history_add(history, &now, warn_percent, &forecast) &&
                !report(context, history, &forecast))
                fill_history_forget(history);
        } else {
            fill_history_forget(history);
        }
        history->next_ns = now_ns + fill_history_pause_ns(history);
    }
}
