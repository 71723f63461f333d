// SPDX-License-Identifier: MIT
/*
 * What this program has done to its descriptors itself: which it has made non-blocking, and whether
 * its stdin, stdout and stderr are still those that it was started with. Whatever else is found on
 * an inherited stream, another process has done.
 *
 * Not in `struct life`: a program may set a flag with its very first call, long before the library
 * begins (watch/late_start.h), and a forked child is the same program with the same streams.
 */
#ifndef PIPESHIM_PROCESS_OWN_STREAMS_H
#define PIPESHIM_PROCESS_OWN_STREAMS_H

#include <stdbool.h>

enum { OWN_STREAMS_LIMIT = 256 }; /* descriptors below it are noted */

/* The program has set O_NONBLOCK on `fd`, or cleared it. */
void own_streams_note(int fd, bool set);

/* The descriptors [first, last] are no longer those that they were. Costs nothing above 2. */
void own_streams_replaced(unsigned first, unsigned last);

/* True if `fd` is non-blocking by this program's doing, or a stream of its own. */
bool own_streams_is_own(int fd);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
