// SPDX-License-Identifier: MIT
/*
 * How long an event loop stays away from its wait, and why.
 *
 * Every look asks each loop thread's slot whether it is in the loop's own wait; a thread that is
 * not is asked (in /proc) what it does. How much of an absence was CPU time, and how much waiting
 * for a CPU, the scheduler tells exactly (schedstat); the rest is divided among the calls by how
 * often each was seen.
 *
 * One stall is one story. A call that explains the absence is reported by itself (`blocked`), as
 * soon as it crosses its own threshold; `lag` is told only when no call is to blame, or when it has
 * been told already before the call became slow (then the call's report refers to it).
 */
#ifndef PIPESHIM_WATCH_LAG_H
#define PIPESHIM_WATCH_LAG_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/lag_facts.h"
#include "kernel/memory_reader.h"
#include "kernel/task.h"
#include "watch/judge.h"

struct event_loop;

/* A sleep on a loop thread that no slot speaks for. */
struct unslotted_wait {
    long number; /* -1: none */
    uint64_t sp, run_time_ns, since_ns;
    struct judgement judgement;
};

struct lag {
    bool away;
    bool confirmed;       /* two looks saw the same absence */
    uint32_t turn;        /* how often the loop had come back when this absence began */
    uint32_t turns_seen;  /* at the last look */
    uint64_t since_ns;    /* CLOCK_MONOTONIC: it was away then */
    uint64_t looked_ns;   /* the last look */
    uint64_t run_ns;      /* CPU time and */
    uint64_t delay_ns;    /* time in the run queue, when the absence began */
    uint64_t last_run_ns; /* and at the last look */
    uint64_t last_delay_ns;
    uint64_t seen_ns[CLASS_COUNT]; /* of the looks that found it asleep, by what it slept in */
    uint64_t seen_running_ns;      /* and that found it running, or ready to */
    struct lag_call calls[LAG_CALL_LIMIT];
    /* The call that was classified last, for that takes a look at its object: the slot's sequence,
     * or the stack pointer of a call without a slot. */
    uint64_t classified;
    enum call_class class;
    uint64_t told_seq; /* the report that tells of this absence; 0: none, or held back */
    bool told;
    uint32_t ready_sequence; /* of the own wait that it was woken from at the last look; 0: none */
    unsigned waits_for_sample;
    struct unslotted_wait unslotted;
    struct loop_statistics statistics;
};

/* What a look at a loop found. */
struct lag_look {
    bool away;      /* look again soon */
    uint64_t again; /* at this time at the latest */
};

struct lag_look lag_look(struct event_loop *loop, const struct memory_reader *memory, uint64_t now);

/* A call on the loop's thread has been reported: it explains this absence. */
void lag_explained_by(struct event_loop *loop, const struct told *told);

/* At exit: the ends that the watchdog has not come to see yet. Async-signal-safe. */
void lag_end_all(void);

/* How long a loop may be away, in ns. */
uint64_t lag_threshold_ns(void);

/* The statistics of all loops; returns how many. Read at exit by the program's thread, while the
 * watchdog may still write: numbers, no pointers. */
unsigned lag_statistics(struct loop_statistics *out, unsigned limit);

#endif
