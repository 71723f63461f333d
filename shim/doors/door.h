// SPDX-License-Identifier: MIT
/* How a function under a libc name is written. */
#ifndef PIPESHIM_DOORS_DOOR_H
#define PIPESHIM_DOORS_DOOR_H

#include "doors/real.h"

/* Bound to the libc name by an assembler label: defined under that name in C it would have to match
 * the prototype of each libc version, and some headers define the name as a macro. */
#define DOOR(type, name, parameters)                                                               \
    type door_##name parameters __asm__(#name) __attribute__((visibility("default")));             \
    type door_##name parameters

/* Binds the pointer at its first use. Two threads may do it at once: both store the same. */
#define BOUND(name)                                                                                \
    if (__builtin_expect(!real_##name, 0))                                                         \
    real_##name = (__typeof__(real_##name))real_function(#name)

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: no. */
#endif
