// SPDX-License-Identifier: MIT
#include "drain/drained_write.h"

#include <errno.h>
#include <limits.h>

#include "base/ticks.h"
#include "drain/mapping_changes.h"
#include "drain/readable.h"

bool drained_write_measure(struct drained_write *write, bool ours)
{
    struct queued_write *queued = &write->queued;
    uint64_t bytes = sizeof *queued->vector * (uint64_t)write->count;
    if (!ours && !readable(queued->vector, bytes, ticks_now()))
        return false;
    uint64_t size = 0;
    for (int i = 0; i < write->count; i++) {
        if (queued->vector[i].iov_len > SSIZE_MAX - size)
            return false;
        size += queued->vector[i].iov_len;
    }
    queued->size = size;
    return size > 0;
}

ssize_t drained_write_ask_memory(struct drained_write *write)
{
    struct queued_write *queued = &write->queued;
    queued->version = mapping_version();
    if (write->count == 1 && readable_is_known(queued->vector->iov_base, queued->size, write->now))
        return 0;
    uint64_t good = readable_bytes(queued->vector, write->count, write->now);
    if (good >= queued->size)
        return 0;
    good -= good % PIPE_BUF;
    if (good <= queued->done)
        return queued->done > 0 ? (ssize_t)queued->done : -EFAULT;
    queued->size = good;
    return 0;
}

enum sameness drained_write_look_again(struct drained_write *write)
{
    struct descriptor before = write->descriptor;
    write->now = ticks_now();
    descriptor_of(before.fd, write->now, TICKS_ABOUT_1_MS, &write->descriptor);
    if (write->descriptor.inode != before.inode || write->descriptor.device != before.device)
        return DESCRIPTOR_IS_ANOTHER;
    return write->descriptor.non_blocking ? DESCRIPTOR_MADE_NON_BLOCKING : DESCRIPTOR_SAME;
}

ssize_t drained_write_check(struct drained_write *write)
{
    enum sameness sameness = drained_write_look_again(write);
    if (sameness == DESCRIPTOR_SAME)
        return 0;
    if (write->queued.done > 0)
        return (ssize_t)write->queued.done;
    return sameness == DESCRIPTOR_IS_ANOTHER ? -EBADF : -EAGAIN;
}
