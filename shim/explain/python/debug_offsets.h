// SPDX-License-Identifier: MIT
/*
 * The offsets that CPython publishes about itself from 3.13 on: _Py_DebugOffsets at the start of
 * _PyRuntime (Include/internal/pycore_debug_offsets.h).
 */
#ifndef PIPESHIM_EXPLAIN_PYTHON_DEBUG_OFFSETS_H
#define PIPESHIM_EXPLAIN_PYTHON_DEBUG_OFFSETS_H

#include <stdbool.h>
#include <stdint.h>

#include "explain/python/offsets.h"
#include "kernel/memory_reader.h"

enum { DEBUG_OFFSETS_FIRST_MINOR = 13, DEBUG_OFFSETS_LAST_MINOR = 14 };

struct debug_offsets {
    uint32_t version; /* PY_VERSION_HEX */
    bool free_threaded;
    bool usable; /* `offsets` was filled and is plausible */
    struct python_offsets offsets;
};

/* Reads what is published at `runtime`; false if nothing is (the cookie is missing). The order of
 * the published numbers changes between minor versions too: it is known for 3.13 and 3.14, and
 * believed only if what never varies between them is where it should be. Async-signal-safe. */
bool debug_offsets_read(const struct memory_reader *reader, uintptr_t runtime,
                        struct debug_offsets *debug);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
