// SPDX-License-Identifier: MIT
/*
 * The memory that the program, its forked children and the helpers share: one queue a pipe, FIFO or
 * stream socket.
 *
 * Positions (`head`, `tail`, `sent`) count all bytes ever queued, record headers included, and
 * never go back. Where a position lies in the ring says drain/ring.h.
 */
#ifndef PIPESHIM_DRAIN_STREAM_H
#define PIPESHIM_DRAIN_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "slots/slot.h"

enum {
    STREAM_LIMIT = 16,        /* pipes drained at once; more are written as usual */
    RECORD_LIMIT = 64 * 1024, /* payload of a record */
    RECORD_ALIGN = 8,
    HEADER_ROOM = 64 * 1024, /* before the rings; the largest page size of aarch64 */
    CACHE_LINES = 128,       /* what the two sides write must not share one */
};

enum helper_state { HELPER_NONE, HELPER_RUNS, HELPER_LEAVES };

enum record_flags {
    RECORD_CONTINUED = 1, /* the rest of the write is the next record */
    RECORD_BEGUN = 2,     /* the write's first part is not in the queue: it went out directly */
};

struct record {
    uint32_t size; /* of the payload, which follows */
    uint32_t flags;
};

struct stream {
    /* Written by the writers, under the lock. */
    _Atomic uint64_t head;   /* end of what is queued */
    _Atomic uint64_t origin; /* the position whose place is the ring's first byte */
    uint64_t room_to;        /* head may go so far without another look at `sent` */
    uint64_t reserved;       /* bytes in the sum of all queues that are not queued yet */
    uint64_t kept_from;   /* counted from `origin`, as touched_to: pages before it were given … */
    uint64_t touched_to;  /* … back, those from here on never touched; page aligned */
    uint64_t reader_seen; /* ticks when the reader was last known to be there */
    _Atomic uint32_t catching_up; /* writers wait for a quick reader */
    _Atomic uint32_t lock;        /* tid of the writer inside; 0: free */
    /* The episode, but for its peak and end. */
    _Atomic uint32_t episode;     /* counts them; moved last */
    _Atomic uint32_t last_writer; /* pid that queued last */
    _Atomic int32_t owner;        /* pid that began it: it tells of it */
    _Atomic int32_t fd;           /* its fd then */
    _Atomic uint64_t started_ns;  /* CLOCK_MONOTONIC */
    _Atomic uint64_t episode_bytes;

    /* Written by the helper; `tail` by a writer as well that drops the oldest. */
    _Alignas(CACHE_LINES) _Atomic uint64_t tail; /* end of what the helper has taken */
    _Atomic uint64_t sent;      /* end of what is in the pipe: the ring before it may be reused */
    _Atomic uint32_t in_flight; /* bytes taken that are not in the pipe yet */
    _Atomic uint32_t begun;     /* of the record at `sent`: bytes that are in the pipe */
    _Atomic uint32_t middle;    /* the record at tail continues a write that was begun */
    _Atomic uint32_t joined;    /* it is out of the program's group, and its place is taken */
    _Atomic int64_t ticket;     /* its place in the line; drain/turn.h */
    _Atomic uint32_t reader_is_quick; /* the last 64 KiB left within 8 ms */
    _Atomic uint64_t episode_peak;    /* of the bytes queued, when it last took some */
    _Atomic uint64_t ended_ns;        /* of the episode; 0: it lasts */
    _Atomic uint64_t untold;          /* taken, but not yet from the sum of all queues */

    /* Seldom written. */
    _Alignas(CACHE_LINES) _Atomic uint64_t device;
    _Atomic uint64_t inode;    /* 0: the stream is free */
    _Atomic uint32_t sealed;   /* takes nothing more: what comes next is another stream's */
    _Atomic uint32_t state;    /* enum helper_state */
    _Atomic uint32_t wake;     /* futex of the helper, … */
    _Atomic uint32_t sleeping; /* … which waits for it */
    _Atomic uint32_t let_go;   /* the program exits: the helper must not linger */
    _Atomic uint32_t keeper;   /* tid of the helper; drain/survival.h */
};

