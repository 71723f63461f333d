// SPDX-License-Identifier: MIT
/* Writes to be queued, with real helpers, for two small pipes, and what arrives. */
#ifndef PIPESHIM_TESTS_QUEUE_CASE_H
#define PIPESHIM_TESTS_QUEUE_CASE_H

#include <stdint.h>

#include "drain/queue.h"

enum { BOUND = 1 << 20, PIPE_SIZE = 4096, DEADLINE_MS = 60000 };

extern int ends[2], others[2];
extern char sent[2 * BOUND], received[2 * BOUND];

/* Before all tests, before each, and after it. */
int queue_case_prepare(void **state);
int queue_case_begin(void **state);
int queue_case_end(void **state);

/* The stream of the pipe, locked. */
struct stream *stream_of(int fd);

/* Of a write of `size` bytes of `sent`, from `at` on, in two pieces, the rest behind the first
 * `done`; `*queued` (NULL: of no interest) is where it ends. */
enum queue_outcome queue_part(int fd, uint64_t at, uint64_t size, uint64_t done,
                              enum drain_overflow overflow, uint64_t *queued);
enum queue_outcome queue_bytes(int fd, uint64_t at, uint64_t size);

/* So many bytes, which must come, and nothing more. */
void expect(int fd, const char *bytes, uint64_t size);

/* Until the helper has gone, and its episode is over: nothing is queued any more. */
void wait_until_over(int fd);

#endif
