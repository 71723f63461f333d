// SPDX-License-Identifier: MIT
/*
 * From a code address to the entry of .eh_frame that describes it: through the sorted table of
 * .eh_frame_hdr, which every linker writes, else by reading .eh_frame from its start.
 */
#ifndef PIPESHIM_EXPLAIN_CFI_FRAME_SEARCH_H
#define PIPESHIM_EXPLAIN_CFI_FRAME_SEARCH_H

#include "explain/cfi/frame_entry.h"

/*
 * False if no entry covers `pc`.
 *
 * Where an address was found last is remembered in a table of fixed size. That is a hint and no
 * more: the entry is read again, and counts only if it covers `pc`. So an object that is gone, a
 * fork and two threads at once do no harm.
 */
bool frame_search(const struct unwind_memory *memory, const struct unwind_tables *tables,
                  uintptr_t pc, struct frame_entry *entry);

#endif
/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