struct drain_memory {
    /* Constant. */
    uint64_t ring_size;    /* a power of two, of each stream */
    uint64_t max;          /* PIPESHIM_DRAIN_MAX */
    uint64_t page;         /* bytes */
    uint64_t linger_ns;    /* how long a helper stays with an empty queue */
    uint64_t dismissed_ns; /* … and with a reader that takes nothing, after SIGTERM */
    uint32_t drops_oldest; /* writers move `tail`: the helper sends from copies */
    uint32_t exact;        /* the bound counts nothing that the helper has taken */
    /* Seldom written. */
    _Atomic uint32_t waiting; /* writers wait for room */

    _Alignas(CACHE_LINES) _Atomic uint64_t queued; /* bytes in all rings */
    _Atomic uint64_t resident;                     /* bytes of the rings' pages in use, about */
    _Alignas(CACHE_LINES) _Atomic uint32_t lock;   /* of the streams' keys */
    _Atomic uint32_t active;                       /* streams whose helper has not left */
    _Atomic uint64_t lost_bytes;                   /* queued for readers that went away */
    struct stream streams[STREAM_LIMIT];
};

/* Mapped by drain_init(). */
extern struct drain_memory *drain_memory;

/* Takes a lock of the shared memory if it is free, for the thread `tid`: where there is no slot to
 * ask for it (the helper, the watchdog). All of these are async-signal-safe. */
static inline bool lock_try_as(_Atomic uint32_t *lock, uint32_t tid)
{
    uint32_t nobody = 0;
    return atomic_compare_exchange_strong(lock, &nobody, tid);
}

/* The calling thread's tid, from the kernel. */
uint32_t lock_ask_tid(void);

static inline bool lock_try(_Atomic uint32_t *lock)
{
    int known = thread_slot->tid; /* the slot of a forked child's thread reads zero */
    return lock_try_as(lock, known > 0 ? (uint32_t)known : lock_ask_tid());
}

/* lock_take() of one that is not free: tries on, sleeping after a while. */
bool lock_wait(_Atomic uint32_t *lock);

/* Takes a lock of the shared memory; one whose owner was killed is robbed. False: the calling
 * thread holds it already, further down its stack (a signal handler). */
static inline bool lock_take(_Atomic uint32_t *lock)
{
    return lock_try(lock) || lock_wait(lock);
}

static inline void lock_release(_Atomic uint32_t *lock)
{
    atomic_store_explicit(lock, 0, memory_order_release);
}

/* True if it is, or was last, of that pipe. */
static inline bool stream_is_of(struct stream *stream, uint64_t device, uint64_t inode)
{
    return atomic_load_explicit(&stream->inode, memory_order_relaxed) == inode &&
           atomic_load_explicit(&stream->device, memory_order_relaxed) == device;
}

static inline bool stream_is_empty(struct stream *stream)
{
    return atomic_load(&stream->tail) == atomic_load(&stream->head);
}

/* True if all that was queued is in the pipe: a direct write is in order. */
static inline bool stream_is_sent(struct stream *stream)
{
    return stream_is_empty(stream) && !atomic_load(&stream->in_flight);
}

static inline uint64_t record_space(uint32_t size)
{
    return sizeof(struct record) +
           ((uint64_t)size + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

/* Wakes the helper if it sleeps. */
void helper_wake(struct stream *stream);

/* Waits for helpers that have ended, where they are children of this process. */
void helpers_reap(void);

/* A forked child: the helpers are its parent's children. */
void helpers_begin_in_child(void);

/* Starts the helper of `stream`, which writes to `fd`. False: the kernel refused it. */
bool helper_start(struct stream *stream, int fd);

#endif
