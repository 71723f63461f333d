// SPDX-License-Identifier: MIT
#include "watch/stdio_fill.h"

#include <string.h>

#include "base/clock.h"
#include "kernel/borrowed_fd.h"
#include "kernel/fd_scan.h"
#include "kernel/object_reader.h"
#include "kernel/rights.h"
#include "process/life.h"
#include "watch/context.h"

static struct status_stream seen[STATUS_STREAMS]; /* child: kept, is_new says that they count */
static bool is_new;
static bool holds_something; /* at the last look; child: kept, begin() clears it */
static bool has_moved;       /* the program was active since; child: kept, likewise */
static uint64_t next_scan;

void stdio_fill_begin(void)
{
    is_new = holds_something = has_moved = false;
    next_scan = 0;
}

static void look_at(int fd, struct status_stream *stream)
{
    struct fd_description description;
    struct pipe_fill fill;
    int pid = atomic_load(&life->pid);
    *stream = (struct status_stream){0};
    /* The link is asked first: nothing is borrowed that is no pipe. */
    if (fd_describe(pid, fd, &description) < 0 ||
        (description.kind != LINK_PIPE && !description.fifo) ||
        borrowed_pipe_fill(pid, fd, false, &fill) < 0 || fill.used < 0 || fill.capacity <= 0)
        return;
    stream->used = fill.used;
    stream->capacity = fill.capacity;
    holds_something |= fill.used > 0;
}

void stdio_fill_scan(uint64_t now, bool activity)
{
    has_moved |= activity;
    if ((!has_moved && !holds_something) || now < next_scan ||
        !(context_permitted_access() & ACCESS_BORROW) || !rights_hold())
        return;
    holds_something = has_moved = false;
    for (int fd = 0; fd < STATUS_STREAMS; fd++)
        look_at(fd, &seen[fd]);
    is_new = true;
    next_scan = now + NS_PER_S;
}

bool stdio_fill_take(struct status_stream streams[STATUS_STREAMS])
{
    if (!is_new)
        return false;
    is_new = false;
    memcpy(streams, seen, sizeof seen);
    return true;
}
