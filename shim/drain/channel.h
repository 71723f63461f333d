// SPDX-License-Identifier: MIT
/*
 * What the program and one helper share: nobody else has this memory mapped (docs/drain.md).
 *
 * One object (memfd_create(2)) a helper: a channel, then chunks of equal size in which the records
 * lie. Positions (`head`, `tail`, `sent`) count all bytes queued, record headers included, and
 * never go back; the chunk of a position is chunk_of[position / chunk size], modulo the table.
 *
 * Each side reads what the other wrote as if an enemy had: the helper may have rights that the
 * program has given up since. No index, size or position is used before it is compared with what
 * the reader knows itself.
 */
#ifndef PIPESHIM_DRAIN_CHANNEL_H
#define PIPESHIM_DRAIN_CHANNEL_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    RECORD_LIMIT = 64 * 1024, /* payload of a record */
    RECORD_ALIGN = 8,
    CHUNK_LEAST = 64 * 1024, /* so that a record lies in two chunks at most */
    CHUNKS_OF_BOUND = 1024,  /* PIPESHIM_DRAIN_MAX is so many chunks at most */
    CHUNKS_MORE = 4,         /* the first and the last are not full, and one is being filled */
    CHUNK_LIMIT = CHUNKS_OF_BOUND + CHUNKS_MORE,
    TABLE_SIZE = 2048,
    CHANNEL_HEADER = 64 * 1024, /* before the chunks; the largest page size of aarch64 */
    CACHE_LINES = 128,          /* what the two sides write must not share one */
};

/* In `head`. */
#define CHANNEL_LEFT     (1ULL << 63) /* the helper has gone, and the queue was empty */
#define CHANNEL_SEALED   (1ULL << 62) /* nothing more is queued here */
#define CHANNEL_POSITION (CHANNEL_SEALED - 1)

enum record_flags {
    RECORD_CONTINUED = 1, /* the rest of the write is the next record */
    RECORD_BEGUN = 2,     /* the write's first part is not in the queue: it went out directly */
};

/* The program takes back what is queued (drain/take_back.h). */
enum give_back { GIVE_BACK_NO, GIVE_BACK_ASKED, GIVE_BACK_GIVEN };

struct record {
    uint32_t size; /* of the payload, which follows */
    uint32_t flags;
};

/*
 * The life of `head`: 0 and closed (`open` is 0) until the program has queued the first record;
 * then the writers, one at a time, move it on by compare-and-exchange. The helper that finds `tail`
 * equal to it and wants to leave sets CHANNEL_LEFT by the same means: so either the write that
 * comes just then is in the queue and the helper stays, or it is not and its writer starts another
 * helper. Nobody waits for the other's decision. A writer that finds the stream's lock held by one
 * who does not go on sets CHANNEL_SEALED: what that one was about to queue is then not queued, and
 * it queues it elsewhere.
 */
struct channel {
    /* Written by the writers, but for CHANNEL_LEFT. */
    _Atomic uint64_t head;
    _Atomic uint32_t open;      /* the first record is there: the helper may look */
    _Atomic uint32_t let_go;    /* the program exits: the helper must not linger */
    _Atomic uint32_t wake;      /* futex of the helper, which `sleeping` says waits for it */
    _Atomic uint32_t waiting;   /* writers wait for space: futex `helper_tid` */
    _Atomic uint32_t give_back; /* enum give_back; GIVEN is the helper's to say */
    _Atomic uint16_t chunk_of[TABLE_SIZE];

    /* Written by the helper; `tail` by a writer as well that drops the oldest. */
    _Alignas(CACHE_LINES) _Atomic uint64_t tail; /* end of what the helper has taken */
    _Atomic uint64_t sent;      /* end of what is in the pipe: the places before may be reused */
    _Atomic uint32_t in_flight; /* bytes taken that are not in the pipe yet */
    _Atomic uint32_t begun;     /* of the record at `sent`: bytes that are in the pipe */
    _Atomic uint32_t middle;    /* the record at tail continues a write that was begun */
    _Atomic uint64_t peak;      /* of the bytes queued, when it last took some */

