// SPDX-License-Identifier: MIT
/*
 * One step outwards by unwind tables: from the registers of a frame to those of its caller.
 */
#ifndef PIPESHIM_EXPLAIN_CFI_FRAME_STEP_H
#define PIPESHIM_EXPLAIN_CFI_FRAME_STEP_H

#include "explain/cfi/frame_entry.h"
#include "explain/cfi/registers.h"

enum frame_step {
    FRAME_STEP_CALLER,    /* the registers are the caller's now */
    FRAME_STEP_OUTERMOST, /* the table says that there is no caller */
    FRAME_STEP_ZERO, /* the return address is 0: so makecontext(3) and some runtimes end a stack */
    FRAME_STEP_FAILED, /* the table is broken, or memory or a register is not to be had */
};

/*
 * `entry` covers the frame's code. `exact`: the frame's pc is the instruction that is executed, not
 * a return address. Registers that a called function need not preserve are not known afterwards,
 * but for what a signal handler interrupted. `registers` stay as they are unless the result is
 * FRAME_STEP_CALLER. `*missing` becomes the register for whose lack it failed, -1 if there is none.
 */
enum frame_step frame_step(const struct unwind_memory *memory, const struct frame_entry *entry,
                           bool exact, struct cfi_registers *registers, int *missing);

#endif
/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
