// SPDX-License-Identifier: MIT
/*
 * From a code address to its entry of .eh_frame, in whichever loaded object it lies.
 */
#ifndef PIPESHIM_EXPLAIN_CFI_UNWIND_MODULES_H
#define PIPESHIM_EXPLAIN_CFI_UNWIND_MODULES_H

#include "explain/cfi/frame_entry.h"
#include "explain/modules.h"

enum { UNWIND_MODULES = 16 };

/* The objects that one unwind came to; zero but for `of` at its start. Not for longer: objects go.
 */
struct unwind_modules {
    const struct modules *of; /* the process */
    unsigned count;
    struct unwind_tables tables[UNWIND_MODULES];
};

/* False if no object's table describes the code at `pc`. */
bool unwind_modules_search(struct unwind_modules *modules, const struct unwind_memory *memory,
                           uintptr_t pc, struct frame_entry *entry);

#endif
/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