    /* Written by the helper, seldom: the writers look at these at each write. */
    _Alignas(CACHE_LINES) _Atomic uint32_t helper_tid; /* tid of the helper; drain/helper_death.h */
    _Atomic uint32_t sleeping;
    _Atomic uint32_t settled;         /* it is out of the program's group, and in the line */
    _Atomic uint32_t reader_is_quick; /* the last 64 KiB left within 8 ms */
    _Atomic uint64_t lost;            /* payload queued for a reader that went away */
    _Atomic uint64_t ended_ns;        /* CLOCK_MONOTONIC, when it left */
    _Atomic int64_t ticket;           /* its place in the line; drain/send_order.h */
};
_Static_assert(sizeof(struct record) % RECORD_ALIGN == 0, "records are aligned as their bytes are");
_Static_assert(sizeof(struct channel) <= CHANNEL_HEADER, "the chunks begin after it");
_Static_assert((TABLE_SIZE & (TABLE_SIZE - 1)) == 0 && TABLE_SIZE > CHUNK_LIMIT,
               "two chunks in use never have the same place in the table");

/* What does not change once the drainer has begun: the helper has a copy by the fork. */
struct drain_limits {
    uint64_t max;        /* bytes queued at once in the process */
    uint64_t page;       /* bytes */
    unsigned chunk_bits; /* log2 of a chunk's size */
    unsigned chunks;     /* of an object */
    bool drops_oldest;   /* writers move `tail`: the helper sends from copies */
    bool exact;          /* what is queued is counted at each write, else when the bound is near */
    uint64_t linger_ns;  /* how long a helper stays with an empty queue */
    uint64_t dismissed_ns; /* … and with a reader that takes nothing, after SIGTERM */
};
extern struct drain_limits drain_limits __attribute__((visibility("hidden")));

static inline uint64_t chunk_size(void)
{
    return 1ULL << drain_limits.chunk_bits;
}

static inline uint64_t record_space(uint32_t size)
{
    return sizeof(struct record) +
           ((uint64_t)size + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

/* Where a position lies in the chunks that begin at `chunks`, of which `mapped` are mapped: a place
 * inside them whatever the table says. */
static inline char *channel_place(struct channel *channel, char *chunks, unsigned mapped,
                                  uint64_t at)
{
    unsigned slot = (unsigned)(at >> drain_limits.chunk_bits) & (TABLE_SIZE - 1);
    unsigned index = atomic_load_explicit(&channel->chunk_of[slot], memory_order_relaxed);
    if (__builtin_expect(index >= mapped, 0))
        index = 0;
    return chunks + ((uint64_t)index << drain_limits.chunk_bits) + (at & (chunk_size() - 1));
}

/* Bytes from the position to the end of its chunk. */
static inline uint64_t chunk_rest(uint64_t at)
{
    return chunk_size() - (at & (chunk_size() - 1));
}

/* The header of the record at `at`: aligned, so it lies in one chunk. */
static inline struct record channel_record(struct channel *channel, char *chunks, unsigned mapped,
                                           uint64_t at)
{
    const struct record *record =
        __builtin_assume_aligned(channel_place(channel, chunks, mapped, at), RECORD_ALIGN);
    struct record copy;
    copy.size = __atomic_load_n(&record->size, __ATOMIC_RELAXED);
    copy.flags = __atomic_load_n(&record->flags, __ATOMIC_RELAXED);
    return copy;
}

/* End of what is queued. */
static inline uint64_t channel_head(struct channel *channel)
{
    return atomic_load(&channel->head) & CHANNEL_POSITION;
}

static inline bool channel_has_left(struct channel *channel)
{
    return atomic_load(&channel->head) & CHANNEL_LEFT;
}

static inline bool channel_is_empty(struct channel *channel)
{
    return atomic_load(&channel->tail) == channel_head(channel);
}

/* True if all that was queued is in the pipe: a direct write is in order. */
static inline bool channel_is_sent(struct channel *channel)
{
    return channel_is_empty(channel) && !atomic_load(&channel->in_flight);
}

/* The kernel itself says so: `helper_tid` is a robust futex of the helper (set_robust_list(2)). */
static inline bool helper_was_killed(struct channel *channel)
{
    return atomic_load_explicit(&channel->helper_tid, memory_order_relaxed) & FUTEX_OWNER_DIED;
}

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
