// SPDX-License-Identifier: MIT
#include "explain/python/python_stack.h"

#include "base/clock.h"
#include "explain/python/python_snapshot.h"

enum {
    RUNNING_ATTEMPTS = 12,
    WHOLE_ATTEMPTS = 6,         /* then the outer frames will do */
    SNAPSHOTS = 10,             /* at least, */
    SNAPSHOTS_FOUND = 6,        /* and so many that found the thread in one of the frames, */
    SNAPSHOT_LIMIT = 32,        /* out of so many */
    IRREGULAR_WAIT_MASK = 2047, /* ns */
};

/* The outermost functions of the main thread and of threading.Thread. A chain that ends elsewhere
 * may have been cut by a generator that was just suspended, which clears its link. */
static bool is_outermost_function(const char *name)
{
    static const char known[][20] = {"<module>", "_run_module_as_main", "_bootstrap",
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

/* 0 to 2 us, as the clock happens to stand: readings in the rhythm of the program's own loop would
 * all see the same wrong picture. */
static void wait_irregularly(void)
{
    uint64_t start = clock_monotonic_ns();
    while (clock_monotonic_ns() - start < (start & IRREGULAR_WAIT_MASK))
        ;
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

/* Names the remembered frames from the index `from` on that tracebacks show, and puts them at the
 * start; the others are taken out. An instruction that belongs to no line of its function was read
 * while the frame was made. */
static bool name_remembered_frames(const struct walker *walker, struct python_frame *frames,
                                   unsigned from, unsigned *count)
{
    struct frame_cursor cursor;
    uintptr_t last_file = 0;
    unsigned shown = 0;
    python_cursor_start(&cursor, 0, false);
    for (unsigned i = from; i < *count; i++) {
        if (!python_cursor_restore(walker, &cursor, &frames[i]))
            return false;
        if (cursor.hidden)
            continue;
        python_name_frame(walker, &cursor, frames, shown, &last_file);
        if (frames[shown++].line <= 0)
            return false;
    }
    *count = shown;
    return shown > 0;
}

/* Many snapshots, as the thread may have been in the middle of a call at each: of a program that
 * does nothing but call, up to one in ten shows frames that never met. Returns how many innermost
 * frames are not proven by all of them, `count`: none is. */
static unsigned prove_frames(const struct walker *walker, const struct thread_position *position,
                             struct python_frame *frames, unsigned count, unsigned omitted)
{
    struct snapshot snapshot;
    unsigned unproven = 0;
    python_snapshot_plan(walker, frames, count, &snapshot);
    /* Also one that found the thread elsewhere counts against a frame that changed: those that
     * found it here would all be of the same moment of a loop. */
    for (unsigned taken = 0, found = 0; taken < SNAPSHOTS || found < SNAPSHOTS_FOUND; taken++) {
        unsigned now;
        if (taken > 0)
            wait_irregularly();
        if (taken == SNAPSHOT_LIMIT || !python_snapshot_take(walker, position, &snapshot))
            return count;
        found += python_snapshot_unproven(walker, &snapshot, taken > 0, frames, &now);
        unproven = now > unproven ? now : unproven;
        if (unproven == snapshot.frames)
            return count;
    }
    return rest_is_unchanged(walker, frames, snapshot.frames, count, omitted) ? unproven : count;
}

static bool read_running(const struct walker *walker, const struct thread_position *position,
                         bool whole, struct python_frame *out, unsigned limit,
                         struct python_stack_facts *facts, unsigned *count)
{
    char outermost[PYTHON_FUNCTION_LIMIT];
    *count = remember_chain(walker, position->frame, out, limit, facts, outermost);
    if (facts->completeness != PYTHON_STACK_COMPLETE || facts->omitted_more || *count == 0 ||
        !is_outermost_function(outermost))
        return false;
    unsigned unproven = prove_frames(walker, position, out, *count, facts->omitted);
    if (unproven > 0 && (whole || unproven == *count))
        return false;
    if (unproven > 0)
        facts->completeness = PYTHON_STACK_OUTER;
    return name_remembered_frames(walker, out, unproven, count);
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
        if (read_running(&walker, &position, i < WHOLE_ATTEMPTS, out, limit, facts, &count))
            return count;
    }
    *facts = (struct python_stack_facts){.completeness = PYTHON_STACK_MOVING};
    return 0;
}
