// SPDX-License-Identifier: MIT
/* The memory that the program and its helpers share. */
#ifndef PIPESHIM_DRAIN_STREAM_H
#define PIPESHIM_DRAIN_STREAM_H

#include <stdatomic.h>
#include <stdint.h>

enum {
    STREAM_LIMIT = 16,        /* pipes drained at once; more are written as usual */
    RECORD_LIMIT = 64 * 1024, /* payload of a record */
    RECORD_ALIGN = 8,
    RING_PAGE = 64 * 1024, /* the largest page size of aarch64 */
};

enum helper_state { HELPER_NONE, HELPER_RUNS, HELPER_LEAVES };

struct record {
    uint32_t size;      /* of the payload, which follows */
    uint32_t continued; /* 1: the rest of the write is the next record */
};

struct stream {
    _Atomic uint64_t device, inode; /* inode 0: free */
    _Atomic uint64_t head, tail;    /* bytes ever queued, bytes ever taken; headers included */
    _Atomic uint32_t state;         /* enum helper_state */
    _Atomic uint32_t in_flight;     /* the helper has taken bytes that are not in the pipe yet */
    _Atomic uint32_t middle;        /* the record at tail continues a write that was begun */
    _Atomic uint32_t lock;          /* tid of the writer inside; 0: free */
    _Atomic uint32_t wake;          /* futex of the helper */
    _Atomic uint32_t sleeping;
    _Atomic uint32_t let_go;     /* the program exits: the helper must not linger */
    _Atomic uint64_t given_back; /* the ring's pages before this place were given back */
    /* The episode: written under the lock, but that the helper writes ended_ns. */
    _Atomic uint32_t episode;              /* counts them; moved last */
    _Atomic uint32_t last_writer;          /* pid that queued last */
    _Atomic int32_t owner;                 /* pid that began it: it tells of it */
    _Atomic int32_t fd;                    /* its fd then */
    _Atomic uint64_t started_ns, ended_ns; /* CLOCK_MONOTONIC; ended 0: it lasts */
    _Atomic uint64_t episode_bytes, episode_peak;
} __attribute__((aligned(128)));

struct drain_memory {
    _Atomic uint32_t lock;   /* of the streams' keys */
    _Atomic uint32_t active; /* streams whose helper has not left */
    _Atomic uint64_t queued; /* bytes in all rings */
    _Atomic uint64_t lost_bytes;
    uint64_t ring_size; /* a power of two */
    uint64_t max;
    uint32_t keep_pages; /* drop-old: writers move tail, pages cannot be given back safely */
    uint64_t linger_ns;  /* how long a helper stays with an empty queue */
    struct stream streams[STREAM_LIMIT];
};

extern struct drain_memory *drain_memory;

static inline char *stream_ring(const struct stream *stream)
{
    char *rings = (char *)drain_memory + 65536;
    return rings + (uint64_t)(stream - drain_memory->streams) * drain_memory->ring_size;
}

static inline uint64_t record_space(uint32_t size)
{
    return sizeof(struct record) +
           ((uint64_t)size + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

/* How much is given back at once: the memory in use may exceed the bound by this. */
static inline uint64_t ring_step(void)
{
    uint64_t step = RING_PAGE;
    while (step * 64 <= drain_memory->max)
        step *= 2;
    return step;
}

/* Gives back the pages of the ring that lie behind `tail`, in whole steps of `step` bytes, a power
 * of two. For whoever alone moves `tail`, or keeps `head` from moving. */
void ring_give_back(struct stream *stream, uint64_t step);

/* Starts the helper of `stream`, which writes to `fd`. False: the kernel refused it. */
_Bool helper_start(struct stream *stream, int fd);

#endif
