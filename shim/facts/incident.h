// SPDX-License-Identifier: MIT
/* All that is known of one blocked call when it is reported; filled by watch/judge.c from the
 * explanations, printed by report/. */
#ifndef PIPESHIM_FACTS_INCIDENT_H
#define PIPESHIM_FACTS_INCIDENT_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/calls.h"
#include "facts/javascript_frame.h"
#include "facts/object_facts.h"
#include "facts/python_frame.h"
#include "facts/stack.h"

struct incident {
    int tid;
    char thread[COMM_LIMIT];
    enum call_class class;
    char call[SYMBOL_NAME_LIMIT]; /* what the program called: fprintf */
    const char *kernel_call;      /* what it sleeps in: write; NULL unknown */
    int fd;                       /* -1: none */
    uint64_t bytes;               /* asked for; 0: unknown */
    uint64_t blocked_ns;
    uint64_t threshold_ns;
    uint64_t begun_ns; /* CLOCK_MONOTONIC: when the explanation began */
    bool loop;         /* an event-loop thread */
    bool running;      /* it runs: the stack is a sample */
    bool starting;     /* its event loop is less than a second old */
    struct object_facts object;
    unsigned frame_count;
    bool stack_complete;
    const struct stack_frame_name *frames;
    const struct python_frame *python; /* innermost first */
    unsigned python_count;
    unsigned python_omitted;                   /* outer frames that are not among them */
    const struct javascript_frame *javascript; /* innermost first */
    unsigned javascript_count;
    unsigned javascript_omitted; /* outer frames that are not among them */
    uint64_t stack_hash;
    const char *note;        /* why something is missing; NULL */
    int lock_owner_tid;      /* class lock: the thread that holds the FILE; 0: none */
    uint64_t lock_owner_ref; /* and the report on it */
    uint64_t lag_ref;        /* the `lag` that was reported before this call became slow; 0: none */
};

/* Runs on: any. Plain data. */
#endif
