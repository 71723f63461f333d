// SPDX-License-Identifier: MIT
#include <time.h>

#include "base/raw_syscall.h"
#include "explain/python/python_walk.h"

enum { RUNNING_ATTEMPTS = 12 };

/* The outermost functions of the main thread and of threading.Thread. A chain that ends elsewhere
 * may have been cut by a generator that was just suspended, which clears its link. */
static bool is_outermost_function(const char *name)
{
    static const char *const known[] = {"<module>", "_run_module_as_main", "_bootstrap",
                                        "Thread._bootstrap"};
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    return false;
}

/* Walks the chain without naming its frames, hidden ones included: they may be shown a moment
 * later. The name of the outermost function is written to `outermost`. */
static unsigned remember_chain(const struct walker *walker, uintptr_t innermost,
                               struct python_frame *out, unsigned limit,
                               struct python_stack_facts *facts, char *outermost)
{
    struct frame_cursor cursor;
    unsigned count = 0;
    enum step step;
    python_cursor_start(&cursor, innermost, true);
    while ((step = python_next_frame(walker, &cursor)) == STEP_FRAME) {
        if (count < limit)
            python_remember_frame(&cursor, &out[count++]);
        else
            facts->omitted += !cursor.hidden;
    }
    python_set_completeness(step, &cursor, count == limit, facts);
    outermost[0] = '\0';
    if (step == STEP_END && cursor.code_address != 0)
        python_read_function_name(walker, &cursor.code_object, outermost);
    return count;
}

enum {
    SNAPSHOT_FRAMES = 40,
    SNAPSHOT_SIZE = 8192, /* bytes of one copy */
    /* A snapshot takes some microseconds. One that took much longer was interrupted, and the thread
     * may have come back to the same place meanwhile. */
    SNAPSHOT_NS = 20000,
    SNAPSHOT_REPEATS = 4,
    IRREGULAR_WAIT_MASK = 4095, /* ns */
};

