// SPDX-License-Identifier: MIT
/*
 * What a thread tells the watchdog about the call that it is in, or was in last.
 *
 * One slot a thread, in memory that is never unmapped. The owner writes it on every interposed
 * call; the watchdog reads it at any time. `sequence` is a seqlock with one writer: it changes with
 * each call, and is even when the last one is known to have ended. A reader who finds the same odd
 * value before and after knows that no other call was entered in between.
 *
 * Of the calls that are made most often (rows CALL_ENTERED) the end is not marked: what the slot
 * says is then only what the thread entered last. So it is with a call that was left by siglongjmp
 * or pthread_cancel, and one that was interrupted by a handler which makes a call of its own loses
 * its record. None of it is repaired here: the watchdog proves every record against the kernel's
 * own word before it believes it (watch/proof.h), and what no record tells its sampler finds
 * (watch/sampler.c).
 *
 * The owner's cost is some loads, two branches and 7 stores, 14 where the end is marked: no clock,
 * no lock, no atomic read-modify-write, no system call. Hence the rule: the memory is
 * MADV_WIPEONFORK; in a forked child (fork, _Fork, clone without CLONE_VM) every slot reads zero,
 * `armed` too, and the next call goes through slot_claim().
 */
#ifndef PIPESHIM_SLOTS_SLOT_H
#define PIPESHIM_SLOTS_SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/thread_pointer.h"
#include "facts/calls.h"
#include "facts/report_ref.h"
#include "facts/stack.h"
#include "slots/capture_registers.h"

enum slot_armed {
    SLOT_DISARMED,    /* the next call must go through slot_claim() */
    SLOT_MARKS_ENTRY, /* calls of rows CALL_ENTERED leave no mark when they end */
    SLOT_MARKS_BOTH,  /* entry and end of each call are marked */
};

/* What the doors of rows CALL_ENTERED of class PIPE_READ do. */
enum slot_reads {
    READS_ASK,      /* as `armed` says of all other calls */
    READS_RECORDED, /* the thread may be an event loop: record the entry */
    READS_PASS,     /* it is none: a read that blocks is its good right */
    CALLS_PASS,     /* writes pass as well: of slot_none(), where the library never begins */
};

enum {
    CALL_END_UNMARKED = 0x10000, /* in `call`: only the entry was recorded */
    RETURNS_OF_A_LOOP = 3,       /* a wait that is come back to so often may be an event loop's */
    SLOTS_IN_A_CHUNK = 1024,
    SLOT_CHUNKS = 64,
    SLOT_LIMIT = SLOTS_IN_A_CHUNK * SLOT_CHUNKS, /* threads at once; more go unwatched */
};

/* bytes: no kernel's page is larger */
#if defined(__aarch64__)
enum { SLOT_STATIC_PAGE = 64 * 1024 };
#else
enum { SLOT_STATIC_PAGE = 4096 };
#endif

/* The watchdog's own notes on a slot; no other thread touches them. */
struct slot_watch {
    uint32_t sequence;        /* the odd sequence that is being timed; 0: none */
    uint32_t proof_failures;  /* scans in a row that did not prove the record */
    uint64_t since_ns;        /* CLOCK_MONOTONIC: the call was in progress then */
    bool is_loop;             /* watch/event_loops.h knows the thread */
    uint64_t loop_retry_ns;   /* not before: look whether its poll is a loop's */
    struct report_ref report; /* the report on it */
    uint32_t judged;          /* enum verdict of watch/judge.h */
    bool was_judged;          /* the call was due and looked at, whatever the verdict */
    bool is_prepared;         /* what its report has to read was read ahead */
    uint64_t run_time_ns;     /* of the thread before it was last seen inside */
    bool proven;              /* it was, since the report */
    /* Of a call whose end is not marked: */
    bool seen_inside; /* the kernel showed the thread in it */
    uint64_t look_ns; /* not before: ask again */
    /* watch/busy_loop.h, of a thread that asks its epoll and never sleeps: */
    uint64_t asks_since_ns; /* 0: it is not timed */
    uint64_t busy_before_ns;
    uint32_t asks_before;
    bool only_asks; /* it was taken for an event loop all the same */
};

