// SPDX-License-Identifier: MIT
/* What the reporter keeps of a report that was made, for its end. Plain data. */
#ifndef PIPESHIM_FACTS_TOLD_H
#define PIPESHIM_FACTS_TOLD_H

#include <stdbool.h>
#include <stdint.h>

/* What became of a report. */
struct told {
    uint64_t seq;      /* of its `blocked` event; 0: held back by a rule or a limit */
    uint32_t site;     /* the summary's call site */
    uint64_t still_ns; /* how long the call has lasted when it is to be told again; 0: never */
    bool untold; /* the log could not be had now: nothing was counted, it is to be told later */
};

/* Runs on: any. Plain data. */
#endif
