// SPDX-License-Identifier: MIT
/* The end of a process, or of its image, with something queued. Async-signal-safe. */
#ifndef PIPESHIM_DRAIN_FINISH_H
#define PIPESHIM_DRAIN_FINISH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "facts/drain_facts.h"

/* A thread that waits, for the watchdog to see. It does not wait for readers that themselves wait
 * for this process to end (stream->reader): what is queued for them is handed over at once. */
struct finish_wait {
    _Atomic uint64_t since_ns; /* CLOCK_MONOTONIC; 0: nobody waits */
    _Atomic uint64_t limit_ns; /* how long; UINT64_MAX: for ever */
    _Atomic uint32_t exits;    /* else an exec */
};
extern struct finish_wait finish_wait __attribute__((visibility("hidden")));

/* What finish asks of the rooms above it, on the thread that waits. */
struct finish_hooks {
    void (*look)(void);             /* see who reads; stream->reader may be known after it */
    void (*after_late_write)(void); /* of what an exit's last flush has queued, some is not sent */
};

/* Before threads. `to_file`: what nobody reads goes to a file, so who reads is to be known also
 * where nobody is waited for. */
void finish_prepare(const struct finish_hooks *wanted, bool to_file);

/* See drain_finish(). */
bool finish(uint64_t patience_ns, bool exits);

/* After a write whose result was `result`: one that comes after finish(), such as exit's last
 * flush, waits for the rest of that time. */
void finish_late_write(ssize_t result);

/* What nobody sends, for its helper was killed and no other could be had. */
struct finish_abandoned {
    uint64_t bytes, writes;
};

/* After finish(): what is left is the helpers', and counted as handed over; what has none is
 * counted as lost, and returned. */
struct finish_abandoned finish_hand_over(void);

/* True if what is left when this process exits is lost, for it takes its helpers with it. */
bool finish_ends_helpers(bool exits);

/* Then: counts what was counted as handed over as lost. */
void finish_lose(void);

/* A forked child: its totals begin at zero. */
void finish_begin_in_child(void);

/* What was lost, and what was handed over. */
void finish_add_totals(struct drain_totals *totals);

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: as long as PIPESHIM_DRAIN_EXIT
 * says. */
#endif
