// SPDX-License-Identifier: MIT
#include "cli/relay/byte_queue.h"

#include <string.h>
#include <sys/mman.h>

bool byte_queue_open(struct byte_queue *queue, uint64_t size)
{
    *queue = (struct byte_queue){.size = size};
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    queue->memory = memory;
    return true;
}

char *byte_queue_space(struct byte_queue *queue, size_t *space)
{
    uint64_t at = queue->head % queue->size;
    uint64_t free = queue->size - byte_queue_used(queue);
    *space = free < queue->size - at ? free : queue->size - at;
    return queue->memory + at;
}

void byte_queue_put(struct byte_queue *queue, size_t bytes)
{
    queue->head += bytes;
    if (queue->peak < byte_queue_used(queue))
        queue->peak = byte_queue_used(queue);
}

const char *byte_queue_next(const struct byte_queue *queue, size_t *bytes)
{
    uint64_t at = queue->tail % queue->size;
    uint64_t used = byte_queue_used(queue);
    *bytes = used < queue->size - at ? used : queue->size - at;
    return queue->memory + at;
}

void byte_queue_took(struct byte_queue *queue, size_t bytes)
{
    enum { KEPT = 1 << 20 };
    queue->tail += bytes;
    if (byte_queue_used(queue) == 0 && queue->peak > KEPT)
        madvise(queue->memory, queue->size, MADV_DONTNEED);
}

/* The position after the line that `from` lies in; `head` if it does not end. */
static uint64_t line_end(const struct byte_queue *queue, uint64_t from)
{
    while (from < queue->head) {
        uint64_t at = from % queue->size;
        uint64_t part = queue->head - from;
        if (part > queue->size - at)
            part = queue->size - at;
        const char *end = memchr(queue->memory + at, '\n', part);
        if (end)
            return from + (uint64_t)(end - (queue->memory + at)) + 1;
        from += part;
    }
    return queue->head;
}

uint64_t byte_queue_drop_oldest(struct byte_queue *queue, uint64_t bytes, bool begun)
{
    uint64_t free = queue->size - byte_queue_used(queue);
    if (free >= bytes || begun)
        return 0;
    uint64_t before = queue->tail;
    queue->tail = line_end(queue, queue->tail + (bytes - free) - 1);
    return queue->tail - before;
}
