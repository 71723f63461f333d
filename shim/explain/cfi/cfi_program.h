// SPDX-License-Identifier: MIT
/*
 * The call frame instructions (DW_CFA_*) of an entry, run up to an address: how the caller's
 * registers are found there. "DWARF Debugging Information Format", version 5, 6.4.
 */
#ifndef PIPESHIM_EXPLAIN_CFI_CFI_PROGRAM_H
#define PIPESHIM_EXPLAIN_CFI_CFI_PROGRAM_H

#include "explain/cfi/frame_entry.h"
#include "explain/cfi/registers.h"

enum cfi_rule {
    CFI_UNSPECIFIED, /* nothing was said: as the calling convention has it */
    CFI_UNDEFINED,   /* lost; of the return address: there is no caller */
    CFI_SAME,        /* the function has not touched it */
    CFI_OFFSET,      /* saved at the canonical frame address + value */
    CFI_VAL_OFFSET,  /* is the canonical frame address + value */
    CFI_REGISTER,    /* is in register `value` */
    CFI_EXPRESSION,  /* saved where the expression at address `value` says */
    CFI_VAL_EXPRESSION,
};

struct cfi_row {
    uintptr_t start, end; /* the code for which it holds */
    /* The canonical frame address: register + offset, or the expression at `cfa_expression`. */
    uint64_t cfa_register;
    int64_t cfa_offset;
    uintptr_t cfa_expression; /* 0: there is none */
    uint8_t rule[CFI_REGISTERS];
    int64_t value[CFI_REGISTERS];
    bool signed_return; /* aarch64: the return address is signed (PAC) */
};

/* The row of the entry that holds at `pc`, which it covers. False if its instructions cannot be
 * understood. Rules for registers that no unwinding needs (floating point) are passed over. */
bool cfi_row_at(const struct unwind_memory *memory, const struct frame_entry *entry, uintptr_t pc,
                struct cfi_row *row);

#endif
/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
