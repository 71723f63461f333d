// SPDX-License-Identifier: MIT
/* What the two files of an event loop's lag share: what is known of a loop, and when it is told. */
#ifndef PIPESHIM_WATCH_LAG_PARTS_H
#define PIPESHIM_WATCH_LAG_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/task.h"
#include "watch/event_loops.h"
#include "watch/judge.h"
#include "watch/lag_account.h"
#include "watch/proof.h"

/* A sleep on a loop thread that no slot speaks for. */
struct unslotted_wait {
    long number; /* -1: none */
    uint64_t sp, run_time_ns, since_ns;
    struct judgement judgement;
};

/* What is known of one loop, beside what event_loops.h knows. */
struct lag {
    uint32_t generation, runs, waits_seen; /* of the loop, when this was written */
    bool lagging;
    bool confirmed;           /* two scans saw the same lag */
    uint32_t iteration;       /* how often the loop had come back when this lag began */
    uint32_t iterations_seen; /* at the last scan */
    struct lag_account account;
    /* The call that was classified last, for that takes a look at its object: the slot's sequence,
     * or the stack pointer of a call without a slot. */
    uint64_t classified;
    enum call_class class;
    uint64_t report_seq; /* the report that tells of this lag; 0: none, or held back */
    bool is_of_call;     /* it is a call's */
    bool is_reported;
    uint32_t wait_sequence;  /* of the own wait that it was last seen in */
    uint32_t ready_sequence; /* of the own wait that it was woken from at the last scan; 0: none */
    uint64_t ready_ns;       /* when it was first seen so in that one */
    unsigned waits_for_sample;
    struct unslotted_wait unslotted;
    struct loop_statistics statistics;
};

/* What a scan saw of a thread that is away. */
struct observation {
    struct task_call call;
    bool slotted; /* a slot speaks for the call */
    struct slot_record record;
    enum call_class class; /* of the call that it sleeps in */
    const char *name;
    uint64_t sleeping_since;
};

/* What is known of the loop; begun anew when it is another one. */
struct lag *lag_of(const struct event_loop *loop);

/* Adds the turns since the last call to the statistics. Returns how often the loop has come back;
 * it has made its wait once at least. */
uint32_t lag_count_iterations(struct event_loop *loop);

/* A sleep that no slot speaks for: reported like one that a slot does. Writes are the sampler's. */
void lag_follow_unslotted(struct event_loop *loop, const struct observation *observed,
                          uint64_t now);
void lag_end_unslotted(struct event_loop *loop);

/* True if one call takes a good part of this lag and is still to be judged by itself: two
 * reports on one stall would repeat each other. */
bool lag_is_left_to_call(const struct event_loop *loop, const struct observation *observed,
                         uint64_t now);

/* Reports the lag, with the stack. Later, if there is none to be had yet. */
void lag_report_now(struct event_loop *loop, const struct memory_reader *memory,
                    const struct observation *observed, uint64_t now);

/* The loop has come back to its wait, or its thread has ended: counted, and its end reported. */
void lag_end(struct event_loop *loop, uint64_t now);
void lag_end_with_thread(struct event_loop *loop, uint64_t now);

/* Runs on: watchdog. AS-safe: yes. Blocks: as long as the file systems of symbol files do. */
#endif
