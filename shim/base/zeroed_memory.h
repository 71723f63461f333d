// SPDX-License-Identifier: MIT
/*
 * Zeroed memory for what is too large to be a static variable of the library: a start maps the
 * whole of that, and where the library is 2 MB or more, 8 us are lost at each start of each
 * program (the kernel puts it by itself, with page tables of its own). Taken when it is first
 * needed, and never given back; a forked child has its copy.
 */
#ifndef PIPESHIM_BASE_ZEROED_MEMORY_H
#define PIPESHIM_BASE_ZEROED_MEMORY_H

#include <stddef.h>
#include <sys/mman.h>

#include "base/raw_syscall.h"

/* `size` bytes, of which the kernel gives what is touched; NULL: it has none. */
static inline void *zeroed_memory(size_t size)
{
    long made =
        raw_syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return made < 0 && made > -4096 ? NULL : (void *)made;
}

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
