// SPDX-License-Identifier: MIT
/*
 * When the program changes what is mapped, or may be read: munmap, mprotect, mremap and their kin
 * (doors/mapping_doors.c).
 *
 * A queued write is copied in user space, where what write(2) answers EFAULT for is SIGSEGV. So
 * what can be read is asked for first, and nobody may take it away between the question and the
 * copy. A thread that is about to says so here, and waits for those that copy just now; a copy that
 * finds it under way, or done since its question, is made by the kernel (process_vm_readv(2) of
 * ourselves), which stops where memory ends. That costs five times a small copy: hence not always.
 *
 * Not seen: libc's own changes (free() of a large block, the stack of a thread that has ended),
 * which take away what a program must not write any more, and system calls without libc.
 */
#ifndef PIPESHIM_DRAIN_MAPPING_CHANGES_H
#define PIPESHIM_DRAIN_MAPPING_CHANGES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mapping_changes {
    _Atomic uint32_t under_way;
    _Atomic uint32_t version; /* moved before each change and after it */
};
extern struct mapping_changes mapping_changes __attribute__((visibility("hidden")));

/* Of what was asked before it changed nothing may be believed. */
static inline uint32_t mapping_version(void)
{
    return atomic_load_explicit(&mapping_changes.version, memory_order_acquire);
}

/* The stream's lock is held, so that who changes something waits for the copy. False: what was
 * asked at `version` may be otherwise now. */
static inline bool mapping_is_as_asked(uint32_t version)
{
    return atomic_load(&mapping_changes.under_way) == 0 && mapping_version() == version;
}

/* Around a change. The first waits for the copies that have begun; a second at most, should one of
 * them have been stopped. Keeps errno. */
void mapping_change_begins(void);
void mapping_change_ends(void);

/* By a system call whose end nobody sees: from now on the kernel copies. */
void mapping_changes_for_good(void);

/* A forked child: a thread that it does not have may have been in a change. */
void mapping_changes_begin_in_child(void);

/* Runs on: program threads. AS-safe: yes. Blocks: no, but for copies. */
#endif
