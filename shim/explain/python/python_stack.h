// SPDX-License-Identifier: MIT
/*
 * The Python frames of a thread, read from outside.
 *
 * CPython's own dumper crashes when another thread calls it, and the GIL may be held by the very
 * thread that hangs. So nothing here calls into Python: its structures are read as plain memory,
 * through a memory_reader, which cannot fault. CPython 3.8 to 3.14, static or in libpython.
 *
 * Nothing here allocates, locks, or keeps state: all functions are async-signal-safe, need less
 * than 32 KiB of stack, and leave errno alone. All that is read is untrusted and checked.
 */
#ifndef PIPESHIM_EXPLAIN_PYTHON_PYTHON_STACK_H
#define PIPESHIM_EXPLAIN_PYTHON_PYTHON_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/python/offsets.h"
#include "facts/python_frame.h"
#include "kernel/memory_reader.h"

enum {
    PYTHON_FEATURE_LIMIT = 64, /* bytes, with the NUL */
};

enum python_support {
    PYTHON_ABSENT,        /* no CPython is loaded (yet) */
    PYTHON_SUPPORTED,     /* frames can be read */
    PYTHON_UNKNOWN,       /* a version that this reader does not know */
    PYTHON_FREE_THREADED, /* built without the GIL: frames change in other ways */
    PYTHON_UNREADABLE,    /* its memory does not look as that version's does */
};

/* What is known of a process's interpreter. Plain data, valid while the process lives and does not
 * load another interpreter: the caller keeps it. */
struct python_runtime {
    enum python_support support;
    unsigned version;            /* 0x030B02F0 is 3.11.2; micro and level 0 where not published */
    uintptr_t runtime;           /* &_PyRuntime */
    uintptr_t code_type;         /* &PyCode_Type: what every code object points to */
    uint32_t pthread_tid_offset; /* of the kernel thread id in what pthread_t points to */
    struct python_offsets offsets;
};

enum python_completeness {
    PYTHON_STACK_NONE,           /* the thread runs no Python */
    PYTHON_STACK_COMPLETE,       /* all frames, or the innermost ones and a count of the others */
    PYTHON_STACK_OUTER,          /* of a running thread the outer frames; the inner ones change */
    PYTHON_STACK_LOST,           /* the innermost frames; the next could not be proven */
    PYTHON_STACK_MOVING,         /* it ran on while it was read, and nothing could be proven */
    PYTHON_STACK_SUBINTERPRETER, /* it runs in a subinterpreter: not read */
    PYTHON_STACK_UNREADABLE,     /* the interpreter's thread list could not be read */
};

struct python_stack_facts {
    enum python_completeness completeness;
    unsigned omitted;  /* frames beyond the limit, not written to `out` */
    bool omitted_more; /* there are at least that many: counting was given up */
};

/* Finds the interpreter of process `pid` (0: the calling process) and how to read it. True if
 * frames can be read; else runtime->support says why not. Reads /proc/PID/maps and the ELF
 * symbols of the executable and libpython*.so: some 100 us, so call it once. A program can load
 * libpython later: PYTHON_ABSENT is an answer for now. `reader` must read the same process. */
bool python_runtime_find(const struct memory_reader *reader, int pid,
                         struct python_runtime *runtime);

/* The part of python_runtime_find() after the symbols: `runtime`, `code_type` and `version` are
 * set; chooses the offsets and sets `support`. True if frames can be read. */
bool python_runtime_choose_offsets(const struct memory_reader *reader,
                                   struct python_runtime *runtime);

/* Writes what the `start` event's features say: "python: 3.11.2", "python: 3.15 unknown, C stack
 * only"; an empty text when there is no Python. */
void python_runtime_describe(const struct python_runtime *runtime, char *to, size_t capacity);

/* Why a stack has no or not all frames, for a person; NULL when there is nothing to say. */
const char *python_completeness_reason(enum python_completeness completeness);

/* Writes the innermost `limit` frames of the thread whose kernel thread id is `tid` (as the process
 * itself sees it: in its own pid namespace) to `out`, innermost first; returns how many.
 * Exact for a thread that does not run Python code meanwhile: the caller makes sure that it was
 * blocked before and after. Some 3 reads a frame and at most a few thousand in all. */
unsigned python_read_stack(const struct python_runtime *runtime, const struct memory_reader *reader,
                           int tid, struct python_frame *out, unsigned limit,
                           struct python_stack_facts *facts);

/* The same for a thread that may be running: what it returns was the thread's stack at one moment,
 * or it returns nothing (0, PYTHON_STACK_MOVING). facts->completeness says what is there:
 * PYTHON_STACK_COMPLETE: the whole stack; the innermost line was reached during the call.
 * PYTHON_STACK_OUTER: the thread calls and returns faster than can be read; what is returned is
 * what stood still, the innermost of it at a line that makes these calls.
 * How: the chain is walked, then copied ten times or more at irregular moments, each time twice
 * within one system call, from the outermost frame to the innermost and back. What counts is equal
 * in all copies. It must end in an outermost frame as Python starts threads with. 60 us for a stack
 * that stands still, up to a millisecond for one that does not, and about 1 us for each frame
 * beyond the forty that are copied. Needs a reader with read_pieces. */
unsigned python_read_stack_running(const struct python_runtime *runtime,
                                   const struct memory_reader *reader, int tid,
                                   struct python_frame *out, unsigned limit,
                                   struct python_stack_facts *facts);

#endif