/* poll and select are also how a synchronous client waits for its one socket; epoll is not. */
enum readiness_kind { READINESS_POLL, READINESS_EPOLL, READINESS_KINDS };

/* Where the thread's outermost wait of a kind was called from (the highest stack pointer) and how
 * often it came back to it. Written by the waits only, but that the watchdog sets `sp` anew for one
 * that turned out to be no loop's, or that the loop has moved from, and all of it where
 * watch/busy_loop.h says so. */
struct readiness_waits {
    uint64_t sp;
    uint32_t returns;
    int32_t epoll_fd; /* -1: poll or select. Where `sp` is 0: the one that it has asked, if not 0 */
};

struct slot {
    /* In one line of the cache what doors/entry_doors.c writes, which knows the places. */
    _Atomic uint32_t sequence;
    _Atomic uint32_t armed; /* enum slot_armed */
    uint32_t call;          /* enum call_id, and CALL_END_UNMARKED */
    _Atomic uint32_t reads; /* enum slot_reads */
    int32_t fd;             /* -1: none */
    uint32_t untested;      /* the sequence of the last write that drain/headroom.h let pass */
    uint64_t detail;        /* what the row of calls.def says of the call; the third argument */
    uint64_t buffer;        /* the second argument, if the end is unmarked */
    struct saved_registers registers;
    uint64_t wait_sp; /* of a readiness wait: its caller's stack pointer */
    struct readiness_waits waits[READINESS_KINDS];
    struct readiness_waits
        asked; /* an epoll, with timeout 0, by a thread that never slept in one */
    /* Written by slot_claim(). */
    int32_t tid;             /* 0: free */
    uint64_t thread_pointer; /* the owner's TCB: what libc's FILE locks name as their owner */
    uint64_t claimed_ns;     /* CLOCK_MONOTONIC of the last claim */
    struct slot_watch watch;
} __attribute__((aligned(128)));
_Static_assert(sizeof(struct slot) % 128 == 0, "no two threads write to one pair of cache lines");

/* The calling thread's slot; never NULL (a slot that is never armed stands for none). */
extern __thread struct slot *thread_slot __attribute__((visibility("hidden")));

/* Slots at a place that the machine code knows, so that nothing has to be loaded to find them. */
struct static_slots {
    struct slot first;   /* the process's first thread's */
    struct slot passing; /* slot_passing() */
} __attribute__((aligned(SLOT_STATIC_PAGE)));
extern struct static_slots static_slots __attribute__((visibility("hidden")));

/* The thread pointer of the thread that has `static_slots.first`; 0: none. Where a thread's storage
 * is takes two loads of which each waits for the one before, and a system call waits for them: to
 * compare the thread pointer meanwhile costs nothing. */
extern _Atomic uintptr_t first_thread_pointer __attribute__((visibility("hidden")));

/* `thread_slot`, sooner for the first thread. */
static inline __attribute__((always_inline)) struct slot *slot_of_thread(void)
{
    uintptr_t first = atomic_load_explicit(&first_thread_pointer, memory_order_relaxed);
    struct slot *slot = &static_slots.first;
    if (__builtin_expect(first != read_thread_pointer(), 0)) {
        slot = thread_slot;
        __asm__ volatile("" : "+r"(slot)); /* a branch, and no choice that waits for both */
    }
    return slot;
}

/* From now on `slot` is the calling thread's. */
void slot_set_own(struct slot *slot);

/* A slot for thread `tid`, which has none: the caller. NULL: there are too many threads, or no
 * memory. The process's first thread gets `static_slots.first`, unless there is no memory for that.
 * Async-signal-safe. */
struct slot *slot_take(int tid);

