// SPDX-License-Identifier: MIT
/* Writes past the queue. All return bytes written or -errno. Async-signal-safe. */
#ifndef PIPESHIM_DRAIN_DIRECT_H
#define PIPESHIM_DRAIN_DIRECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "drain/descriptor.h"

static inline uint64_t vector_size(const struct iovec *vector, int count)
{
    uint64_t size = 0;
    for (int i = 0; i < count; i++)
        size += vector[i].iov_len;
    return size;
}

/* Never waits: what there is space for, -EAGAIN if there is none. For pipes, FIFOs and sockets. */
long direct_write_now(int fd, const struct iovec *vector, int count);

/* Goes on, after `done` bytes (or -EAGAIN), for as long as the reader makes space within the moment
 * that a sleeping reader takes to wake up: no helper is started for a reader that keeps up. All
 * bytes written, those before included; -EAGAIN if there are none. */
long direct_write_while_read(int fd, const struct iovec *vector, int count, long done);

/* Never waits: of the rest of the vector after `done` bytes what there is space for. */
long direct_write_rest_now(int fd, const struct iovec *vector, int count, uint64_t done);

/* The rest of the vector after `done` bytes, as a blocking write. */
long direct_write_rest(int fd, const struct iovec *vector, int count, uint64_t done);

/* True if the kernel says that nobody can read what is written to `fd` any more. */
bool direct_reader_is_gone(int fd);

/* As PIPESHIM_GROW says. */
void direct_grow(const struct descriptor *descriptor);

enum { DIRECT_NOT_TRIED = -200000 }; /* no result of a call */

enum { DIRECT_FROM = 1024 }; /* bytes: to queue more does write-behind no good */

/* A blocking write to a pipe of which headroom_is_direct() is true, tried without a wait: what
 * pwritev2(RWF_NOWAIT) says (the write's result, or `tried` for drain_write()), or
 * DIRECT_NOT_TRIED, and drain_write() is to decide. A cancellation point. */
long direct_try(int fd, const void *buffer, size_t size);

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: direct_write_rest() as write
 * does; direct_write_while_read() some ms. */
#endif
