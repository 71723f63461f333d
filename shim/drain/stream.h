// SPDX-License-Identifier: MIT
/*
 * The queues of this process: one a pipe, FIFO or stream socket, known by its device and inode, so
 * that dup'ed fds are one stream.
 *
 * Private memory, wiped in a forked child by the kernel (MADV_WIPEONFORK): a child has queues of
 * its own, and nothing of its parent's. What the helper needs lies in the stream's channel.
 */
#ifndef PIPESHIM_DRAIN_STREAM_H
#define PIPESHIM_DRAIN_STREAM_H

#include "base/ticks.h"
#include "drain/channel.h"

enum {
    STREAM_LIMIT = 1024, /* pipes drained at once; more are written as usual */
    CHUNK_WORDS = (CHUNK_LIMIT + 63) / 64,
};

/* Not more often than so: whether the reader is still there, and who waits behind our helper. */
enum {
    STREAM_TICKS_FOR_READER = TICKS_ABOUT_20_US,
    STREAM_TICKS_FOR_OTHERS = 250 * TICKS_ABOUT_1_MS,
};

/* Who has the pipe's other end, as the watchdog saw it in two scans; drain/finish.h. */
enum exit_reader {
    EXIT_READER_UNKNOWN,
    EXIT_READER_READS,     /* takes something, or waits for it */
    EXIT_READER_AWAY,      /* does something else */
    EXIT_READER_AWAITS_US, /* waits for this process to end, each of them */
};

struct stream {
    /* Of which pipe it is, or was last; inode 0: it never was any's. */
    _Atomic uint64_t device, inode;
    _Atomic uint32_t sealed;  /* what comes next for the pipe is another stream's */
    _Atomic uint32_t running; /* `channel` is a helper's: something may be queued */

    /* Tid of the thread inside; 0: free. A thread that left by siglongjmp() may have left it so. */
    _Atomic uint32_t lock;
    _Atomic uintptr_t lock_frame; /* its stack then */
    _Atomic uint32_t changes;     /* it starts a helper, with all signals blocked */

    /* Its address never changes once there is one, so that it may be looked at without the lock: a
     * new helper's channel takes the old one's place. */
    struct channel *_Atomic channel;

    /* For the holder of the lock. */
    char *chunks; /* the mapping of the first `mapped` chunks */
    unsigned mapped;
    uint64_t used[CHUNK_WORDS];    /* bits: the chunk holds something */
    uint64_t touched[CHUNK_WORDS]; /* bits: it has pages */
    uint64_t freed_to;             /* position before which all chunks were taken back */
    uint64_t chunks_to;            /* … and to which there are chunks */
    uint64_t ready_to;             /* … and to which these have pages */
    uint64_t counted;              /* position before which nothing counts as queued any more */
    uint64_t reader_seen;          /* ticks when the reader was last known to be there */
    uint64_t line_seen;            /* ticks when somebody was last looked for who waits behind us */
    uint64_t line_sent;            /* … and `sent` then */
    uint32_t children_seen;        /* descriptor_children_ended() then */
    _Atomic uint32_t catching_up;  /* writers wait for a quick reader */
    _Atomic uint64_t quick_sent;   /* what they saw sent, and ticks when it last moved */
    _Atomic uint64_t quick_seen;

    _Atomic int32_t helper;  /* pid of the last one */
    _Atomic uint32_t reader; /* enum exit_reader; while an exit waits */

    /* The episode. */
    _Atomic uint32_t episode;    /* counts them; moved last */
    _Atomic int32_t fd;          /* that began it */
    _Atomic uint64_t started_ns; /* CLOCK_MONOTONIC */
    _Atomic uint64_t ended_ns;   /* 0: it lasts */
    _Atomic uint64_t episode_bytes, episode_peak;
    _Atomic uint64_t queued_bytes; /* payload, of all episodes for whichever pipe */

    /* Payload of all episodes for this pipe. */
    _Atomic uint64_t lost, handed_over, spooled;
};

