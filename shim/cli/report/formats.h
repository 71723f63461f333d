// SPDX-License-Identifier: MIT
/*
 * What `pipeshim report` can write. Each format reads a finished model and writes to `out`; whether
 * the writing succeeded is the stream's error flag, which the caller checks.
 */
#ifndef PIPESHIM_CLI_REPORT_FORMATS_H
#define PIPESHIM_CLI_REPORT_FORMATS_H

#include <stdio.h>

#include "cli/report/model.h"

/* Call sites by blocked time, for people; at most `limit` of them with their stacks. */
void format_text(const struct model *model, uint32_t limit, FILE *out);
/* The short form that `pipeshim run` prints at the end: each line starts with "pipeshim: ". */
void format_summary(const struct model *model, uint32_t limit, FILE *out);
/* "outer;inner;call MICROSECONDS" lines, as flamegraph.pl, inferno and speedscope read them. */
void format_folded(const struct model *model, FILE *out);
/* https://www.speedscope.app/file-format-schema.json, one sampled profile in microseconds. */
void format_speedscope(const struct model *model, FILE *out);
/* Chrome's trace event format, which Perfetto opens: a track a thread, a slice a blocked call. */
void format_perfetto(const struct model *model, FILE *out);
/* OpenTelemetry's OTLP/JSON: a span for each blocked call, lag of a loop, drain, finding. */
void format_otlp(const struct model *model, FILE *out);
/* One page that needs no network. */
void format_html(const struct model *model, FILE *out);

/* For an issue or a pull request: deadlocks and findings with their lines, then `limit` call sites.
 */
void format_markdown(const struct model *model, uint32_t limit, FILE *out);
/* For a CI server: a failed test case for each deadlock and finding. */
void format_junit(const struct model *model, FILE *out);

/* What found no space in the model's tables, a line each that starts with `before`. */
void format_limits(const struct model *model, const char *before, FILE *out);

/* Runs on: tool. AS-safe: no. Blocks: on its output. */
#endif
