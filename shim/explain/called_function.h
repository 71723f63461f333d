// SPDX-License-Identifier: MIT
/*
 * Which function a call instruction calls.
 *
 * A stack tells where each function will return to, not which one was called: libc leaves perror,
 * psignal, fputc and others by a jump (a tail call), and the frame that is found in their place
 * belongs to a helper of which the caller knows nothing.
 */
#ifndef PIPESHIM_EXPLAIN_CALLED_FUNCTION_H
#define PIPESHIM_EXPLAIN_CALLED_FUNCTION_H

#include <stdbool.h>
#include <stdint.h>

#include "explain/stack_snapshot.h"

/* The function that the call before `return_address` called: through the stub of the procedure
 * linkage table, if it goes to one, and the address that the dynamic linker has put there. False
 * if the machine code does not say it (a call through a register). Async-signal-safe, never
 * faults. */
bool called_function(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                     uintptr_t return_address, uintptr_t *function);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