/* In a forked child, before any thread of it has a slot. Its first thread still points to one of
 * the parent's, and nobody knows to which: until it has made a claim of its own they are given to
 * no other thread, for it would write into that slot. (Chromium's zygote: a child's first call is
 * made by a new thread.) May be called by several threads, and again. Async-signal-safe. */
void slots_begin_in_child(void);

/* Slot `index` below slot_bound(), or NULL when its memory does not exist yet. 0 is the first
 * thread's. Async-signal-safe. */
struct slot *slot_at(unsigned index);
unsigned slot_bound(void);

/* Frees the slots of threads that are gone; returns how many. Watchdog or slot_claim only. */
unsigned slot_sweep(void);

/* True if one of the thread's waits may be an event loop's. */
static inline bool slot_may_be_loop(const struct slot *slot)
{
    return slot->waits[READINESS_POLL].returns >= RETURNS_OF_A_LOOP ||
           slot->waits[READINESS_EPOLL].returns >= RETURNS_OF_A_LOOP ||
           (slot->asked.returns >= RETURNS_OF_A_LOOP && slot->waits[READINESS_EPOLL].sp == 0);
}

/* What is entered, or was entered last. */
static inline enum call_id slot_call(const struct slot *slot)
{
    return (enum call_id)(slot->call & (CALL_END_UNMARKED - 1));
}

static inline bool slot_end_is_unmarked(const struct slot *slot)
{
    return (slot->call & CALL_END_UNMARKED) != 0;
}

/* True inside a call whose end is marked. (One that was left by siglongjmp() looks like that until
 * the thread's next one.) For its thread. */
static inline bool slot_is_inside(const struct slot *slot)
{
    return (atomic_load_explicit(&slot->sequence, memory_order_relaxed) & 1) &&
           !slot_end_is_unmarked(slot);
}

/* The slot that is never armed. */
struct slot *slot_none(void);

/* Lets the calls of all threads pass. Where life_never_begins(): no thread may have a slot.
 * Async-signal-safe. */
void slots_let_pass(void);

/* True if it has been called. Of a slot that is not armed, for its thread. */
static inline bool slot_lets_pass(const struct slot *slot)
{
    return atomic_load_explicit(&slot->reads, memory_order_relaxed) == CALLS_PASS;
}

/* The slot of all threads that have none and whose reads pass; NULL: no thread has claimed one yet,
 * or there is no memory. Only its `reads` are ever written. */
struct slot *slot_passing(void);

/* Makes the next call of every thread that may matter go through slot_claim(): where reads pass
 * they go on to. Async-signal-safe. */
void slots_disarm(void);

/* Makes the very next call of every thread go through slot_claim(). Async-signal-safe. */
void slots_reset(void);

/* Whether the end of each call is to be marked, as it must be where the kernel does not say what a
 * thread is in; from the next call of each thread on. For the watchdog. */
void slots_mark_ends(bool wanted);

/* Begins a record; must be expanded in the frame that makes the real call. */
#define slot_enter(slot, call_, fd_, detail_)                                                      \
    do {                                                                                           \
        (slot)->call = (call_);                                                                    \
        (slot)->fd = (fd_);                                                                        \
        (slot)->detail = (uint64_t)(detail_);                                                      \
        capture_registers(&(slot)->registers);                                                     \
        uint32_t sequence_ =                                                                       \
            (atomic_load_explicit(&(slot)->sequence, memory_order_relaxed) + 1) | 1;               \
        atomic_store_explicit(&(slot)->sequence, sequence_, memory_order_release);                 \
    } while (0)

/* Ends it. The fence keeps what the thread stores next from being seen before the even sequence
 * (free on x86_64, dmb on aarch64). */
static inline void slot_leave(struct slot *slot)
{
    uint32_t sequence = (atomic_load_explicit(&slot->sequence, memory_order_relaxed) | 1) + 1;
    atomic_store_explicit(&slot->sequence, sequence, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

/* Runs on: program threads, signal handlers; slot_at(), slot_bound(): watchdog too. AS-safe: yes.
 * Blocks: no. */
#endif
