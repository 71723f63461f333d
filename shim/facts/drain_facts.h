// SPDX-License-Identifier: MIT
/* What the drainer did. Plain data: watch/ fills it, report/ prints it. */
#ifndef PIPESHIM_FACTS_DRAIN_FACTS_H
#define PIPESHIM_FACTS_DRAIN_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/object_facts.h"

/* One episode: from the first write that was queued until the queue is empty again. */
struct drain_facts {
    int fd;
    struct object_facts object; /* its name at least */
    uint64_t queued_bytes;      /* taken into the queue until now; payload */
    uint64_t peak_bytes;        /* at once, as the bound counts them: with the records' headers */
    uint64_t ns;                /* since it began */
    uint64_t ref;               /* of its drain_start; 0 in that itself */
};

/* An exit, or an exec, that waits for what is queued. */
struct drain_wait_facts {
    int fd;
    struct object_facts object;
    uint64_t bytes;     /* queued */
    uint64_t waited_ns; /* until now */
    uint64_t limit_ns;  /* how long it waits; UINT64_MAX: for ever */
    bool exits;         /* else an exec */
    bool is_first;      /* of its PID namespace: what is left then is lost */
    bool spools;        /* what is left then goes to a file */
};

/* What nobody read went to a file. */
struct drain_spool_facts {
    int fd;
    struct object_facts object;
    const char *path;
    uint64_t offset; /* in the file */
    uint64_t bytes, writes;
};

/* What became of the rest of a queue. */
enum drain_loss { DRAIN_DROPPED, DRAIN_HANDED_OVER, DRAIN_LOST_WITH_INIT };

/* Of one process. */
struct drain_totals {
    uint64_t episodes, queued_bytes, peak_bytes, dropped_bytes, dropped_writes;
    uint64_t lost_bytes; /* queued for a reader that went away */
    uint64_t handed_over_bytes, handed_over_writes;
    uint64_t spooled_bytes;
};

/* Runs on: any. Plain data. */
#endif
