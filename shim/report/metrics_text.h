// SPDX-License-Identifier: MIT
/*
 * Status pages as metrics: Prometheus' text format 0.0.4 (node_exporter's textfile collector), or
 * OpenMetrics 1.0. Pure; async-signal-safe.
 */
#ifndef PIPESHIM_REPORT_METRICS_TEXT_H
#define PIPESHIM_REPORT_METRICS_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text_buffer.h"
#include "facts/status_page.h"

enum {
    METRICS_LABELS_LIMIT = 512,
    /* What one group needs at most: 24 series a class, 19 a loop, and what is there once. */
    METRICS_GROUP_SIZE = 128 * 1024,
};

/* One process, or all of one executable: then the pages' counts are added up. */
struct metrics_group {
    const char *labels; /* `exe="api",pid="3"`: metrics_label() makes it */
    const struct status_page *page;
    unsigned processes;                  /* that run now */
    unsigned blocked_now[CLASS_COUNT];   /* metrics_see() counts them, */
    uint64_t blocked_since[CLASS_COUNT]; /* and since when the oldest is: CLOCK_MONOTONIC */
};

/* Counts a process that runs now, and what it waits for. */
void metrics_see(struct metrics_group *group, const struct status_page *page);

/* Appends `,name="value"`, or without the comma at the beginning; what the format does not allow in
 * a value is escaped. */
void metrics_label(struct text_buffer *labels, const char *name, const char *value);

/* All families, each with the series of every group. `now_ns`: CLOCK_MONOTONIC, as the pages'. */
void metrics_render(struct text_buffer *text, const struct metrics_group *groups, unsigned count,
                    uint64_t now_ns, bool open_metrics);

/* Adds the counts of one page to another: what has happened, and with `now` what goes on. */
void metrics_add(struct status_page *sum, const struct status_page *page, bool now);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
