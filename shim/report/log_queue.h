// SPDX-License-Identifier: MIT
/*
 * Bytes of whole records that the log has not taken yet: 256 KiB, first in, first out.
 *
 * One adds (under the lock of report/) and one takes, which may be another process that shares this
 * memory (report/log_writer.h): the two need no lock between them.
 */
#ifndef PIPESHIM_REPORT_LOG_QUEUE_H
#define PIPESHIM_REPORT_LOG_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* Adds all `size` bytes, or nothing (false: no space). */
bool log_queue_add(const char *data, size_t size);

/* Bytes that could be added. */
size_t log_queue_space(void);

/* Bytes that wait. */
size_t log_queue_size(void);

/* What waits, oldest first, as one or two pieces for one writev(); returns how many, 0: nothing. */
int log_queue_peek(struct iovec pieces[2]);

/* Copies the first bytes of what waits, which must be there. */
void log_queue_copy(void *to, size_t size);

/* Of what log_queue_peek() gave the part from byte `from` on, of `size` bytes at most; returns of
 * how many pieces it is. */
int log_queue_cut(const struct iovec *pieces, int count, size_t from, size_t size,
                  struct iovec parts[2]);

/* The first `size` bytes are written. */
void log_queue_taken(size_t size);

/* Forgets all. Nobody else may be at it. */
void log_queue_clear(void);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
