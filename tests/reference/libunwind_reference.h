// SPDX-License-Identifier: MIT
/*
 * libunwind on the same registers, memory and tables as explain/cfi: what the library's own
 * unwinder is compared with.
 */
#ifndef PIPESHIM_REFERENCE_LIBUNWIND_REFERENCE_H
#define PIPESHIM_REFERENCE_LIBUNWIND_REFERENCE_H

#include "explain/cfi/frame_entry.h"
#include "explain/cfi/registers.h"

struct reference {
    const struct unwind_memory *memory;
    /* The tables of the object at `pc`; false: it lies in none. */
    bool (*find_tables)(const struct reference *reference, uintptr_t pc,
                        struct unwind_tables *tables);
    const void *argument;
};

/* Once. False: there is no libunwind. */
bool reference_init(void);

/* At most `limit` frames' pcs, the given one first. `*complete`: it came to the outermost. */
unsigned reference_walk(const struct reference *reference, const struct cfi_registers *from,
                        uint64_t *pc, unsigned limit, bool *complete);

/* One step: 1, `to` are the caller's registers as far as they are known; 0, there is no caller;
 * -1, it failed. The pc is an exact one. */
int reference_step(const struct reference *reference, const struct cfi_registers *from,
                   struct cfi_registers *to);

#endif
