// SPDX-License-Identifier: MIT
/* What the drainer did. Plain data: watch/ fills it, report/ prints it. */
#ifndef PIPESHIM_FACTS_DRAIN_FACTS_H
#define PIPESHIM_FACTS_DRAIN_FACTS_H

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

/* Of one process. */
struct drain_totals {
    uint64_t episodes, queued_bytes, peak_bytes, dropped_bytes, dropped_writes;
    uint64_t lost_bytes; /* queued for a reader that went away */
    uint64_t handed_over_bytes, handed_over_writes;
};

/* Runs on: any. Plain data. */
#endif
