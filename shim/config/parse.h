// SPDX-License-Identifier: MIT
/* Values as users write them. All functions: true and *value set, or false and nothing changed; the
 * whole text must fit the form; overflow is a refusal. Async-signal-safe. */
#ifndef PIPESHIM_CONFIG_PARSE_H
#define PIPESHIM_CONFIG_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_DURATION ((uint64_t)7 * 24 * 3600 * 1000000000) /* a week, in ns */
#define MAX_SIZE     ((uint64_t)1 << 40)

bool parse_number(const char *text, uint64_t *value);
/* 250us, 50ms, 1.5s; a bare number is milliseconds. In ns. */
bool parse_duration(const char *text, uint64_t *value);
/* 65536, 512K, 64M, 1G (powers of 1024). In bytes. */
bool parse_size(const char *text, uint64_t *value);
/* 75% or 75. */
bool parse_percent(const char *text, uint64_t *value);
/* 10/s, 30/min, or a bare number a second. As a number a minute. */
bool parse_rate(const char *text, uint64_t *value);
/* One of `choices`, separated by '|'; its position. */
bool parse_choice(const char *text, const char *choices, uint64_t *value);
/* off, stderr, stdout, stdio, all, or 2,7. */
bool parse_fds(const char *text);
/* A comma list of events that may lead to an action. */
bool parse_events(const char *text);
/* True if `word` is one of a comma list. */
bool parse_list_has(const char *list, const char *word);
/* NAME=VALUE,NAME=VALUE as labels of metrics: at most 4, none that is one of ours, values without
 * quotes, backslashes, commas and control characters. */
bool parse_labels(const char *text);
/* stderr, fd:N, syslog or a path. */
bool parse_log(const char *text);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
