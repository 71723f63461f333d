// SPDX-License-Identifier: MIT
/* What the reporter keeps of a report that was made, for its end. Plain data. */
#ifndef PIPESHIM_FACTS_REPORT_REF_H
#define PIPESHIM_FACTS_REPORT_REF_H

#include <stdbool.h>
#include <stdint.h>

/* What became of a report. */
struct report_ref {
    uint64_t seq;      /* of its `blocked` event; 0: held back by a rule or a limit */
    uint32_t site;     /* the summary's call site */
    uint64_t still_ns; /* how long the call has lasted when it is to be reported again; 0: never */
    uint64_t repeat; /* reported in one line, so often before; 0: in full, or told of again since */
    bool deferred;   /* the log could not be had now: nothing was counted; to be reported later */
};

/* Runs on: any. Plain data. */
#endif
