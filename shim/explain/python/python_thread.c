// SPDX-License-Identifier: MIT
#include "explain/python/python_walk.h"

enum { FIND_ATTEMPTS = 3 }; /* the list of threads may change while it is walked */

/* Whether a PyThreadState belongs to the kernel thread. Before 3.11 it has only the pthread_t,
 * which in glibc is the address of a structure that holds the kernel's id; the same is true after
 * fork(2), where early 3.11 releases keep the parent's native id. */
static bool is_thread(const struct walker *walker, const struct object_bytes *thread, int tid)
{
    const struct python_offsets *offsets = walker->offsets;
    if (offsets->thread_native_id != PYTHON_NO_FIELD &&
        pointer_at(thread, offsets->thread_native_id) == (uintptr_t)tid)
        return true;
    uintptr_t pthread = pointer_at(thread, offsets->thread_id);
    int found;
    return pthread != 0 &&
           memory_read(walker->reader, pthread + walker->runtime->pthread_tid_offset, &found,
                       sizeof found) &&
           found == tid;
}

static struct thread_position thread_position(const struct walker *walker, uintptr_t address,
                                              const struct object_bytes *thread)
{
    const struct python_offsets *offsets = walker->offsets;
    struct thread_position position = {.frame = pointer_at(thread, offsets->thread_frame),
                                       .frame_pointer = address + offsets->thread_frame};
    if (position.frame == 0 || offsets->cframe_frame == PYTHON_NO_FIELD)
        return position;
    position.frame_pointer = position.frame + offsets->cframe_frame;
    if (!read_pointer(walker->reader, position.frame_pointer, &position.frame))
        position.frame = 0;
    return position;
}

/* Looks for the thread in one interpreter's list. Up to 3.11 the state of a thread that is about
 * to start carries the ids of the thread that started it: states without frames do not count.
 * False: the list could not be read to its end. */
static bool search_threads(const struct walker *walker, uintptr_t thread_address, int tid,
                           struct thread_position *position)
{
    position->frame = 0;
    for (unsigned i = 0; thread_address != 0; i++) {
        struct object_bytes thread;
        if (i == PYTHON_THREAD_LIMIT ||
            !read_object(walker->reader, thread_address, walker->thread_size, &thread))
            return false;
        /* The cheap test first: a thread without frames is not looked at further. */
        if (pointer_at(&thread, walker->offsets->thread_frame) != 0 &&
            is_thread(walker, &thread, tid)) {
            *position = thread_position(walker, thread_address, &thread);
            if (position->frame != 0)
                return true;
        }
        thread_address = pointer_at(&thread, walker->offsets->thread_next);
    }
    return true;
}

static enum python_completeness search_interpreters(const struct walker *walker, int tid,
                                                    struct thread_position *position)
{
    const struct python_offsets *offsets = walker->offsets;
    uintptr_t interpreter;
    position->frame = 0;
    if (!read_pointer(walker->reader, walker->runtime->runtime + offsets->runtime_interpreters,
                      &interpreter))
        return PYTHON_STACK_UNREADABLE;
    for (unsigned i = 0; interpreter != 0; i++) {
        uintptr_t id, next, threads;
        struct thread_position found;
        if (i == PYTHON_INTERPRETER_LIMIT ||
            !read_pointer(walker->reader, interpreter + offsets->interpreter_id, &id) ||
            !read_pointer(walker->reader, interpreter + offsets->interpreter_next, &next) ||
            !read_pointer(walker->reader, interpreter + offsets->interpreter_threads, &threads) ||
            !search_threads(walker, threads, tid, &found))
            return PYTHON_STACK_UNREADABLE;
        /* A thread that entered a subinterpreter has frames in both: the inner are running. */
        if (found.frame != 0 && id != 0)
            return PYTHON_STACK_SUBINTERPRETER;
        if (found.frame != 0)
            *position = found;
        interpreter = next;
    }
    return position->frame == 0 ? PYTHON_STACK_NONE : PYTHON_STACK_COMPLETE;
}

enum python_completeness python_find_thread(const struct walker *walker, int tid,
                                            struct thread_position *position)
{
    enum python_completeness result = PYTHON_STACK_UNREADABLE;
    for (unsigned i = 0; i < FIND_ATTEMPTS && result == PYTHON_STACK_UNREADABLE; i++)
        result = search_interpreters(walker, tid, position);
    return result;
}
