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
    history->scans = 0;
    history->warned = false;
}

bool fill_history_add(struct fill_history *history, const struct fill_sample *now,
                      unsigned warn_percent, struct fill_forecast *forecast)
{
    if (now->used == 0) {
        fill_history_forget(history);
        return false;
    }
    if (history->scans == 0 || now->used < history->last.used) {
        fill_history_forget(history);
        history->first = *now;
    }
    history->scans++;
    history->last = *now;
    bool past = now->capacity > 0 && now->used >= now->capacity / 100 * (int64_t)warn_percent;
    if (!past || history->warned || history->scans < FILL_SCANS ||
        !fill_forecast(&history->first, now, forecast))
        return false;
    history->warned = true;
    return true;
}

static struct fill_history *history_of(struct fill_watch *watch, const struct fd_description *fd,
                                       int number)
{
    for (unsigned i = 0; i < watch->count; i++) {
        if (object_key_equal(watch->pipes[i].key, fd->key))
            return &watch->pipes[i];
    }
    if (watch->count == FILL_WATCH_LIMIT)
        return NULL;
    struct fill_history *history = &watch->pipes[watch->count++];
    memset(history, 0, sizeof *history);
    history->key = fd->key;
    history->fd = number;
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

long fill_watch_scan(struct fill_watch *watch, int pid, unsigned warn_percent, uint64_t now_ns,
                     fill_report report, void *context)
{
    struct fd_iterator fds;
    long error = fd_iterate(&fds, pid);
    if (error < 0)
        return error;
    for (unsigned i = 0; i < watch->count; i++)
        watch->pipes[i].seen = false;
    while (fd_next(&fds)) {
        const struct fd_description *fd = &fds.description;
        struct pipe_fill fill;
        struct fill_forecast forecast;
        if ((fd->kind != LINK_PIPE && !fd->fifo) || !(fd->access & FD_WRITES))
            continue;
        struct fill_history *history = history_of(watch, fd, fds.fd);
        if (!history || history->seen || borrowed_pipe_fill(pid, fds.fd, false, &fill) < 0)
            continue; /* the same pipe under two numbers is one pipe */
        history->seen = true;
        struct fill_sample now = {fill.used, fill.capacity, now_ns};
        if (fill_history_add(history, &now, warn_percent, &forecast) &&
            !report(context, history, &forecast))
            fill_history_forget(history);
    }
    fd_iterate_end(&fds);
    forget_closed(watch);
    return 0;
}
