// SPDX-License-Identifier: MIT
#include "watch/slot_notes.h"

#include <string.h>

struct note {
    uint32_t sequence, sampled;
    bool rests;
    uint8_t armed;
};

static struct note notes[SLOT_LIMIT];
static unsigned notes_bound; /* of those beyond no memory was ever touched */

void slot_notes_begin(void)
{
    memset(notes, 0, notes_bound * sizeof *notes);
    notes_bound = 0;
}

static struct note *note_of(unsigned index)
{
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
    note->sequence = sequence;
    note->armed = (uint8_t)armed;
    note->rests = true;
}

bool slot_is_at_rest(unsigned index, const struct slot *slot)
{
    struct note *note = &notes[index];
    if (!note->rests)
        return false;
    note->rests = note->sequence == sequence_of(slot) &&
                  note->armed == atomic_load_explicit(&slot->armed, memory_order_relaxed);
    return note->rests;
}

bool slot_has_moved(unsigned index, const struct slot *slot)
{
    return notes[index].sampled != sequence_of(slot);
}

void slot_note_sampled(unsigned index, const struct slot *slot)
{
    note_of(index)->sampled = sequence_of(slot);
}
