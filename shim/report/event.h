// SPDX-License-Identifier: MIT
/*
 * The events of the contract as text: JSON Lines (event_json.c) or for a person (event_text.c).
 * Both say the same. Async-signal-safe; what does not fit the buffer is left out from the end (the
 * outermost frames), the record stays whole.
 */
#ifndef PIPESHIM_REPORT_EVENT_H
#define PIPESHIM_REPORT_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text_buffer.h"
#include "config/change.h"
#include "config/settings.h"
#include "facts/drain_facts.h"
#include "facts/incident.h"
#include "facts/lag_facts.h"
#include "facts/member.h"
#include "graph/finding.h"
#include "kernel/fill_watch.h"
#include "report/summary.h"

/* What every event begins with. */
struct event_head {
    const char *event;
    uint64_t seq;
    uint64_t time_ns; /* CLOCK_REALTIME */
    int pid, tid;
    const char *executable; /* its path */
    const char *thread;
    uint64_t dropped;    /* records lost before this one; 0: the field is left out */
    uint64_t suppressed; /* reports held back since the last record, likewise */
};

struct event_start {
    const char *argv0;
    const char *host; /* logs of several machines tell their processes apart by it */
    const struct settings *settings;
    const char *python;     /* the interpreter; NULL or "": none was looked for, or found */
    const char *javascript; /* the engine, likewise */
    const char *cpu_stacks; /* where the stack of a running thread comes from */
    const char *no_stdio;   /* why libc's FILE tables are untouched; NULL: they are the door */
};

struct event_unblocked {
    uint64_t ref;
    uint64_t blocked_ns;
    bool gone; /* the thread ended inside the call */
};

/* The contract's name of a class. */
const char *event_class_name(enum call_class class);
/* The name of a class, or of CAUSE_STARVED. */
const char *event_cause_name(unsigned cause);
/* One fix for what the incident shows; NULL: none is known. */
const char *event_advice(const struct incident *incident);
/* True if what looks like a lock to the kernel is a condition that somebody brings about: in Java
 * a sleep and the wait for a child, too. From the call and the stack. Pure. */
bool event_waits_for_condition(const struct incident *incident);
/* The fix for a pipe that fills. */
const char *event_advice_filling(void);

void event_json_start(struct text_buffer *, const struct event_head *, const struct event_start *);
void event_json_blocked(struct text_buffer *, const struct event_head *, const struct incident *,
                        bool with_stack);
void event_json_unblocked(struct text_buffer *, const struct event_head *,
                          const struct event_unblocked *);
/* It has not returned: a `still`. */
void event_json_still(struct text_buffer *, const struct event_head *,
                      const struct event_unblocked *);
void event_json_lag(struct text_buffer *, const struct event_head *, const struct incident *,
                    const struct lag_facts *, bool with_stack);
void event_json_lag_end(struct text_buffer *, const struct event_head *, uint64_t ref,
                        const struct lag_facts *);
void event_json_finding(struct text_buffer *, const struct event_head *,
                        const struct wait_finding *, const struct member *members,
                        uint64_t blocked_ns);
void event_json_filling(struct text_buffer *, const struct event_head *, int fd,
                        const struct object_facts *, const struct fill_forecast *);
/* `drain_start`, or with facts->ref `drain_end`. */
void event_json_drain(struct text_buffer *, const struct event_head *, const struct drain_facts *);
void event_json_drain_loss(struct text_buffer *, const struct event_head *, enum drain_loss,
                           uint64_t bytes, uint64_t writes);
void event_json_drain_wait(struct text_buffer *, const struct event_head *,
                           const struct drain_wait_facts *);
void event_json_drain_spool(struct text_buffer *, const struct event_head *,
                            const struct drain_spool_facts *);
void event_json_action(struct text_buffer *, const struct event_head *, const char *action,
                       uint64_t ref, const char *result);
/* `pipeshim set`: what the settings are now, and what they were. */
struct event_config {
    unsigned count;
    const struct setting_change *changes;
    const char *const *before; /* their texts */
};
void event_json_config(struct text_buffer *, const struct event_head *,
                       const struct event_config *);
void event_json_warning(struct text_buffer *, const struct event_head *, const char *message);
void event_json_summary(struct text_buffer *, const struct event_head *, const struct summary *);

void event_text_start(struct text_buffer *, const struct event_head *, const struct event_start *);
void event_text_blocked(struct text_buffer *, const struct event_head *, const struct incident *,
                        bool with_stack);
void event_text_unblocked(struct text_buffer *, const struct event_head *,
                          const struct event_unblocked *);
void event_text_still(struct text_buffer *, const struct event_head *,
                      const struct event_unblocked *);
void event_text_lag(struct text_buffer *, const struct event_head *, const struct incident *,
                    const struct lag_facts *, bool with_stack);
void event_text_lag_end(struct text_buffer *, const struct event_head *, uint64_t ref,
                        const struct lag_facts *);
void event_text_finding(struct text_buffer *, const struct event_head *,
                        const struct wait_finding *, const struct member *members,
                        uint64_t blocked_ns);
void event_text_filling(struct text_buffer *, const struct event_head *, int fd,
                        const struct object_facts *, const struct fill_forecast *);
void event_text_drain(struct text_buffer *, const struct event_head *, const struct drain_facts *);
void event_text_drain_loss(struct text_buffer *, const struct event_head *, enum drain_loss,
                           uint64_t bytes, uint64_t writes);
void event_text_drain_wait(struct text_buffer *, const struct event_head *,
                           const struct drain_wait_facts *);
void event_text_drain_spool(struct text_buffer *, const struct event_head *,
                            const struct drain_spool_facts *);
void event_text_action(struct text_buffer *, const struct event_head *, const char *action,
                       uint64_t ref, const char *result);
void event_text_config(struct text_buffer *, const struct event_head *,
                       const struct event_config *);
void event_text_warning(struct text_buffer *, const struct event_head *, const char *message);
void event_text_summary(struct text_buffer *, const struct event_head *, const struct summary *);

/* Runs on: any, under the lock of report/. AS-safe: yes. Blocks: no. */
#endif
