// SPDX-License-Identifier: MIT
/*
 * The stack of one of the program's threads, taken and named by the watchdog: the one place that
 * owns the large memory for it. One stack at a time; for the watchdog thread only.
 */
#ifndef PIPESHIM_WATCH_THREAD_STACK_H
#define PIPESHIM_WATCH_THREAD_STACK_H

#include <stdbool.h>

#include "explain/stack_snapshot.h"
#include "facts/incident.h"
#include "facts/stack.h"
#include "kernel/memory_reader.h"
#include "watch/proof.h"

/* False: PIPESHIM_STACK=off, nothing is to be taken. */
bool thread_stack_wanted(void);

/* The snapshot to be filled before thread_stack_unwind(). */
struct stack_snapshot *thread_stack_snapshot(void);

/* Fills it with the stack of the thread that `record`, a copy of `slot`, is of. Of a call whose end
 * is marked the caller looks afterwards whether the slot has moved; of another one the copy is of
 * one sleep in it, or false: by the kernel's count of the time that the thread has run. */
bool thread_stack_take(const struct memory_reader *memory, const struct slot *slot,
                       const struct slot_record *record);

/* No stack: what thread_stack_trace() and thread_stack_name() give until the next unwind. */
void thread_stack_clear(void);

/* From the snapshot to addresses; some 20 to 100 us. */
void thread_stack_unwind(const struct memory_reader *memory);

const struct stack_trace *thread_stack_trace(void);

/* How many of the innermost frames are this library's wrappers: no frames of the program's. */
unsigned thread_stack_own_frames(void);

/* Puts the named frames and their hash into `incident`; valid until the next call. Reads symbol
 * tables, and the perf map of a runtime that compiles its code. */
void thread_stack_name(const struct memory_reader *memory, struct incident *incident);

/* Runs on: watchdog. AS-safe: yes. Blocks: as long as the file systems of symbol files do. */
#endif