struct drain_state {
    _Atomic uint32_t table_lock;         /* of the streams' keys */
    _Atomic uint32_t known;              /* streams that ever were some pipe's: those below */
    _Atomic uint32_t active;             /* streams that run */
    _Atomic uint32_t waiting;            /* threads that wait for space */
    _Atomic uint64_t queued;             /* bytes in all queues, or more: drain/queue.h */
    _Atomic uint64_t resident;           /* bytes of the chunks that have pages */
    _Atomic uint64_t lost;               /* payload, of episodes that are over */
    _Atomic uint16_t hint[STREAM_LIMIT]; /* by inode: where the pipe's stream was last found */
    struct stream streams[];             /* STREAM_LIMIT; those from `known` on were never used */
};
/* Points to zeroes where nothing is drained. */
extern struct drain_state *drain_state __attribute__((visibility("hidden")));

/* True if a queue of this process may hold something. */
static inline bool drain_is_active(void)
{
    return atomic_load(&drain_state->active) != 0;
}

/* Counts bytes as queued no more. A write that was left by siglongjmp() may have been counted
 * without being queued, so the sum is never taken below zero, and begins anew when nothing is
 * queued. */
static inline void drain_uncount(uint64_t bytes)
{
    uint64_t before = atomic_load(&drain_state->queued);
    while (!atomic_compare_exchange_weak(&drain_state->queued, &before,
                                         before > bytes ? before - bytes : 0)) {
    }
}

/* True if it is, or was last, of that pipe. */
static inline bool stream_is_of(struct stream *stream, uint64_t device, uint64_t inode)
{
    return atomic_load_explicit(&stream->inode, memory_order_relaxed) == inode &&
           atomic_load_explicit(&stream->device, memory_order_relaxed) == device;
}

/* True if all that was queued is in the pipe. */
static inline bool stream_is_sent(struct stream *stream)
{
    return !atomic_load(&stream->running) || channel_is_sent(atomic_load(&stream->channel));
}

enum stream_lock { STREAM_LOCKED, STREAM_STUCK };

/* Takes the stream's lock. STREAM_STUCK: its holder does not go on; it is this very thread, further
 * down its stack (a signal handler interrupted it), or one that was stopped, or left by
 * siglongjmp(). Then stream_seal(). */
enum stream_lock stream_lock_take(struct stream *stream);

/* Only if it is free. */
bool stream_lock_try(struct stream *stream);

static inline void stream_lock_release(struct stream *stream)
{
    atomic_store_explicit(&stream->lock, 0, memory_order_release);
}

/* The lock, if it is free, for thread `self`; async-signal-safe. A handler that interrupts the
 * holder, and a thread that has jumped out of it, are told from each other by their frames: theirs
 * is that of stream_lock_take(), further down than the caller's, but not by what the kernel puts
 * there for a signal (1,080 bytes at least). */
static inline __attribute__((always_inline)) bool stream_lock_at_once(struct stream *stream,
                                                                      uint32_t self)
{
    enum { DEEPER = 1024 };
    uint32_t nobody = 0;
    if (!atomic_compare_exchange_strong(&stream->lock, &nobody, self))
        return false;
    atomic_store_explicit(&stream->lock_frame, (uintptr_t)__builtin_frame_address(0) - DEEPER,
                          memory_order_relaxed);
    return true;
}

/* The lock is held: so many bytes more of the program's are queued. To add atomically would cost as
 * much as the copy of a small record. */
static inline void stream_note_queued(struct stream *stream, uint64_t size)
{
    uint64_t bytes = atomic_load_explicit(&stream->episode_bytes, memory_order_relaxed);
    uint64_t all = atomic_load_explicit(&stream->queued_bytes, memory_order_relaxed);
    atomic_store_explicit(&stream->episode_bytes, bytes + size, memory_order_relaxed);
    atomic_store_explicit(&stream->queued_bytes, all + size, memory_order_relaxed);
}

/* Closes the stream for writers, whoever holds its lock: the next one finds, or makes, another. */
void stream_seal(struct stream *stream);

/* Runs on: program threads, watchdog. AS-safe: yes. Blocks: no, but stream_lock() a moment. */
#endif
