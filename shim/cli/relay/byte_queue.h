// SPDX-License-Identifier: MIT
/*
 * A stream of bytes between a reader and a writer, bounded. A relay sees no writes, only bytes:
 * what is dropped are whole lines, so that what arrives begins and ends where a line does.
 */
#ifndef PIPESHIM_CLI_RELAY_BYTE_QUEUE_H
#define PIPESHIM_CLI_RELAY_BYTE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct byte_queue {
    char *memory; /* a ring; pages that hold nothing go back when it is empty */
    uint64_t size;
    uint64_t head, tail; /* bytes that ever came in, and went out */
    uint64_t peak;
    bool skips; /* bytes are dropped until a line ends: the rest of it has been */
};

/* False: no memory. */
bool byte_queue_open(struct byte_queue *queue, uint64_t size);

static inline uint64_t byte_queue_used(const struct byte_queue *queue)
{
    return queue->head - queue->tail;
}

/* Where `*space` bytes may be put, and how many were. */
char *byte_queue_space(struct byte_queue *queue, size_t *space);
void byte_queue_put(struct byte_queue *queue, size_t bytes);

/* What comes next out, in one piece, and how much of it went. */
const char *byte_queue_next(const struct byte_queue *queue, size_t *bytes);
void byte_queue_took(struct byte_queue *queue, size_t bytes);

/* Makes room for `bytes` by dropping the oldest lines; returns how many bytes were dropped. The
 * line whose begin went out already stays (`begun`). */
uint64_t byte_queue_drop_oldest(struct byte_queue *queue, uint64_t bytes, bool begun);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
