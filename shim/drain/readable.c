// SPDX-License-Identifier: MIT
#include "drain/readable.h"

#include <errno.h>

#include "base/raw_syscall.h"

enum { PAGE_LEAST = 4096, WORD = 8 };

/* rt_sigprocmask() reads a word before it finds that it is asked for nothing it knows. */
static bool word_is_readable(uintptr_t at)
{
    enum { NO_SUCH_OPERATION = -1 };
    if (at < WORD) /* NULL is no set, and not looked at */
        return false;
    return raw_syscall(SYS_rt_sigprocmask, NO_SUCH_OPERATION, at & ~(uintptr_t)(WORD - 1), 0,
                       WORD) != -EFAULT;
}

/* The first address that cannot be read, or `end`. */
static uintptr_t readable_to(uintptr_t at, uintptr_t end)
{
    while (at < end && word_is_readable(at))
        at = (at & ~(uintptr_t)(PAGE_LEAST - 1)) + PAGE_LEAST;
    return at < end ? at : end;
}

bool readable(const void *memory, uint64_t size)
{
    uintptr_t from = (uintptr_t)memory;
    return size <= UINTPTR_MAX - from && readable_to(from, from + size) == from + size;
}

uint64_t readable_bytes(const struct iovec *vector, int count)
{
    uint64_t bytes = 0;
    for (int i = 0; i < count; i++) {
        uintptr_t from = (uintptr_t)vector[i].iov_base;
        uint64_t size = vector[i].iov_len;
        if (size > UINTPTR_MAX - from)
            return bytes;
        uint64_t part = readable_to(from, from + size) - from;
        bytes += part;
        if (part < size)
            break;
    }
    return bytes;
}
