// SPDX-License-Identifier: MIT
/*
 * The drainer: a write that would block on a full pipe is taken into a queue instead, and a helper
 * process completes it.
 *
 * Where the queue lives. In memory shared with the helper (MAP_SHARED, mapped once by the
 * constructor and only touched as far as it is used), so that what write() acknowledged survives
 * SIGKILL of the program. A forked child inherits the mapping: it appends to the same queue, after
 * what its parent had queued, and repeats nothing.
 *
 * Streams (drain/stream.h). One queue a pipe, FIFO or stream socket, known by its device and inode,
 * so that dup'ed fds are one stream. `head` is moved by the writers, under the stream's lock;
 * `tail` by the helper or, for drop-old, by a writer, both by compare-and-exchange. The lock holds
 * its owner's tid: one that died is robbed; a signal handler that finds its own thread inside
 * writes directly.
 *
 * Direct path (drain/direct.h). While no queue of the process holds anything, a write is one
 * pwritev2(RWF_NOWAIT) and takes no lock: what fits has gone, what does not is queued. O_NONBLOCK
 * is never set on the program's file description, which other processes share; named FIFOs, for
 * which the kernel does not know RWF_NOWAIT, are opened a second time. Small writes to a pipe that
 * was empty a moment ago need not even that (drain/headroom.h).
 *
 * The helper (drain/helper_process.c). Two clones: the first is waited for here (__WCLONE: it has
 * no exit signal, the program's wait() does not see it), the second belongs to init. It keeps the
 * pipe's write end and its place in the line (drain/turn.h); it is in a session of its own, blocks
 * all signals, and unmaps the program's memory. It leaves as soon as the queue is empty, so that
 * the reader sees end-of-file when the program closes its end, after the last byte and not later.
 * `state` is a Dekker handshake: the helper announces that it leaves and looks at `head` again; a
 * writer moves `head` and looks at `state` after.
 *
 * Records. Each write up to 64 KiB is one record, a longer one several. The helper sends as many
 * whole records as fit into PIPE_BUF with one writev(): the kernel keeps those together, so no
 * record is torn by another writer of the pipe.
 */
#ifndef PIPESHIM_DRAIN_DRAIN_H
#define PIPESHIM_DRAIN_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "drain/fallback.h"
#include "drain/options.h"
#include "facts/drain_facts.h"

/* What drain_write() returns when the call is not its business: make the real call. */
enum { DRAIN_PASS = -100000 };

/* True once drain_init() succeeded with something to drain. */
extern bool drain_enabled;

/* Maps the queues; false: off, or no memory (nothing is drained then). Call once, before threads.
 */
bool drain_init(const struct drain_options *options);

/* True if `fd` is one of those that PIPESHIM_DRAIN names, or may lead to a pipe that another one of
 * them leads to as well, with something queued. */
bool drain_wants(int fd);

/* What a blocking writev() of `vector` to `fd` returns, or -errno, or DRAIN_PASS. The bytes may be
 * in the queue instead of the pipe. Async-signal-safe; does not touch errno. */
ssize_t drain_write(int fd, const struct iovec *vector, int count);

enum drain_wait {
    DRAIN_DONT_WAIT,
    DRAIN_WAIT_LIKE_WRITE, /* signal handlers interrupt it, and it is a cancellation point */
    DRAIN_WAIT_TO_THE_END,
};

/* Before a call that moves bytes past drain_write(): waits until the stream of `fd` is empty.
 * 0; -EINTR; -EAGAIN: it is not empty, and may not be waited for, or the descriptor is a
 * non-blocking one. */
int drain_flush(int fd, enum drain_wait wait);

/* Waits as PIPESHIM_DRAIN_EXIT says until what this process queued is sent. What is left then,
 * which the helpers go on sending, is counted as handed over. What is written later (exit's last
 * flush) waits for the rest of that time, if the process `exits` (an exec may fail). False: this
 * process queued nothing. */
bool drain_finish(bool exits);

/* From now on every write is made as without the library, in this process and those it forks. */
void drain_stop(void);

/* A forked child: its totals begin at zero. */
void drain_begin_in_child(void);

/* Of this process. Async-signal-safe. */
struct drain_totals drain_totals(void);

#endif