static int64_t monotonic_ns(void)
{
    struct timespec now = {0};
    raw_syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* 0 to 4 us, as the clock happens to stand: readings in the rhythm of the program's own loop would
 * all see the same wrong picture. */
static void wait_irregularly(void)
{
    int64_t start = monotonic_ns();
    while (monotonic_ns() - start < (start & IRREGULAR_WAIT_MASK))
        ;
}

/* A part of memory that holds one or more frames. Since 3.11 frames lie one after the other, the
 * outer ones lower, and copying a stack whole takes less than one Python call. */
struct region {
    uintptr_t start, end;
    size_t offset; /* of its copy, in both buffers */
};

struct snapshot {
    unsigned frames, regions;
    struct region region[SNAPSHOT_FRAMES]; /* the innermost frame's first */
    uint8_t frame_region[SNAPSHOT_FRAMES]; /* the region of each frame */
    uintptr_t innermost;
    unsigned char outside_in[SNAPSHOT_SIZE], inside_out[SNAPSHOT_SIZE];
};

/* Plans what is copied; takes fewer frames when they do not fit. */
static void plan_snapshot(const struct walker *walker, const struct python_frame *frames,
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

/* Copies the regions from the outermost to the innermost, the pointer to the innermost frame, and
 * the regions back. So the shorter a frame lives, the closer in time are its two copies. */
static bool take_snapshot(const struct walker *walker, const struct thread_position *position,
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
    int64_t start = monotonic_ns();
    return walker->reader->read_pieces(walker->reader, local, remote, 2 * middle + 1) &&
           monotonic_ns() - start < SNAPSHOT_NS;
}

static uintptr_t snapshot_pointer(const unsigned char *copy, size_t offset)
{
    uintptr_t value;
    memcpy(&value, copy + offset, sizeof value);
    return value;
}

/* Takes over the instructions of the snapshot if it proves that its frames were the thread's stack
 * at one moment: same frames as in the walk, linked in the same way, and the same on the way back.
 * Only the innermost frame may have gone on to another instruction: its caller waits for it.
 * A repeated snapshot must also find the instructions of the one before. */
static bool accept_snapshot(const struct walker *walker, const struct thread_position *position,
                            const struct snapshot *snapshot, bool repeated,
                            struct python_frame *frames)
{
    const struct python_offsets *offsets = walker->offsets;
    if (snapshot->innermost != position->frame)
        return false;
    for (unsigned i = 0; i < snapshot->frames; i++) {
        const struct region *region = &snapshot->region[snapshot->frame_region[i]];
        size_t offset = region->offset + (frames[i].frame - region->start);
        const unsigned char *before = snapshot->outside_in + offset;
        const unsigned char *after = snapshot->inside_out + offset;
        uintptr_t code = snapshot_pointer(before, offsets->frame_code);
        uintptr_t previous = snapshot_pointer(before, offsets->frame_previous);
        uintptr_t instruction = snapshot_pointer(before, offsets->frame_instruction);
        if ((code & ~(uintptr_t)PYTHON_CODE_TAG_BITS) != frames[i].code ||
            previous != frames[i].previous ||
            code != snapshot_pointer(after, offsets->frame_code) ||
            previous != snapshot_pointer(after, offsets->frame_previous) ||
            (i > 0 && instruction != snapshot_pointer(after, offsets->frame_instruction)) ||
            (i > 0 && repeated && instruction != frames[i].instruction))
            return false;
        frames[i].instruction = instruction;
    }
    return true;
}

/* Whether the frames further out than the snapshot are still as the walk found them. */
static bool rest_is_unchanged(const struct walker *walker, const struct python_frame *frames,
                              unsigned from, unsigned count, unsigned omitted)
{
    struct frame_cursor cursor;
    unsigned index = from;
    enum step step;
    python_cursor_start(&cursor, frames[from - 1].previous, true);
    while ((step = python_next_frame(walker, &cursor)) == STEP_FRAME) {
        if (index >= count) {
            index += !cursor.hidden;
            continue;
        }
        const struct python_frame *frame = &frames[index++];
        if (frame->frame != cursor.frame || frame->code != cursor.code ||
            frame->instruction != cursor.instruction)
            return false;
    }
    return step == STEP_END && index == count + omitted;
}

/* Names the remembered frames that tracebacks show; the others are taken out. */
static bool name_remembered_frames(const struct walker *walker, struct python_frame *frames,
                                   unsigned *count)
{
    struct frame_cursor cursor;
    uintptr_t last_file = 0;
    unsigned shown = 0;
    python_cursor_start(&cursor, 0, false);
    for (unsigned i = 0; i < *count; i++) {
        if (!python_cursor_restore(walker, &cursor, &frames[i]))
            return false;
        if (!cursor.hidden)
            python_name_frame(walker, &cursor, frames, shown++, &last_file);
    }
    *count = shown;
    return shown > 0;
}

static bool read_running(const struct walker *walker, const struct thread_position *position,
                         struct python_frame *out, unsigned limit, struct python_stack_facts *facts,
                         unsigned *count)
{
    char outermost[PYTHON_FUNCTION_LIMIT];
    struct snapshot snapshot;
    *count = remember_chain(walker, position->frame, out, limit, facts, outermost);
    if (facts->completeness != PYTHON_STACK_COMPLETE || facts->omitted_more || *count == 0 ||
        !is_outermost_function(outermost))
        return false;
    plan_snapshot(walker, out, *count, &snapshot);
    if (!take_snapshot(walker, position, &snapshot) ||
        !accept_snapshot(walker, position, &snapshot, false, out))
        return false;
    /* Frames all over the heap (before 3.11) take 0.3 us each, time enough for a call or two: of a
     * program that does nothing but call, one snapshot in some hundred is wrong. */
    for (unsigned i = 0; snapshot.regions > 1 && i < SNAPSHOT_REPEATS; i++) {
        wait_irregularly();
        if (!take_snapshot(walker, position, &snapshot) ||
            !accept_snapshot(walker, position, &snapshot, true, out))
            return false;
    }
    return rest_is_unchanged(walker, out, snapshot.frames, *count, facts->omitted) &&
           name_remembered_frames(walker, out, count);
}

unsigned python_read_stack_running(const struct python_runtime *runtime,
                                   const struct memory_reader *reader, int tid,
                                   struct python_frame *out, unsigned limit,
                                   struct python_stack_facts *facts)
{
    *facts = (struct python_stack_facts){.completeness = PYTHON_STACK_NONE};
    if (runtime->support != PYTHON_SUPPORTED)
        return 0;
    struct walker walker = python_walker_start(runtime, reader);
    for (unsigned i = 0; i < RUNNING_ATTEMPTS && reader->read_pieces; i++) {
        struct thread_position position;
        unsigned count;
        *facts = (struct python_stack_facts){0};
        facts->completeness = python_find_thread(&walker, tid, &position);
        if (facts->completeness != PYTHON_STACK_COMPLETE)
            return 0;
        if (read_running(&walker, &position, out, limit, facts, &count))
            return count;
    }
    *facts = (struct python_stack_facts){.completeness = PYTHON_STACK_MOVING};
    return 0;
}
