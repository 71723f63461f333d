// SPDX-License-Identifier: MIT
/*
 * From what the drainer kept the program: which pipe nobody read while something was queued, for
 * how long, and where the one who should have read stood meanwhile. For the summary.
 */
#ifndef PIPESHIM_WATCH_RESCUES_H
#define PIPESHIM_WATCH_RESCUES_H

#include "drain/stream.h"
#include "facts/drain_facts.h"

/* A scan of stream `index` at `now` (CLOCK_MONOTONIC, ns), of whose queue nothing has been taken
 * for `standing_ns`; its pipe is `object` if that is not NULL. Once, when it stands for long: reads
 * the reader's name and line, some ms, unless `last`: the thread that exits asks. */
void rescues_note(uint32_t index, uint64_t now, uint64_t standing_ns,
                  const struct object_facts *object, bool last);

/* Copies at most `limit` of those that lasted as long as a stuck write is reported after, the
 * longest first; returns how many. */
unsigned rescues_of_summary(struct drain_rescue *out, unsigned limit);

void rescues_begin_in_child(void);

/* Runs on: watchdog, and at the exit the thread that ends; one at a time. AS-safe: yes. Blocks: as
 * members_read() does, on the watchdog only. */
#endif
