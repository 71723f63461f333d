// SPDX-License-Identifier: MIT
/* Which CPython a process runs, and how its structures are read. See python_stack.h. */
#ifndef PIPESHIM_EXPLAIN_PYTHON_PYTHON_RUNTIME_H
#define PIPESHIM_EXPLAIN_PYTHON_PYTHON_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/python/offsets.h"
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

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
