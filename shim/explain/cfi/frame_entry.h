// SPDX-License-Identifier: MIT
/*
 * One entry of .eh_frame: the frame description (FDE) of a piece of code, with what its common
 * part (CIE) says. "Linux Standard Base, Core", 10.6; what the letters mean: gcc's unwind-dw2.c.
 */
#ifndef PIPESHIM_EXPLAIN_CFI_FRAME_ENTRY_H
#define PIPESHIM_EXPLAIN_CFI_FRAME_ENTRY_H

#include "explain/cfi/table_cursor.h"

/* Where the unwind tables of one loaded object are. Nothing outside of [low, high) is taken for a
 * table. */
struct unwind_tables {
    uintptr_t low, high;
    uintptr_t eh_frame_hdr; /* 0: it has none */
    uintptr_t eh_frame;     /* only if there is no eh_frame_hdr; 0: unknown */
};

struct frame_entry {
    uintptr_t start, end; /* the code that it describes */
    uint64_t code_factor;
    int64_t data_factor;
    uint64_t return_column;       /* the register that has the return address in the end */
    bool signal_frame;            /* the code that a signal handler returns to */
    uint8_t pointer_encoding;     /* of DW_CFA_set_loc */
    uintptr_t common, common_end; /* the CIE's instructions */
    uintptr_t own, own_end;       /* the FDE's */
    uintptr_t limit;              /* the end of the object's tables */
};

/* What stands at a place in .eh_frame. */
enum frame_entry_kind {
    FRAME_ENTRY_BROKEN, /* nothing that can be understood */
    FRAME_ENTRY_LAST,   /* the mark of the table's end */
    FRAME_ENTRY_COMMON, /* a CIE, or an FDE that cannot be understood: to be passed over */
    FRAME_ENTRY_CODE,   /* an FDE */
};

/* Reads the entry at `address`. `*next` becomes the place of the next one unless it is broken or
 * the last; `entry` is filled in for code only. */
enum frame_entry_kind frame_entry_read(const struct unwind_memory *memory,
                                       const struct unwind_tables *tables, uintptr_t address,
                                       struct frame_entry *entry, uintptr_t *next);

#endif
/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
