// SPDX-License-Identifier: MIT
/*
 * A process that was found at peace (wait_graph_is_at_peace()), waits for strangers, has no child,
 * and has not run since is so still, unless something has come that it does not read. So the
 * watchdog of an idle server reads no /proc once a minute for the same answer: 10,000 of them on a
 * host are no load.
 */
#ifndef PIPESHIM_WATCH_PEACE_H
#define PIPESHIM_WATCH_PEACE_H

#include <stdbool.h>
#include <stdint.h>

#include "graph/wait_graph.h"

/* Nothing is known. */
void peace_begin(void);

/* Before a look: whatever the program does from now on ends what the look may find. */
void peace_expect(void);

/* The look that was expected found this process at peace; `graph` is what it read for that. */
void peace_note(const struct wait_graph *graph);

/* True if it is so still. `graph` is used for its rights (ACCESS_…) alone. */
bool peace_lasts(const struct wait_graph *graph);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
