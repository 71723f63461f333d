// SPDX-License-Identifier: MIT
/*
 * Whether the watchdog may act: it must never bring a right into the process that the program has
 * given up. It shares all memory with the program, so whoever takes the program over has its rights
 * as well.
 *
 * Credentials are a thread's own to the kernel, and a raw setresuid() or capset() changes those of
 * the calling thread only. So the rights of the watchdog are compared with those of the program's
 * threads, as /proc/self/task/TID tells them: user and group ids, supplementary groups, all five
 * capability sets, no_new_privs, the number of seccomp filters, and the user, mount and network
 * namespaces. They hold while one living thread of the program has as many: threads of one process
 * protect nothing from each other.
 *
 * Not visible there, and so not compared: a Landlock domain, the SELinux or AppArmor context, and
 * keyrings. doors/control.c stops the watchdog before a call through libc (syscall() included) that
 * enters a Landlock domain; one entered by a program's own system call instruction is noticed by
 * the no_new_privs that goes with it, unless that had been set long before.
 */
#ifndef PIPESHIM_KERNEL_RIGHTS_H
#define PIPESHIM_KERNEL_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

enum { RIGHTS_SETS = 5 };

struct rights {
    uint64_t ids;               /* hash of the four user and the four group ids */
    uint64_t groups;            /* hash of the supplementary groups */
    uint64_t sets[RIGHTS_SETS]; /* capabilities: inheritable, permitted, effective, bounding,
                                   ambient */
    uint64_t no_new_privileges; /* 0 or 1 */
    uint64_t seccomp;           /* mode: 0, 1 strict, 2 filter */
    uint64_t filters;           /* how many; 0 where the kernel does not tell (before 5.9) */
    uint64_t namespaces;        /* hash */
    char state;                 /* R, S, D, T, t, I: alive; Z, X: not */
};

/* The rights of thread `tid` of this process as /proc names it, 0: of the caller; false when they
 * cannot be read, or it is gone. Opens one file at a time. */
bool rights_read(int tid, struct rights *rights);

/* True if whoever has `upper` may do all that `lower` may. */
bool rights_cover(const struct rights *upper, const struct rights *lower);

/* On the watchdog, when it begins. */
void rights_begin(void);

/* On the watchdog, before it opens, writes or signals anything: false when it must do nothing more
 * but end, because it was asked to, because no thread of the program is left, or because none
 * has as many rights. A proof costs 20 to 50 us and is good for 50 times its cost, 0.1 s at most,
 * and for as long as the thread that had them has not run, which its clock tells in 0.5 us.
 * True on any other thread: what they do, they do with their own rights. */
bool rights_hold(void);

/* The same for a scan that only looks at its own process's memory, at `now` (CLOCK_MONOTONIC, ns):
 * without a system call when the last proof is no older than 0.5 s and nothing is in doubt. What
 * the scan then opens, writes or signals asks rights_hold(). */
bool rights_stand(uint64_t now);

/* After rights_hold() was false: whether because /proc cannot be read here (a chroot without it, a
 * Landlock domain). */
bool rights_unreadable(void);

/* After rights_hold() was false: true if all threads of the program have left. */
bool rights_nobody_left(void);

/* Runs on: watchdog; rights_hold() anywhere. AS-safe: yes. Blocks: no. */
#endif
