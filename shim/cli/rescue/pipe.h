// SPDX-License-Identifier: MIT
/* What can be done to a full pipe from outside: make it larger, take what nobody reads. */
#ifndef PIPESHIM_CLI_RESCUE_PIPE_H
#define PIPESHIM_CLI_RESCUE_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/rescue/target.h"

/* Makes the pipe or the socket's buffer hold `size` bytes (0: as much as the system allows).
 * Nothing is taken from it. `*before` and `*after` in bytes. 0 or -errno: -EPERM beyond
 * fs.pipe-max-size or the user's limits without the right to. */
int rescue_grow(const struct rescue_target *target, int64_t size, int64_t *before, int64_t *after);

struct rescue_taken {
    uint64_t bytes;
    bool reader_is_back; /* it reads again, or is about to */
    bool writers_gone;   /* all of them have closed it */
    bool time_is_over;   /* --for */
};

/* Takes what the pipe holds whenever it is full and its reader does not read, until the reader is
 * back, the writers are gone or `for_ns` is over (0: no end). `to`: a descriptor that gets the
 * bytes; -1: they are thrown away. 0 or -errno. */
int rescue_take(const struct rescue_target *target, int to, uint64_t for_ns,
                struct rescue_taken *taken);

/* Runs on: tool. AS-safe: no. Blocks: rescue_take as long as it says. */
#endif
