// SPDX-License-Identifier: MIT
/*
 * Out of a signal handler without tables: the kernel put the interrupted registers on the stack,
 * in a place that is part of its interface.
 *
 * musl and Go bring code for a handler's return that no table describes, and the table of arm64's
 * vDSO does not tell where the interrupted code was.
 */
#ifndef PIPESHIM_EXPLAIN_CFI_SIGNAL_FRAME_H
#define PIPESHIM_EXPLAIN_CFI_SIGNAL_FRAME_H

#include "explain/cfi/registers.h"
#include "explain/cfi/table_cursor.h"

/* True if `registers` were those of a frame whose code is rt_sigreturn(2), and are now all of those
 * that the signal interrupted. Else they stay as they are. */
bool signal_frame_step(const struct unwind_memory *memory, struct cfi_registers *registers);

#endif
/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
