// SPDX-License-Identifier: MIT
/*
 * Many small writes at once, each still in one piece.
 *
 * A write of up to PIPE_BUF bytes must not be mixed with another process's. So a batch that is sent
 * by write(2) is no longer than that, and wakes the reader each time, which costs more than the
 * bytes. vmsplice(2) puts pages into the pipe, as many as it has slots for, and never a part of
 * one: whole writes are copied into a page, and up to PAGES go out by one call, which wakes once.
 *
 * The pipe keeps the pages themselves until they are read. They are given to it for good: the
 * kernel puts fresh ones in their place (MADV_DONTNEED).
 */
#ifndef PIPESHIM_DRAIN_PAGE_BATCH_H
#define PIPESHIM_DRAIN_PAGE_BATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* Without it there are none: vmsplice() is a call that the program would not make, and a filter
 * might kill for it. */
void page_batch_allow(void);

/* True if the kernel has not said yet that it does not do it. */
bool page_batch_allowed(void);

/* An empty batch, of `most` pages. False: that is too few to be worth it. */
bool page_batch_begin(unsigned most);

/* Room for a write of `size` bytes, at most PIPE_BUF, that lies at `at` in the queue. NULL: it is
 * full. */
char *page_batch_add(uint32_t size, uint64_t at);

/* What was added ends at `at`. */
void page_batch_end(uint64_t at);

/* Sends as many pages as fit into the pipe now. Returns their bytes; `*sent_to` is where they end
 * in the queue. 0: no page fits, or the kernel does not do it, ever: page_batch_next() says what to
 * write instead. */
uint32_t page_batch_send(int fd, uint64_t *sent_to);

/* The first page that is left; it counts as sent. */
struct iovec page_batch_next(uint64_t *sent_to);

/* All is sent: fresh pages. */
void page_batch_renew(void);

/* Runs on: helper. AS-safe: yes. Blocks: no. */
#endif
