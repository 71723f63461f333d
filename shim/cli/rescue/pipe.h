// SPDX-License-Identifier: MIT
/* What can be done to a full pipe from outside: make it larger, take what nobody reads. */
#ifndef PIPESHIM_CLI_RESCUE_PIPE_H
#define PIPESHIM_CLI_RESCUE_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/rescue/target.h"

struct rescue_growth {
    int64_t before, after; /* bytes */
    /* The sysctl that allows no more to this user (fs.pipe-max-size, …), and its value; NULL: it is
     * as large as was asked for. */
    const char *limit;
    int64_t limit_value;
};

/* Makes the pipe or the socket's buffer hold `size` bytes (0: what fs.pipe-max-size says), or as
 * much of it as this user may. Nothing is taken from it. 0 or -errno: it may not be had. */
int rescue_grow(const struct rescue_target *target, int64_t size, struct rescue_growth *growth);

struct rescue_taken {
    uint64_t bytes;
    bool reader_is_back; /* it reads again, or is about to */
    bool writers_gone;   /* all of them have closed it */
    bool time_is_over;   /* --for */
    bool interrupted;    /* SIGINT, SIGTERM or SIGHUP came */
    bool file_failed;    /* the result is the file's: what it could not take is in the pipe still */
};

/* Takes what the pipe holds whenever it is full and its reader does not read, until the reader is
 * back, the writers are gone or `for_ns` is over (0: no end). `to`: a descriptor that gets the
 * bytes; -1: they are thrown away. 0 or -errno. */
int rescue_take(const struct rescue_target *target, int to, uint64_t for_ns,
                struct rescue_taken *taken);

/* Runs on: tool. AS-safe: no. Blocks: rescue_take as long as it says. */
#endif
