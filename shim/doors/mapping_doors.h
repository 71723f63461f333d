// SPDX-License-Identifier: MIT
#ifndef PIPESHIM_DOORS_MAPPING_DOORS_H
#define PIPESHIM_DOORS_MAPPING_DOORS_H

/* A call of syscall(2) by the program, while something may be drained; `c` and `d` are the third
 * and the fourth argument of the kernel's call. Its end is not seen. */
void mapping_doors_syscall(long number, long c, long d);

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: no. */
#endif
