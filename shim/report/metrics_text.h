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
    METRICS_LOOPS = 4, /* names of loops in one group; the last is `other` for all that follow */
    METRICS_FDS = 4,   /* stdin, stdout, stderr, all others */
    /* Series of one group at most: 15 a class, 18 a loop, 1 a cause, and what is there once. */
    METRICS_GROUP_SERIES = 15 * CLASS_COUNT + 18 * METRICS_LOOPS + CAUSE_COUNT + 32,
    METRICS_GROUP_SIZE = METRICS_GROUP_SERIES * (METRICS_LABELS_LIMIT + 128) + 8192,
};

/* One process, or all of one executable, unit and container: then the pages' counts are added up.
 */
struct metrics_group {
    const char *labels; /* `exe="api",pid="3"`: metrics_label() makes it */
    const struct status_page *page;
    /* Of what goes on now; metrics_see() adds it. */
    unsigned processes;
    unsigned blocked_now[CLASS_COUNT];
    uint64_t blocked_since[CLASS_COUNT];          /* of the oldest: CLOCK_MONOTONIC */
    struct status_stream streams[STATUS_STREAMS]; /* of each the fullest */
    uint64_t queued_bytes[METRICS_FDS];
};

/* What the exporter of a whole machine knows besides. */
struct metrics_host {
    unsigned not_permitted, other_version, torn; /* processes whose pages could not be read */
    uint64_t folded; /* groups that were added to `other`, as there were too many */
};

/* How full a pipe is, in parts of METRICS_FILL_ONE. */
enum { METRICS_FILL_ONE = 10000 };
uint64_t metrics_fill(const struct status_stream *stream);

/* Adds a process that runs now, and what it waits for. */
void metrics_see(struct metrics_group *group, const struct status_page *page);

/* Appends `,name="value"`, or without the comma at the beginning; what the format does not allow in
 * a value is escaped. */
void metrics_label(struct text_buffer *labels, const char *name, const char *value);

/* All families, each with the series of every group. `host`: NULL for a process of its own.
 * `now_ns`: CLOCK_MONOTONIC, as the pages'. Pages come from metrics_add(), which bounds the series.
 */
void metrics_render(struct text_buffer *text, const struct metrics_group *groups, unsigned count,
                    const struct metrics_host *host, uint64_t now_ns, bool open_metrics);

/* Adds the counts of one page to another: what has happened, and with `now` what goes on. */
void metrics_add(struct status_page *sum, const struct status_page *page, bool now);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
