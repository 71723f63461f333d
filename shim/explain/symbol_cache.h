// SPDX-License-Identifier: MIT
/*
 * The names of frames of this process that were found before: most stacks that are reported one
 * after the other are nearly the same, and to search the symbol tables takes half a millisecond.
 */
#ifndef PIPESHIM_EXPLAIN_SYMBOL_CACHE_H
#define PIPESHIM_EXPLAIN_SYMBOL_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/stack.h"

/* Sets the symbol of `name` and its offset, or leaves it without one, if it is known what stands at
 * `address` (inside the function) in a module of the same build-id at the same place. All else of
 * `name` is set. False: it is not known. */
bool symbol_cache_find(uint64_t address, struct stack_frame_name *name);

/* Keeps what was found, or that nothing was, in the module's own file. Names of more than 95 bytes,
 * and of modules without a build-id, which are not known again, are not kept. */
void symbol_cache_keep(uint64_t address, const struct stack_frame_name *name);

/* Runs on: watchdog; at exit the one thread that speaks. AS-safe: yes. Blocks: no. */
#endif
