// SPDX-License-Identifier: MIT
/*
 * What the watchdog knows of the slots, close together: of a thousand threads that stand still one
 * line of the cache each is read in a scan (what the thread itself writes), not six.
 */
#ifndef PIPESHIM_WATCH_SLOT_NOTES_H
#define PIPESHIM_WATCH_SLOT_NOTES_H

#include <stdbool.h>
#include <stdint.h>

#include "slots/slot.h"

/* All are forgotten. */
void slot_notes_begin(void);

/* Slot `index` has nothing more to tell until its thread makes a call, or the slot is armed or gets
 * another thread: `sequence` and `armed` are what was read of it before that was found. */
void slot_note_rest(unsigned index, uint32_t sequence, uint32_t armed);

/* True if that still holds. Touches the first line of the slot alone. */
bool slot_is_at_rest(unsigned index, const struct slot *slot);

/* For watch/sampler.h: true if a call was entered or left since slot_note_sampled(). */
bool slot_has_moved(unsigned index, const struct slot *slot);
void slot_note_sampled(unsigned index, const struct slot *slot);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
