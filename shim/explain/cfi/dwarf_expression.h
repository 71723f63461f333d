// SPDX-License-Identifier: MIT
/*
 * The stack machine of DWARF ("DWARF Debugging Information Format", version 5, 2.5), as far as
 * unwind tables use it: glibc's signal trampoline, procedure linkage tables, realigned stacks.
 */
#ifndef PIPESHIM_EXPLAIN_CFI_DWARF_EXPRESSION_H
#define PIPESHIM_EXPLAIN_CFI_DWARF_EXPRESSION_H

#include "explain/cfi/registers.h"
#include "explain/cfi/table_cursor.h"

/*
 * Evaluates the block at `block`: its length as ULEB128, then that many bytes, not beyond `limit`.
 * `initial`: what the stack starts with, the canonical frame address in a rule for a register;
 * NULL: nothing. False if an operation is unknown, memory cannot be read, or it does not end; and
 * if it needs a register that is not known, whose number is then in `*missing`.
 */
bool expression_evaluate(const struct unwind_memory *memory, uintptr_t block, uintptr_t limit,
                         const struct cfi_registers *registers, const uint64_t *initial,
                         uint64_t *result, int *missing);

#endif
/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
