// SPDX-License-Identifier: MIT
/*
 * Which threads are event loops (PIPESHIM_LOOP). `auto` takes a thread that keeps coming back to
 * the same readiness wait: the outermost one it has made, from the same stack pointer.
 */
#ifndef PIPESHIM_WATCH_EVENT_LOOPS_H
#define PIPESHIM_WATCH_EVENT_LOOPS_H

#include <stdbool.h>

#include "watch/proof.h"

bool event_loop_thread(const struct slot_record *record);

/* True if the record is a readiness wait and the loop's own, not one made inside a callback. */
bool event_loop_own_wait(const struct slot_record *record);

#endif
