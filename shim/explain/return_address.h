// SPDX-License-Identifier: MIT
/*
 * Proofs by machine code, for frames that no unwind table describes (code made by a JIT compiler,
 * the perf trampolines of CPython) and for guesses that must not become false frames.
 */
#ifndef PIPESHIM_EXPLAIN_RETURN_ADDRESS_H
#define PIPESHIM_EXPLAIN_RETURN_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "explain/modules.h"
#include "explain/stack_snapshot.h"

/* Whether an address in memory can be one that a call returns to. */
enum return_address {
    RETURN_ADDRESS_NO,        /* no call instruction before it, or not in code */
    RETURN_ADDRESS_ANONYMOUS, /* after a call, in memory of no loaded object: a JIT compiler's? */
    RETURN_ADDRESS_MODULE,    /* after a call, in executable memory of a loaded object */
};

enum return_address return_address_check(struct stack_snapshot *snapshot,
                                         const struct modules *modules,
                                         const struct memory_reader *reader, uintptr_t address);

/* The function that the call before `address` calls, where the instruction itself says it; false if
 * it is an indirect call. It may lead to a stub of the procedure linkage table. */
bool direct_call_target(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                        uintptr_t address, uintptr_t *target);

/* True if `pc` is the code that a signal handler returns to: rt_sigreturn(2). */
bool is_signal_trampoline(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                          uintptr_t pc);

/* True if all that follows at `pc` is to drop `*size` bytes of stack and return: the frames of
 * CPython's perf trampolines on x86_64, which keep no frame pointer and have no tables. */
bool is_stack_drop_and_return(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                              uintptr_t pc, uint64_t *size);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
