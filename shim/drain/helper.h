// SPDX-License-Identifier: MIT
/* Inside the helper process: no libc, which is unmapped there, and no thread but this one. */
#ifndef PIPESHIM_DRAIN_HELPER_H
#define PIPESHIM_DRAIN_HELPER_H

#include <sys/types.h>

#include "drain/channel.h"

enum { HELPER_FD = 0 }; /* the pipe's write end */

/* Sends what comes through the channel `of`, whose chunks lie `chunks_of` in the helper's memory,
 * until it is empty, or the reader has gone. When it returns everything of the helper's is closed,
 * and the process ends. `who` queues. */
void helper_run(struct channel *of, char *chunks_of, pid_t who);

/* Runs on: helper. AS-safe: no. Blocks: yes. */
#endif
