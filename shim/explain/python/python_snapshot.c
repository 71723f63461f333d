// SPDX-License-Identifier: MIT
#include "explain/python/python_snapshot.h"

#include "base/clock.h"

/* A snapshot takes some microseconds. One that took much longer was interrupted, and the thread
 * may have come back to the same place meanwhile. */
enum { SNAPSHOT_NS = 20000 };

void python_snapshot_plan(const struct walker *walker, const struct python_frame *frames,
                          unsigned count, struct snapshot *snapshot)
{
    size_t used = 0;
    snapshot->frames = snapshot->regions = 0;
    for (unsigned i = 0; i < count && i < SNAPSHOT_FRAMES; i++) {
        uintptr_t start = frames[i].frame, end = start + walker->frame_size;
        struct region *last = i > 0 ? &snapshot->region[snapshot->regions - 1] : NULL;
        if (last && start < last->start && last->start - start <= SNAPSHOT_SIZE - used) {
            used += last->start - start;
            last->start = start;
        } else if (walker->frame_size <= SNAPSHOT_SIZE - used) {
            used += walker->frame_size;
            snapshot->region[snapshot->regions++] = (struct region){.start = start, .end = end};
        } else {
            break;
        }
        snapshot->frame_region[i] = (uint8_t)(snapshot->regions - 1);
        snapshot->frames++;
    }
    size_t offset = 0;
    for (unsigned i = 0; i < snapshot->regions; i++) {
        snapshot->region[i].offset = offset;
        offset += snapshot->region[i].end - snapshot->region[i].start;
    }
}

/* From the outermost to the innermost, the pointer to the innermost frame, and back: so the shorter
 * a frame lives, the closer in time are its two copies. */
bool python_snapshot_take(const struct walker *walker, const struct thread_position *position,
                          struct snapshot *snapshot)
{
    struct iovec local[2 * SNAPSHOT_FRAMES + 1], remote[2 * SNAPSHOT_FRAMES + 1];
    unsigned middle = snapshot->regions;
    local[middle] = (struct iovec){&snapshot->innermost, sizeof snapshot->innermost};
    remote[middle] = (struct iovec){(void *)position->frame_pointer, sizeof(uintptr_t)};
    for (unsigned i = 0; i < snapshot->regions; i++) {
        const struct region *region = &snapshot->region[i];
        size_t size = region->end - region->start;
        remote[middle - 1 - i] = remote[middle + 1 + i] =
            (struct iovec){(void *)region->start, size};
        local[middle - 1 - i] = (struct iovec){snapshot->outside_in + region->offset, size};
        local[middle + 1 + i] = (struct iovec){snapshot->inside_out + region->offset, size};
    }
    uint64_t start = clock_monotonic_ns();
    return walker->reader->read_pieces(walker->reader, local, remote, 2 * middle + 1) &&
           clock_monotonic_ns() - start < SNAPSHOT_NS;
}

static uintptr_t snapshot_pointer(const unsigned char *copy, size_t offset)
{
    uintptr_t value;
    memcpy(&value, copy + offset, sizeof value);
    return value;
}

/* What a snapshot shows of a frame: it can be in use only if its code and link are the same. */
enum frame_proof { FRAME_CHANGED, FRAME_LINKED, FRAME_LINKED_AND_WAITING };

static enum frame_proof prove_frame(const struct walker *walker, const struct snapshot *snapshot,
                                    unsigned index, bool repeated, struct python_frame *frame)
{
    const struct python_offsets *offsets = walker->offsets;
    const struct region *region = &snapshot->region[snapshot->frame_region[index]];
    size_t offset = region->offset + (frame->frame - region->start);
    const unsigned char *before = snapshot->outside_in + offset;
    const unsigned char *after = snapshot->inside_out + offset;
    uintptr_t code = snapshot_pointer(before, offsets->frame_code);
    uintptr_t previous = snapshot_pointer(before, offsets->frame_previous);
    uintptr_t instruction = snapshot_pointer(before, offsets->frame_instruction);
    if ((code & ~(uintptr_t)PYTHON_CODE_TAG_BITS) != frame->code || previous != frame->previous ||
        code != snapshot_pointer(after, offsets->frame_code) ||
        previous != snapshot_pointer(after, offsets->frame_previous))
        return FRAME_CHANGED;
    /* The innermost frame alone may go on to another instruction: its caller waits for it. */
    if (index > 0 && (instruction != snapshot_pointer(after, offsets->frame_instruction) ||
                      (repeated && instruction != frame->instruction)))
        return FRAME_LINKED;
    frame->instruction = instruction;
    return FRAME_LINKED_AND_WAITING;
}

/* The index of the frame that the thread was in, or the number of frames: in none of them. */
static unsigned innermost_index(const struct snapshot *snapshot, const struct python_frame *frames)
{
    unsigned index = 0;
    while (index < snapshot->frames && frames[index].frame != snapshot->innermost)
        index++;
    return index;
}

bool python_snapshot_unproven(const struct walker *walker, const struct snapshot *snapshot,
                              bool repeated, struct python_frame *frames, unsigned *unproven)
{
    unsigned innermost = innermost_index(snapshot, frames), count = snapshot->frames;
    unsigned linked = count, waiting = count;
    for (unsigned i = count; i > 0 && linked == i; i--) {
        enum frame_proof proof = prove_frame(walker, snapshot, i - 1, repeated, &frames[i - 1]);
        linked -= proof != FRAME_CHANGED;
        waiting -= proof == FRAME_LINKED_AND_WAITING && waiting == i;
    }
    bool found = innermost < count && innermost >= linked;
    *unproven = found && innermost > waiting ? innermost : waiting;
    return found;
}
