// SPDX-License-Identifier: MIT
/*
 * What takes memory away, or the right to read it, from a write that the drainer may be copying
 * just now (drain/mapping_changes.h). Without PIPESHIM_DRAIN each is a test and a jump. What only
 * adds memory is not here, nor what hands back pages that read as zeroes.
 */
#include <sys/mman.h>
#include <sys/shm.h>

#include "base/raw_syscall.h"
#include "doors/door.h"
#include "doors/mapping_doors.h"
#include "doors/real.h"
#include "drain/drain.h"
#include "drain/mapping_changes.h"

enum { GUARD_INSTALL = 102 }; /* MADV_GUARD_INSTALL of Linux 6.13 */

#define CHANGES_MAPPINGS(when, type, name, parameters, arguments)                                  \
    DOOR(type, name, parameters)                                                                   \
    {                                                                                              \
        BOUND(name);                                                                               \
        if (__builtin_expect(!drain_enabled || !(when), 1))                                        \
            return real_##name arguments;                                                          \
        mapping_change_begins();                                                                   \
        type result = real_##name arguments;                                                       \
        mapping_change_ends();                                                                     \
        return result;                                                                             \
    }

CHANGES_MAPPINGS(true, int, munmap, (void *at, size_t size), (at, size))
CHANGES_MAPPINGS(true, int, mprotect, (void *at, size_t size, int protection),
                 (at, size, protection))
CHANGES_MAPPINGS(true, int, pkey_mprotect, (void *at, size_t size, int protection, int key),
                 (at, size, protection, key))
CHANGES_MAPPINGS(true, void *, mremap, (void *at, size_t size, size_t to, int flags, void *place),
                 (at, size, to, flags, place))
CHANGES_MAPPINGS(flags &MAP_FIXED, void *, mmap,
                 (void *at, size_t size, int protection, int flags, int fd, off_t offset),
                 (at, size, protection, flags, fd, offset))
CHANGES_MAPPINGS(flags &MAP_FIXED, void *, mmap64,
                 (void *at, size_t size, int protection, int flags, int fd, off64_t offset),
                 (at, size, protection, flags, fd, offset))
CHANGES_MAPPINGS(advice == GUARD_INSTALL, int, madvise, (void *at, size_t size, int advice),
                 (at, size, advice))
CHANGES_MAPPINGS(flags &SHM_REMAP, void *, shmat, (int id, const void *at, int flags),
                 (id, at, flags))
CHANGES_MAPPINGS(true, int, shmdt, (const void *at), (at))

void mapping_doors_syscall(long number, long c, long d)
{
    switch (number) {
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_pkey_mprotect:
    case SYS_mremap:
    case SYS_shmdt:
        mapping_changes_for_good();
        break;
    case SYS_mmap:
        if (d & MAP_FIXED)
            mapping_changes_for_good();
        break;
    case SYS_madvise:
        if (c == GUARD_INSTALL)
            mapping_changes_for_good();
        break;
    default:
        break;
    }
}
