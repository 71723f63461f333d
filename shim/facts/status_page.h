// SPDX-License-Identifier: MIT
/*
 * The page `pipeshim_status` in the library's own memory: what goes on in this process, for whoever
 * may read its memory (process_vm_readv: the rules of ptrace). Plain data with fixed places; all
 * numbers are little-endian. A later version only adds past the end: `version` changes when a
 * place does, `size` when there is more.
 *
 * `sequence` is a seqlock: odd while the page is written. A page of zeroes: nothing that could
 * block was called yet. `pid` is that of the process's own namespace; a forked child has its
 * parent's page until it begins its own.
 */
#ifndef PIPESHIM_FACTS_STATUS_PAGE_H
#define PIPESHIM_FACTS_STATUS_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "facts/calls.h"
#include "facts/lag_facts.h"

enum {
    STATUS_VERSION = 1,
    STATUS_BUCKETS = 10, /* of seconds: status_bucket_ms, and one for all above */
    STATUS_CALLS = 24,
    STATUS_LOOPS = LAG_LOOP_LIMIT,
    STATUS_KINDS = 8, /* of findings: enum finding_kind */
    STATUS_NAME = 16,
    STATUS_TEXT = 48,
    STATUS_WHERE = 96,
    STATUS_WORDS = 400,
    STATUS_STREAMS = 3,
    STATUS_DRAINS = 12,
    STATUS_FINDINGS = 4,
    STATUS_MEMBERS = 8,
    STATUS_SHORT_NAME = 24,
    STATUS_SHORT_TEXT = 32,
};

#define STATUS_MAGIC "PIPESHIM"

/* The upper ends of the buckets, in milliseconds. */
#define STATUS_BUCKET_MS                                                                           \
    {                                                                                              \
        50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000                                   \
    }

/* One class of calls: those that crossed their threshold. */
struct status_class {
    uint64_t blocked;  /* so many did */
    uint64_t returned; /* of them: their times follow */
    uint64_t returned_ns;
    uint64_t bucket[STATUS_BUCKETS + 1]; /* of `returned`, each alone */
};

/* A call that is blocked now. */
struct status_call {
    int32_t tid, fd;        /* fd -1: none */
    uint32_t class;         /* enum call_class */
    int32_t peer_pid;       /* 0: not known */
    uint64_t since_ns;      /* CLOCK_MONOTONIC */
    uint64_t seq;           /* of its `blocked` event; 0: held back */
    int64_t used, capacity; /* of a pipe, bytes; -1: not known */
    char thread[STATUS_NAME], peer[STATUS_NAME];
    char call[STATUS_TEXT], object[STATUS_TEXT];
    char where[STATUS_WHERE]; /* file:line function of the user's code */
};

struct status_loop {
    int32_t tid, unused;
    char thread[STATUS_NAME];
    uint64_t iterations, lags, lag_max_ns, lag_total_ns;
    uint64_t lag_histogram[LAG_BUCKETS]; /* by length, as in struct loop_statistics */
};

/* stdin, stdout or stderr, as it was when it was last looked at. */
struct status_stream {
    int64_t used, capacity; /* bytes; capacity 0: it is no pipe, or was not looked at */
};

/* A pipe of which something is in the drainer's queue. */
struct status_drain {
    int32_t fd, unused;
    uint64_t inode;
    uint64_t queued_bytes; /* now, with the records' headers */
    uint64_t taken_bytes;  /* since it began; payload */
    uint64_t begun_ns;     /* CLOCK_MONOTONIC */
};

/* Who waits for whom in a finding; `for_pid` 0: for something outside. */
struct status_member {
    int32_t pid, tid, for_pid, unused;
    char name[STATUS_SHORT_NAME];
    char waits_in[STATUS_SHORT_TEXT], object[STATUS_SHORT_TEXT];
};

/* A finding that holds now. */
struct status_finding {
    int32_t tid, kind; /* the thread of this process that waits; enum finding_kind */
    uint64_t found_ns; /* CLOCK_MONOTONIC */
    uint32_t member_count, unused;
    struct status_member members[STATUS_MEMBERS];
};

struct status_page {
    char magic[8];
    uint32_t version, size;
    uint64_t sequence;
    int32_t pid;
    uint32_t call_count, loop_count;
    uint32_t lagging;              /* a loop is away for longer than its threshold */
    uint64_t begun_ns, scanned_ns; /* CLOCK_MONOTONIC: the first and the last scan */
    uint64_t watchdog_cpu_ns;
    uint64_t held_back, suppressed, dropped; /* reports by limits and by rules; records */
    uint64_t calls_lost;                     /* blocked now, without a place here */
    uint64_t found[STATUS_KINDS];
    uint32_t active[STATUS_KINDS]; /* so many of `findings` hold now */
    int32_t found_tid, found_kind; /* the last one, and the thread of this process that waits */
    uint64_t found_ns;             /* CLOCK_MONOTONIC: when it was reported */
    char words[STATUS_WORDS];
    int32_t lag_tid, unused;
    uint64_t lag_since_ns, lag_seq; /* of the last that began: CLOCK_MONOTONIC; its event */
    uint64_t lag_cause_ns[CAUSE_COUNT];
    uint64_t drained_bytes, drain_peak_bytes, drain_dropped_bytes, drain_dropped_writes;
    uint64_t draining; /* pipes with something queued now */
    struct status_class classes[CLASS_COUNT];
    struct status_loop loops[STATUS_LOOPS];
    struct status_call calls[STATUS_CALLS];
    struct status_stream streams[STATUS_STREAMS];
    uint32_t drain_count, finding_count;
    struct status_drain drains[STATUS_DRAINS];
    struct status_finding findings[STATUS_FINDINGS];
};

/* What the first library with a page had: one that is smaller is none. */
#define STATUS_SMALLEST offsetof(struct status_page, streams)

_Static_assert(sizeof(struct status_page) <= 16384, "the page's bound");

/* Runs on: any. Plain data. */
#endif
