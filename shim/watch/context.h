// SPDX-License-Identifier: MIT
/*
 * What the watchdog works with in this process: how it reads memory, what it may ask of the kernel,
 * and how long which call may last.
 */
#ifndef PIPESHIM_WATCH_CONTEXT_H
#define PIPESHIM_WATCH_CONTEXT_H

#include <stdint.h>

#include "facts/calls.h"
#include "kernel/memory_reader.h"

/* Decides how memory is read and what is allowed; the watchdog begins with it, on its own thread.
 */
void context_begin(void);

/* Reads the program's memory. */
const struct memory_reader *context_memory(void);
/* What may be used to look at other processes: ACCESS_… of kernel/object_reader.h. */
unsigned context_permitted_access(void);

/* The threshold after which a call of `class` is worth a judgement, in ns. */
uint64_t context_threshold_ns(enum call_class class);
/* When a call is first judged: a wait inside a callback may be of any class. */
uint64_t context_due_ns(enum call_id id);
/* How long a loop may be away, in ns. */
uint64_t context_lag_threshold_ns(void);
/* The smallest of them. */
uint64_t context_smallest_threshold_ns(void);
/* Between two looks at a program that makes calls all the time: two thirds of it. */
uint64_t context_steady_interval_ns(void);

/* Thresholds are others from now on. */
void context_settings_changed(void);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
