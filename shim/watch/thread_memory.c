// SPDX-License-Identifier: MIT
#include "watch/thread_memory.h"

#include <sys/mman.h>

#include "base/address_sanitizer.h"
#include "base/raw_syscall.h"

enum {
    STACK_SIZE = 256 * 1024,
    GUARD_SIZE = 4096 * 16, /* a multiple of every page size in use (aarch64: up to 64 KiB) */
    HEAD_SIZE = GUARD_SIZE, /* around the thread pointer: a head without thread-local variables */
    MAPPING_SIZE = GUARD_SIZE + STACK_SIZE + GUARD_SIZE + HEAD_SIZE,
};

/* The memory outlives the thread: made once in a process, used again by the next one. A forked
 * child inherits the mapping and uses it for its own. child: kept, it is a mapping */
static char *mapping;

/* From low to high: guard, stack, guard, head. */
static bool make_mapping(void)
{
    long made = raw_syscall(SYS_mmap, 0, MAPPING_SIZE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made < 0 && made > -4096)
        return false;
    raw_syscall(SYS_mprotect, made, GUARD_SIZE, PROT_NONE);
    raw_syscall(SYS_mprotect, made + GUARD_SIZE + STACK_SIZE, GUARD_SIZE, PROT_NONE);
    mapping = (char *)made;
    return true;
}

bool thread_memory_take(struct thread_memory *memory)
{
    if (!mapping && !make_mapping())
        return false;
    stack_begins_anew(mapping + GUARD_SIZE, STACK_SIZE);
    /* Inside the stack, not at its end: valgrind looks for the mapping that it is in. */
    memory->stack_top = mapping + GUARD_SIZE + STACK_SIZE - 64;
    void **head = (void **)(mapping + MAPPING_SIZE - HEAD_SIZE / 2);
#if defined(__x86_64__)
    head[0] = head; /* tcb and self of tcbhead_t: %fs:0 and %fs:16 name themselves (the psABI) */
    head[2] = head;
#endif
    memory->thread_pointer = head;
    return true;
}
