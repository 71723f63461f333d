// SPDX-License-Identifier: MIT
/* The end of a process, or of its image, with something queued. Async-signal-safe. */
#ifndef PIPESHIM_DRAIN_FINISH_H
#define PIPESHIM_DRAIN_FINISH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "facts/drain_facts.h"

/* See drain_finish(). */
bool finish(uint64_t patience_ns, bool exits);

/* After a write whose result was `result`: one that comes after finish(), such as exit's last
 * flush, waits for the rest of that time. */
void finish_late_write(ssize_t result);

/* A forked child: its totals begin at zero. */
void finish_begin_in_child(void);

/* What was lost, and what was handed over. */
void finish_add_totals(struct drain_totals *totals);

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: as long as PIPESHIM_DRAIN_EXIT
 * says. */
#endif
