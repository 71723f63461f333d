// SPDX-License-Identifier: MIT
/* What the drainer is asked for. Plain data. */
#ifndef PIPESHIM_DRAIN_OPTIONS_H
#define PIPESHIM_DRAIN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* What happens at the bound. */
enum drain_overflow { DRAIN_BLOCK, DRAIN_DROP_NEW, DRAIN_DROP_OLD };

struct drain_options {
    const char *fds;        /* PIPESHIM_DRAIN */
    bool write_behind_mode; /* PIPESHIM_DRAIN_MODE */
    uint64_t max;           /* bytes queued at once, all streams together */
    enum drain_overflow overflow;
    uint64_t exit_ns; /* PIPESHIM_DRAIN_EXIT */
    uint64_t grow;    /* PIPESHIM_GROW; 0: off */
};

/* Runs on: any. Plain data. */
#endif
