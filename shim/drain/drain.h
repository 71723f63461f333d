// SPDX-License-Identifier: MIT
/*
 * The drainer: a write that would block on a full pipe is taken into a queue instead, and a helper
 * process completes it.
 *
 * docs/drain.md says which memory is shared with whom, who may trust what, and in which order
 * things happen; drain/channel.h and drain/stream.h how they lie in memory.
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

/* Maps the queues; false: off, or no memory (nothing is drained then). Once, before threads or on
 * the watchdog. */
bool drain_init(const struct drain_options *options);

/* The same, also if it names nothing yet. */
bool drain_begin(const struct drain_options *options);

/* One descriptor more is drained, until the program changes it, or it is named no more. False: its
 * number is too high, or PIPESHIM_DRAIN names it anyway. On the watchdog. */
bool drain_name_one(int fd, bool on);

/* True if something that this process queued for the pipe is not sent yet. */
bool drain_has_queued(uint64_t device, uint64_t inode);

/* Which fds are drained from now on, as PIPESHIM_DRAIN names them; what is queued is sent. After
 * drain_init(), on the watchdog. */
void drain_name(const char *fds);

/* True if `fd` is one of those that PIPESHIM_DRAIN names, or may lead to a pipe that another one of
 * them leads to as well, with something queued. */
bool drain_wants(int fd);

/* `ours`: the vector lies in our own memory, else it may be anything, as what it points to may
 * always. `tried`: what direct_try() has said of it. What a blocking writev() of `vector` to `fd`
 * returns, or -errno, or DRAIN_PASS. The bytes may be in the queue instead of the pipe.
 * Async-signal-safe; does not touch errno. */
ssize_t drain_write(int fd, const struct iovec *vector, int count, bool ours, long tried);

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

/* Runs on: program threads, signal handlers; drain_init(): constructor, watchdog. AS-safe: yes.
 * Blocks: as write does, or as PIPESHIM_DRAIN_EXIT says. */
#endif
