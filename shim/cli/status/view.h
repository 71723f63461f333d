// SPDX-License-Identifier: MIT
/* What `pipeshim top` shows of the processes: rows for a person, or JSON. */
#ifndef PIPESHIM_CLI_STATUS_VIEW_H
#define PIPESHIM_CLI_STATUS_VIEW_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "cli/status/watched.h"

enum {
    VIEW_LINE = 1024,
    VIEW_WIDE = 110, /* columns from which on a row has all cells */
};

/* From the best to the worst. */
enum process_state {
    STATE_NOT_BEGUN,
    STATE_OK,
    STATE_DRAINING,
    STATE_LAG,
    STATE_BLOCKED,
    STATE_STUCK,
    STATE_DEADLOCK,
};

/* What the rows are sorted by; of two that are the same in it the worse one comes first. */
enum view_order {
    ORDER_WORST,
    ORDER_SINCE,   /* the longest first */
    ORDER_BLOCKED, /* time blocked in all */
    ORDER_LAG,     /* the longest lag of an event loop */
    ORDER_QUEUE,   /* bytes in the drainer's queue */
    ORDER_CPU,     /* of the library's thread */
    ORDER_NAME,
    ORDER_PID,
    ORDER_COUNT,
};

enum process_state view_state(const struct watched *process);
const char *view_state_name(enum process_state state);
const char *view_order_name(enum view_order order);
/* False: there is no such order. */
bool view_parse_order(const char *name, enum view_order *order);

/* Since when it is as it is, CLOCK_MONOTONIC; 0: not known. */
uint64_t view_since(const struct watched *process);
uint64_t view_age(uint64_t now, uint64_t since);

/* The call that has been blocked for longest; NULL: none is. */
const struct status_call *view_oldest_call(const struct status_page *page);

void view_sort(struct watched **processes, size_t count, enum view_order order);

/* Does one of its cells hold `filter`, in upper or lower case? */
bool view_matches(const struct watched *process, const char *filter);

/* Lines without a newline. `columns` 0: of any width. */
void view_totals(char line[VIEW_LINE], const struct watched_list *list, struct watched **processes,
                 size_t count);
const char *view_heading(unsigned columns);
void view_row(char line[VIEW_LINE], const struct watched *process, uint64_t now, unsigned columns);

/* All of them, for a pipe or a file. */
void view_table(FILE *out, const struct watched_list *list, struct watched **processes,
                size_t count);

/* One object of all; a reference for the caller, NULL: no memory. */
json_t *view_json(const struct watched_list *list, struct watched **processes, size_t count);

/* "1.5s", "2m04s", "3h07m"; "" for 0. To at least 32 bytes. */
const char *view_duration(char *cell, uint64_t ns);
/* Without what a terminal would obey: what a process calls itself may hold anything. */
const char *view_printable(char *to, size_t capacity, const char *from);

/* Runs on: the tool. AS-safe: no. Blocks: no. */
#endif
