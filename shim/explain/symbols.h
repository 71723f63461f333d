// SPDX-License-Identifier: MIT
/*
 * From the addresses of a stack to modules, offsets, build-ids and function names.
 */
#ifndef PIPESHIM_EXPLAIN_SYMBOLS_H
#define PIPESHIM_EXPLAIN_SYMBOLS_H

#include <stddef.h>

#include "explain/modules.h"
#include "facts/stack.h"
#include "kernel/memory_reader.h"

/*
 * Names the first `depth` frames of `trace` (all, if it has fewer) in `names`; returns their
 * number. What is not known of a frame stays empty or 0.
 *
 * Static functions have names too: each module's file is read, its .symtab, else that of
 * /usr/lib/debug/.build-id, else its .dynsym. A file that is not the one that is mapped (replaced
 * by an upgrade, deleted) is not used: then the .dynsym in memory is.
 *
 * `modules` and `reader` are of one process; files of another one are opened by its own root
 * (/proc/PID/root), which needs the right to trace it, and its executable even if it was deleted.
 *
 * No lock, no malloc; one anonymous mapping for the time of the
 * call; opens the modules' files one after the other, close-on-exec: by rights in a thread with an
 * fd table of its own. Takes milliseconds for a module of 300,000 symbols, well below one for most.
 * May block as long as the file systems do.
 */
size_t symbolize(const struct stack_trace *trace, const struct modules *modules,
                 const struct memory_reader *reader, struct stack_frame_name *names, size_t depth);

/* Runs on: watchdog. AS-safe: yes. Blocks: as long as the file systems of symbol files do. */
#endif
