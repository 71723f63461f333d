// SPDX-License-Identifier: MIT
/*
 * Where libc's code lies in this process: a thread that sleeps in a system call which libc made
 * will, as a rule, make its next one through libc too, and so through a door.
 */
#ifndef PIPESHIM_WATCH_LIBC_CODE_H
#define PIPESHIM_WATCH_LIBC_CODE_H

#include <stdbool.h>
#include <stdint.h>

/* When the watchdog begins. */
void libc_code_begin(void);

/* True if both addresses, and so all between them, lie in libc. False where libc's threads are a
 * library of their own (glibc before 2.34), or it was not found. Reads the list of mappings at the
 * first call. */
bool libc_code_holds(uint64_t lowest, uint64_t highest);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
