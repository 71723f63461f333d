// SPDX-License-Identifier: MIT
/*
 * The one way to the log: numbers the events, applies rules and limits, renders them in the chosen
 * format and writes them. All but report_prepare() are async-signal-safe, never block, keep errno.
 */
#ifndef PIPESHIM_REPORT_REPORTER_H
#define PIPESHIM_REPORT_REPORTER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/change.h"
#include "config/settings.h"
#include "facts/drain_facts.h"
#include "facts/incident.h"
#include "facts/lag_facts.h"
#include "facts/member.h"
#include "facts/report_ref.h"
#include "facts/status_page.h"
#include "graph/finding.h"
#include "kernel/fill_watch.h"

/* What the log tells of the rooms above; async-signal-safe. */
struct report_sources {
    const char *(*cpu_stacks)(void); /* which source is on, or why none is */
    /* Copies at most `limit` loops; returns how many. */
    unsigned (*loops)(struct loop_statistics *out, unsigned limit);
    /* The loop that has been away for longest, of those that were told; false: none is. */
    bool (*away)(struct lag_absence *out);
    /* The same of what the drainer rescued. */
    unsigned (*rescues)(struct drain_rescue *out, unsigned limit);
    struct look_totals (*looks)(void);
    /* True when there is something new of stdin, stdout, stderr. */
    bool (*streams)(struct status_stream out[STATUS_STREAMS]);
    /* Copies at most `limit`; returns how many pipes are drained. */
    unsigned (*drains)(struct status_drain *out, unsigned limit);
};

/* Reads the settings (see settings_read()) into `into`, which is kept. False: the program is left
 * out. Makes no system call but openat(2) and close(2). For the constructor. */
bool report_read_settings(char *const *arguments, char *const *environment, bool secure,
                          struct settings *into);

/* After report_read_settings() was true: no variable is set. Then `into` is not filled before
 * report_prepare(), and zero: most commands never need it. */
bool report_has_defaults(void);

/* After report_read_settings() was true, and not with defaults alone: whether the log, or something
 * that is to be said, cannot wait for the first call that may block. Makes no system call. */
bool report_wants_the_start(void);

/* After report_read_settings() was true: takes the log's destination; what was wrong with the
 * settings is logged. False: the program is left out after all. Once, by whoever begins. */
bool report_prepare(char *const *arguments, char *const *environment,
                    const struct report_sources *from);

/* The library is active: the `start` event. Text keeps it back until there is something to report,
 * so that a quiet program's output stays its own. JSON writes it at once, but for a log that is a
 * file: that is made at the first event, or when the process has been watched for long: one second
 * with an event loop, ten without. */
void report_start(const char *no_stdio, const char *python, const char *javascript);

/* The first event of a forked child: a `start` of its own, and all counts from zero. */
void report_begin_in_child(void);

/* A `warning`: one clear line. False if it could not be written. */
bool report_line(const char *message);

/* All that follow and return a bool: false, or `deferred`, if the log cannot be had now: another
 * thread speaks for too long, or the watchdog must leave. It is to be reported later, then. */
struct report_ref report_blocked(const struct incident *incident);
/* The call that `report` is about has not returned: `still`. Sets when it is to be reported next.
 * False if it could not be reported now. */
bool report_still(int tid, struct report_ref *report, uint64_t blocked_ns);
/* The call that `report` is about has returned, or its thread is gone. */
bool report_unblocked(int tid, const struct report_ref *report, uint64_t blocked_ns);

/* An event loop is late: `lag`, with the stack and the Python frames of `incident`. */
struct report_ref report_lag(const struct incident *incident, const struct lag_facts *facts);
/* It has come back; `ref`: the seq of its `lag`, or (`of_call`) of the `blocked` that explained it;
 * 0: that was held back, and so is this; the status page has both. */
bool report_lag_end(int tid, uint64_t ref, bool of_call, const struct lag_facts *facts);

/* A confirmed deadlock: the `deadlock` event; anything else that was found wrong with the reader of
 * a stuck write: `finding`. */
/* `members`: one for each link of the chain, or NULL. `blocked_ns`: how long this process has
 * waited; 0: not known. */
/* `tid`: the thread of this process that waits because of it; 0: not known. Returns its seq; 0: it
 * could not be reported now. */
uint64_t report_finding(const struct wait_finding *finding, const struct member *members, int tid,
                        uint64_t blocked_ns);
/* The same event as one line of JSON, for PIPESHIM_ACTION=exec:…; `seq` as it was reported. */
void report_finding_line(const struct wait_finding *finding, uint64_t seq, uint64_t blocked_ns,
                         char *line, size_t size);
/* That of a call that is blocked now; or of a loop that is away, with the call that holds it or
 * NULL. */
void report_wait_line(bool lag, const struct status_call *call, uint64_t seq, int tid, uint64_t ns,
                      char *line, size_t size);
/* An action was taken because of event `ref`: `action`. */
void report_action(const char *action, uint64_t ref, const char *result, int tid);
/* The settings were changed from outside, all at once (struct event_config): `config`. What the
 * log itself does with them it does from now on. */
bool report_config(const struct setting_change *changes, unsigned count, const char *const *before);
/* That thread's wait is over, or another one; or it is stuck again in what was over, which was told
 * and counted before: for the status page alone. False: to be said again later. */
bool report_finding_over(int tid);
bool report_finding_again(const struct wait_finding *finding, int tid);

/* A pipe that is about to be full: `filling`. */
void report_filling(int fd, const struct object_facts *object,
                    const struct fill_forecast *forecast);

/* The drainer took over a pipe: `drain_start`, `*seq` is its own, 0: held back. With facts->ref:
 * `drain_end`. False: to be said again later. */
bool report_drain(const struct drain_facts *facts, uint64_t *seq);
/* `drain_handoff`, or `drain_drop`. */
void report_drain_loss(enum drain_loss what, uint64_t bytes, uint64_t writes);
/* An exit, or an exec, waits for what is queued: `drain_wait`. */
void report_drain_wait(const struct drain_wait_facts *facts);
/* What nobody read went to a file: `drain_spool`. */
void report_drain_spool(const struct drain_spool_facts *facts);

/* On the watchdog: a call has crossed its threshold, whatever is made of it. A process of which
 * that is known is worth a file (see report_start()). */
void report_notice(void);

/* On the watchdog thread, at each scan, at `now` (CLOCK_MONOTONIC, ns): tries again what the log
 * has not taken yet, and renews the page four times a second. `has_loops`: the program has an event
 * loop. Returns when to call again at the latest. No system call when there is nothing to do. */
uint64_t report_periodic(uint64_t now, bool has_loops);

/* At the exit: the `summary` event, as PIPESHIM_SUMMARY says, and whatever the log has not taken
 * yet. Waits for a log until `deadline_ns` (CLOCK_MONOTONIC). */
void report_finish(uint64_t deadline_ns);

/* Before an exec, which ends the log's writer: what waits for it is written, if that takes no
 * longer than to `deadline_ns`. */
void report_before_exec(uint64_t deadline_ns);

/* Runs on: constructor (read, prepare, start), watchdog, the thread that exits or executes.
 * AS-safe: yes but report_prepare(). Blocks: no; report_finish(), report_before_exec() to their
 * deadlines. */
#endif
