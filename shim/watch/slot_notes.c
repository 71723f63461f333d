// SPDX-License-Identifier: MIT
#include "watch/slot_notes.h"

#include <string.h>

#include "base/zeroed_memory.h"

struct note {
    uint32_t sequence, sampled;
    bool rests;
    uint8_t armed;
};

static struct note *notes; /* SLOT_LIMIT of them, at the first one; child: kept, it is a mapping */
static unsigned notes_bound; /* of those beyond no memory was ever touched */

void slot_notes_begin(void)
{
    if (notes_bound > 0)
        memset(notes, 0, notes_bound * sizeof *notes);
    notes_bound = 0;
}

/* NULL: without memory nothing is noted, and each slot is looked at. */
static struct note *note_of(unsigned index)
{
    if (!notes && !(notes = zeroed_memory(SLOT_LIMIT * sizeof *notes)))
        return NULL;
    if (index >= notes_bound)
        notes_bound = index + 1;
    return &notes[index];
}

static uint32_t sequence_of(const struct slot *slot)
{
    return atomic_load_explicit(&slot->sequence, memory_order_relaxed);
}

void slot_note_rest(unsigned index, uint32_t sequence, uint32_t armed)
{
    struct note *note = note_of(index);
    if (!note)
        return;
    note->sequence = sequence;
    note->armed = (uint8_t)armed;
    note->rests = true;
}

bool slot_is_at_rest(unsigned index, const struct slot *slot)
{
    if (!notes || !notes[index].rests)
        return false;
    struct note *note = &notes[index];
    note->rests = note->sequence == sequence_of(slot) &&
                  note->armed == atomic_load_explicit(&slot->armed, memory_order_relaxed);
    return note->rests;
}

bool slot_has_moved(unsigned index, const struct slot *slot)
{
    return (notes ? notes[index].sampled : 0) != sequence_of(slot);
}

void slot_note_sampled(unsigned index, const struct slot *slot)
{
    struct note *note = note_of(index);
    if (note)
        note->sampled = sequence_of(slot);
}
