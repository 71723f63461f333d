// SPDX-License-Identifier: MIT
#include "report/log_queue.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "base/zeroed_memory.h"

enum { CAPACITY = 256 * 1024 }; /* a power of two; four of the longest records */

static char *bytes; /* CAPACITY, at the first record; child: kept, it is a mapping */
static _Atomic uint64_t added, taken; /* since the process began */

bool log_queue_add(const char *data, size_t size)
{
    uint64_t at = atomic_load_explicit(&added, memory_order_relaxed);
    if (size > CAPACITY - (at - atomic_load(&taken)) ||
        (!bytes && !(bytes = zeroed_memory(CAPACITY))))
        return false;
    size_t offset = at % CAPACITY;
    size_t first = size < CAPACITY - offset ? size : CAPACITY - offset;
    memcpy(bytes + offset, data, first);
    memcpy(bytes, data + first, size - first);
    atomic_store(&added, at + size);
    return true;
}

size_t log_queue_space(void)
{
    return CAPACITY - log_queue_size();
}

size_t log_queue_size(void)
{
    uint64_t from = atomic_load(&taken); /* first: it never passes `added` */
    return (size_t)(atomic_load(&added) - from);
}

int log_queue_peek(struct iovec pieces[2])
{
    size_t size = log_queue_size();
    if (size == 0) /* nor perhaps any memory yet */
        return 0;
    size_t offset = atomic_load(&taken) % CAPACITY;
    size_t first = size < CAPACITY - offset ? size : CAPACITY - offset;
    pieces[0] = (struct iovec){bytes + offset, first};
    pieces[1] = (struct iovec){bytes, size - first};
    return (first > 0) + (size > first);
}

void log_queue_copy(void *to, size_t size)
{
    uint64_t at = atomic_load(&taken);
    for (size_t i = 0; i < size; i++)
        ((char *)to)[i] = bytes[(at + i) % CAPACITY];
}

int log_queue_cut(const struct iovec *pieces, int count, size_t from, size_t size,
                  struct iovec parts[2])
{
    int found = 0;
    for (int i = 0; i < count && size > 0; i++) {
        size_t skipped = from < pieces[i].iov_len ? from : pieces[i].iov_len;
        size_t left = pieces[i].iov_len - skipped;
        size_t used = left < size ? left : size;
        from -= skipped;
        size -= used;
        if (used > 0)
            parts[found++] = (struct iovec){(char *)pieces[i].iov_base + skipped, used};
    }
    return found;
}

void log_queue_taken(size_t size)
{
    atomic_fetch_add(&taken, size);
}

void log_queue_clear(void)
{
    atomic_store(&taken, atomic_load(&added));
}
