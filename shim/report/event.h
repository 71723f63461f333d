// SPDX-License-Identifier: MIT
/*
 * The events of the contract, and the formats in which they are written. All formats say the same.
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
    uint64_t seq;
    uint64_t time_ns; /* CLOCK_REALTIME */
    int pid, tid;
    const char *executable; /* its path */
    const char *script;     /* of an interpreter, the name of what it runs; NULL: it is none */
    const char *thread;
    uint64_t dropped;    /* records lost before this one; 0: the field is left out */
    uint64_t suppressed; /* reports held back since the last record, likewise */
};

struct event_start {
    const char *argv0;
    const char *script; /* what an interpreter runs, its file's name; NULL: it is none */
    const char *host;   /* logs of several machines tell their processes apart by it */
    const struct settings *settings;
    const char *python;     /* the interpreter; NULL or "": none was looked for, or found */
    const char *javascript; /* the engine, likewise */
    const char *cpu_stacks; /* where the stack of a running thread comes from */
    const char *no_stdio;   /* why libc's FILE tables are untouched; NULL: they are the door */
};

enum event_kind {
    EVENT_START,
    EVENT_BLOCKED,
    EVENT_UNBLOCKED,
    EVENT_STILL, /* a call that was reported has not returned */
    EVENT_LAG,
    EVENT_LAG_END,
    EVENT_FINDING, /* `deadlock` or `finding`, by finding->kind */
    EVENT_FILLING,
    EVENT_DRAIN,      /* `drain_start`, or with drain->ref `drain_end` */
    EVENT_DRAIN_LOSS, /* `drain_handoff` or `drain_drop` */
    EVENT_DRAIN_WAIT,
    EVENT_DRAIN_SPOOL,
    EVENT_ACTION,
    EVENT_CONFIG, /* `pipeshim set` */
    EVENT_WARNING,
    EVENT_SUMMARY,
    EVENT_KIND_COUNT,
};

/* One event, whoever writes it down and in whatever format. What it points to is its caller's. */
struct event {
    enum event_kind kind; /* says which member of the union holds */
    struct event_head head;
    union {
        const struct event_start *start;
        struct {
            const struct incident *incident;
            const struct lag_facts *lag; /* EVENT_LAG */
            const char *advice;          /* EVENT_BLOCKED: one fix; NULL: none is known */
            bool with_stack;             /* false: this stack was shown before */
            uint64_t repeat;             /* EVENT_BLOCKED: so often was this call site reported, */
            uint64_t repeat_ns;          /* and these calls lasted so long, as far as they ended */
            const char *where;           /* read from a log; NULL: from the incident's frames */
            bool cured; /* EVENT_BLOCKED: the drainer, which is off, would take it */
        } wait;         /* EVENT_BLOCKED, EVENT_LAG */
        struct {
            uint64_t ref; /* seq of the report that it ends */
            uint64_t blocked_ns;
            bool gone;                   /* the thread ended inside the call */
            uint64_t repeat;             /* EVENT_UNBLOCKED: of what was one line, see report_ref */
            bool of_call;                /* EVENT_LAG_END: `ref` is a `blocked` */
            const struct lag_facts *lag; /* EVENT_LAG_END */
        } end;                           /* EVENT_UNBLOCKED, EVENT_STILL, EVENT_LAG_END */
        struct {
            const struct wait_finding *finding;
            const struct member *members; /* one for each link of the chain, or NULL */
            uint64_t blocked_ns;          /* 0: not known */
        } graph;                          /* EVENT_FINDING */
        struct {
            int fd;
            const struct object_facts *object;
            struct fill_forecast forecast;
        } filling;
        const struct drain_facts *drain;
        struct {
            enum drain_loss what;
            uint64_t bytes, writes;
        } loss; /* EVENT_DRAIN_LOSS */
        const struct drain_wait_facts *drain_wait;
        const struct drain_spool_facts *drain_spool;
        struct {
            const char *name, *result;
            uint64_t ref; /* 0: none */
        } action;
        struct {
            unsigned count;
            const struct setting_change *changes;
            const char *const *before; /* their texts */
        } config;
        const char *message; /* EVENT_WARNING */
        const struct summary *summary;
    };
};

/* The contract's name of an event: "blocked". */
const char *event_name(const struct event *event);
/* The contract's name of a class. */
const char *event_class_name(enum call_class class);
/* The name of a class, or of CAUSE_STARVED. */
const char *event_cause_name(unsigned cause);
/* One fix for what the incident shows; NULL: none is known. */
const char *event_advice(const struct incident *incident);
/* True if what looks like a lock to the kernel is a condition that somebody brings about: in Java
 * a sleep and the wait for a child, too. From the call and the stack. Pure. */
bool event_waits_for_condition(const struct incident *incident);
/* True of a write that waits for room in a full pipe: the drainer could take it. Pure. */
bool event_drainer_cures(const struct incident *incident);
/* What takes the writes to `fd` from the start, "PIPESHIM_DRAIN=stderr", and the command that
 * un-wedges the process now. */
void event_cure_option(int fd, struct text_buffer *text);
void event_cure_now(int pid, int fd, struct text_buffer *text);
enum { CURE_LIMIT = 80 }; /* bytes of either */
/* The fix for a pipe that fills. */
const char *event_advice_filling(void);

/* One for each cause that takes a good part of the lag, the largest first: a thread that computes
 * on a busy machine is both slow and starved. Returns how many, at least 1. */
enum { LAG_FIXES_LIMIT = 4 };
unsigned event_lag_fixes(const struct lag_facts *facts, const struct incident *incident,
                         const char *fixes[LAG_FIXES_LIMIT]);

/*
 * A format of the log: how each event is written down. One event is whole lines, with the newline.
 * Async-signal-safe; what does not fit the buffer is left out from the end (the outermost frames),
 * the record stays whole. Another format is another instance: the library chooses one at its start
 * (report/recorder.c), the tool uses that for a person on what it reads in a log.
 */
struct event_format {
    void (*start)(struct text_buffer *, const struct event *);
    void (*blocked)(struct text_buffer *, const struct event *);
    void (*unblocked)(struct text_buffer *, const struct event *);
    void (*still)(struct text_buffer *, const struct event *);
    void (*lag)(struct text_buffer *, const struct event *);
    void (*lag_end)(struct text_buffer *, const struct event *);
    void (*finding)(struct text_buffer *, const struct event *);
    void (*filling)(struct text_buffer *, const struct event *);
    void (*drain)(struct text_buffer *, const struct event *);
    void (*drain_loss)(struct text_buffer *, const struct event *);
    void (*drain_wait)(struct text_buffer *, const struct event *);
    void (*drain_spool)(struct text_buffer *, const struct event *);
    void (*action)(struct text_buffer *, const struct event *);
    void (*config)(struct text_buffer *, const struct event *);
    void (*warning)(struct text_buffer *, const struct event *);
    void (*summary)(struct text_buffer *, const struct event *);
};

extern const struct event_format event_format_json; /* JSON Lines: event_json.c */
extern const struct event_format event_format_text; /* for a person: event_text.c */

/* Appends `event` as `format` writes it. */
/* True of an event that the text has no line for, as it says nothing new: the end of a repeated
 * stall that was one line, and of a loop's absence whose call's end was told. The journal, which
 * wants an event each, has one. */
bool event_text_leaves_out(const struct event *event);

void event_render(const struct event_format *format, struct text_buffer *text,
                  const struct event *event);

/* Runs on: any, under the lock of report/. AS-safe: yes. Blocks: no. */
#endif
