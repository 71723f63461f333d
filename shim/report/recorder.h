// SPDX-License-Identifier: MIT
/*
 * Behind report/reporter.h: one event at a time is numbered, rendered in the format that was chosen
 * and given to the log; the counts of the summary, and the limits. All of it under one lock, which
 * no signal handler of the program's interrupts. Async-signal-safe, never blocks, keeps errno.
 */
#ifndef PIPESHIM_REPORT_RECORDER_H
#define PIPESHIM_REPORT_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"
#include "report/event.h"
#include "report/summary.h"

/* How events come into the log: log_record() or log_keep() of report/log.h. */
typedef bool recorder_writer(const char *data, size_t size, bool watchdog);

/* Takes the format, the limits, and what the `start` event says. In the constructor. */
void recorder_prepare(const struct settings *chosen, const char *argv0, const char *script,
                      const char *(*cpu_stacks)(void));
void recorder_found(const char *no_stdio, const char *python, const char *javascript);
/* A forked child: all counts from zero at its first record, and a `start` of its own. */
void recorder_begin_in_child(void);

/* False: nothing can be recorded now. Another thread that is at it for so long counts as a record
 * that is dropped; a watchdog that has to leave, for another one that will report, does not. */
bool recorder_lock(void);
/* The same without a count and without a proof of rights, which whoever only notes something needs
 * not: no record may be written. */
bool recorder_lock_within(unsigned patience_ms);
/* Reports first what was wrong with the log's target. */
void recorder_unlock(void);

/* All that follow: under the lock. */

/* Fills event->head but for tid and thread, if there is a thread; with event->head.thread NULL that
 * is asked for. Renders and writes it. False if it could not be written; event->head.seq is set
 * even so. */
bool recorder_write(struct event *event);
bool recorder_write_by(recorder_writer *write, struct event *event);
/* The same head for an event that somebody else than the log gets. `thread` has COMM_LIMIT + 1
 * bytes and must last as long as the head. Needs no lock. */
void recorder_fill_head(struct event *event, uint64_t seq, char *thread);
/* The `start` event, unless it has been written. */
void recorder_introduce(void);
void recorder_introduce_by(recorder_writer *write);
/* A `warning` by the calling thread. */
bool recorder_warn(const char *message);
/* True if the log's target turned out to be none, or takes nothing; that is reported. */
bool recorder_trouble(void);

/* True if the rate allows one more report; else it is counted as held back. */
bool recorder_take(uint64_t now);
/* True if a rule or the rate keeps the report back, which is counted. */
bool recorder_holds_back(const struct incident *incident, uint64_t now);
/* True if this stack is to be shown, not only its number. */
bool recorder_shows_stack(const struct incident *incident, uint64_t now);

/* The settings were changed: limits and frames are as they say from now on. */
void recorder_settings_changed(void);

bool recorder_is_json(void);
bool recorder_is_for_journal(void);
/* NULL: nothing was counted yet. */
struct summary *recorder_counts(void);
/* True if the page of report/status_page.h is this process's; the watchdog's first scan begins it,
 * and a forked child's. */
bool recorder_has_page(void);

/* Runs on: watchdog, constructor, program threads. AS-safe: yes. Blocks: no. */
#endif
