// SPDX-License-Identifier: MIT
#include "watch/thread_memory.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/raw_syscall.h"
#include "base/thread_pointer.h"
#include "slots/slot.h"

enum {
    STACK_SIZE = 256 * 1024,
    GUARD_SIZE = 4096 * 16, /* a multiple of every page size in use (aarch64: up to 64 KiB) */
    /* The creator's struct pthread and the static TLS next to it, as far as they are copied: on
     * x86_64 the TLS lies below the thread pointer, on aarch64 above it. */
    TCB_BEHIND = 32 * 1024,
    TCB_AHEAD = 32 * 1024,
    TCB_SIZE = TCB_BEHIND + TCB_AHEAD,
    MAPPING_SIZE = GUARD_SIZE + STACK_SIZE + TCB_SIZE,
    /* Of all architectures: each is asked for. */
    SMALLEST_PAGE = 4096,
};

/* The memory outlives the thread: made once in a process, used again by the next one. A forked
 * child inherits the mapping and uses it for its own. */
static char *mapping;

/* Mapped is not enough: behind a thread's stack lies the guard page (PROT_NONE) of the next one. */
static bool page_is_readable(uintptr_t page)
{
    enum { NO_SUCH_OPERATION = -1, KERNEL_SIGNAL_SET_SIZE = 8 };
    /* EFAULT: the kernel cannot read a signal set there. Else EINVAL, and nothing has changed: it
     * reads the set before it looks at the operation (rt_sigprocmask in kernel/signal.c). */
    return raw_syscall(SYS_rt_sigprocmask, NO_SUCH_OPERATION, page, 0, KERNEL_SIGNAL_SET_SIZE) !=
           -EFAULT;
}

/* Copies what is readable around the caller's thread pointer and makes it stand for the new thread.
 */
static void *copy_thread_control_block(char *to)
{
    uintptr_t from = read_thread_pointer();
    char *pointer = to + TCB_BEHIND;
    memset(to, 0, TCB_SIZE);
    /* From the thread pointer outwards, as far as the mapping goes: the block is contiguous. */
    for (uintptr_t low = from; low > from - TCB_BEHIND;) {
        uintptr_t next = (low - 1) & ~(uintptr_t)(SMALLEST_PAGE - 1);
        if (next < from - TCB_BEHIND)
            next = from - TCB_BEHIND;
        if (!page_is_readable(next))
            break;
        memcpy(pointer - (from - next), (const void *)next, low - next);
        low = next;
    }
    for (uintptr_t high = from; high < from + TCB_AHEAD;) {
        uintptr_t next = (high + SMALLEST_PAGE) & ~(uintptr_t)(SMALLEST_PAGE - 1);
        if (next > from + TCB_AHEAD)
            next = from + TCB_AHEAD;
        if (!page_is_readable(high))
            break;
        memcpy(pointer + (high - from), (const void *)high, next - high);
        high = next;
    }
#if defined(__x86_64__)
    ((void **)pointer)[0] = pointer; /* tcb and self of tcbhead_t: what %fs:0 and %fs:16 name */
    ((void **)pointer)[2] = pointer;
#endif
    return pointer;
}

static ptrdiff_t distance(const void *variable)
{
    return (const char *)variable - (const char *)read_thread_pointer();
}

static bool is_copied(ptrdiff_t offset)
{
    return offset >= -TCB_BEHIND && offset <= TCB_AHEAD - (ptrdiff_t)sizeof(void *);
}

bool thread_memory_reaches_libc(void)
{
    return is_copied(distance(&errno));
}

/* The new thread's slot pointer in its copied TLS: the creator's would be written by two threads.
 */
static void forget_creators_slot(char *thread_pointer)
{
    ptrdiff_t offset = distance(&thread_slot);
    if (is_copied(offset))
        *(struct slot **)(thread_pointer + offset) = slot_none();
}

static bool make_mapping(void)
{
    if (mapping)
        return true;
    long made = raw_syscall(SYS_mmap, 0, MAPPING_SIZE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made < 0 && made > -4096)
        return false;
    raw_syscall(SYS_mprotect, made, GUARD_SIZE, PROT_NONE);
    mapping = (char *)made;
    return true;
}

bool thread_memory_take(struct thread_memory *memory)
{
    if (!make_mapping())
        return false;
    memory->stack_top = mapping + GUARD_SIZE + STACK_SIZE;
    memory->thread_pointer = copy_thread_control_block(memory->stack_top);
    forget_creators_slot(memory->thread_pointer);
    return true;
}
