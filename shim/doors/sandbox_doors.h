// SPDX-License-Identifier: MIT
/* prctl(2) and seccomp(2): where the program puts itself under a filter of its system calls. */
#ifndef PIPESHIM_DOORS_SANDBOX_DOORS_H
#define PIPESHIM_DOORS_SANDBOX_DOORS_H

/* syscall(SYS_prctl, …), syscall(SYS_seccomp, …). As the libc function of that name: -1 and errno.
 */
long sandbox_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
long sandbox_seccomp(unsigned operation, unsigned flags, void *program);

/* Runs on: the program's threads. AS-safe: yes. Blocks: while the watchdog ends, 2 s at most, and
 * as long as PIPESHIM_DRAIN_EXIT says where something is queued that the filter forbids to send. */
#endif
