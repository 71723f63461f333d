// SPDX-License-Identifier: MIT
/* The slow path of the doors: which call gets a slot, and when the watchdog is started for it. */
#ifndef PIPESHIM_DOORS_CLAIM_H
#define PIPESHIM_DOORS_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/calls.h"
#include "slots/slot.h"

/* The slow path of a call whose slot is not armed: the thread's first, the first after a fork, or
 * the first after the watchdog went to sleep. Returns the slot to record in, or NULL: do not
 * record. Async-signal-safe, keeps errno. Makes a few system calls; may start the watchdog. */
struct slot *slot_claim(enum call_id call, int fd, uint64_t detail);

/* The same of a readiness wait, with its first arguments: one that no other process can end is not
 * recorded while there is no watchdog (doors/own_wait.h). */
struct slot *slot_claim_for_wait(enum call_id call, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/* Before a wait that no door records: starts the watchdog, if nothing speaks against it. There is
 * none yet: then `is_worth_it` (NULL: it is) may ask by system calls. Async-signal-safe, keeps
 * errno. */
void watchdog_claim(bool (*is_worth_it)(const void *context), const void *context);

/* After a readiness wait has returned, when the slot is no longer armed: the watchdog has gone to
 * sleep while the loop waited, and what the loop does next, if it is no call at all, must not go
 * unseen. Wakes it if the thread may be an event loop. Async-signal-safe, keeps errno. */
void slot_claim_after_wait(struct slot *slot);

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: no. */
#endif
