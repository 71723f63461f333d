// SPDX-License-Identifier: MIT
/*
 * What a report knows of the logs it has read: bounded tables, filled by aggregate.c in one pass,
 * read by the formats. What finds no space is counted in `overflow`, and the report says so.
 * Times are microseconds since 1970 (UTC), durations microseconds.
 */
#ifndef PIPESHIM_CLI_REPORT_MODEL_H
#define PIPESHIM_CLI_REPORT_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/report/string_table.h"

enum {
    PROCESS_LIMIT = 1 << 14,
    THREAD_LIMIT = 1 << 16,
    OPEN_LIMIT = 1 << 15,        /* calls that have not returned yet */
    FRAME_LIMIT = 1 << 16,       /* different frames */
    SITE_LIMIT = 1 << 14,        /* different call sites */
    SITE_RESERVE = 1 << 10,      /* of them, for calls whose stack found no space */
    SITE_FRAMES_LIMIT = 1 << 20, /* frames of all sites' stacks together */
    STACK_LIMIT = 400,           /* frames of one stack */
    SLICE_LIMIT = 100000,        /* single calls kept for the timelines: the longest */
    PEER_KINDS_LIMIT = 4,        /* different other ends kept for a call site */
    DEADLOCK_LIMIT = 64,
    CHAIN_MEMBERS_LIMIT = 16,
    DRAIN_LIMIT = 256,
    FILL_LIMIT = 1 << 15, /* samples of pipes' fills */
    CAUSE_LIMIT = 32,
    STACK_ID_LIMIT = 1 << 15, /* stacks that are shown once and then only named */
    WARNING_LIMIT = 32,
    DURATION_BUCKETS = 4 * 52, /* four an octave, up to 2^52 us */
    NONE = -1,
};

struct process {
    string_id host; /* 0: the log does not say */
    string_id exe;
    int32_t file; /* index of the log in which it was seen first */
    int32_t pid;
    int64_t first_time, last_time;
    uint64_t first_seq, last_seq, events; /* missing events = last - first + 1 - events */
    uint64_t calls;
    int64_t blocked;
    uint32_t older;      /* 1 + index of the one before it with the same pid; 0: none */
    bool started, ended; /* a `start`, a `summary` was seen */
    bool is_script;      /* exe is the script's name, which its `start` says */
};

struct thread {
    uint32_t process;
    int32_t tid;
    string_id name;
    uint64_t open_seq[2]; /* by slice_kind: 1 + seq of its last call and lag; 0: none yet */
    uint64_t closed_seq;  /* 1 + the highest seq of its calls and lags that have ended; 0: none */
};

/* Whose frame it is. */
enum language { LANGUAGE_NATIVE, LANGUAGE_PYTHON, LANGUAGE_JAVASCRIPT };

/* A native frame, or one of an interpreter. */
struct frame {
    uint8_t interpreted; /* enum language */
    bool exact;          /* offset is the next instruction, not a return address */
    bool near;           /* the line is one nearby; not of its identity, nor is `generated` */
    bool generated;      /* no person wrote the file, and its source map is not here */
    string_id module;    /* path of the ELF object; of the source file if interpreted */
    string_id build_id;  /* hexadecimal */
    uint64_t offset;     /* ELF address in the module; the line if interpreted */
    string_id function;
    string_id source; /* found through the build-id by source_lines.c; 0: not found */
    uint32_t line;
};

/* The library shows a stack in full now and then, in between only its number. */
struct known_stack {
    uint32_t process;
    string_id id;         /* 0: a free slot */
    uint32_t first_frame; /* of site_frames */
    uint16_t native_count, interpreted_count;
    uint32_t user_frame; /* as that of a call_site */
};

struct peer_kind {
    string_id text; /* "reader ffmpeg, S, in read fd 0" */
    int32_t pid;    /* the last one's, NONE if unknown */
    uint64_t count;
};

enum site_kind {
    SITE_CALL, /* blocked calls */
    SITE_LAG,  /* an event loop away from its wait; overlaps the calls made meanwhile */
};

/* Everything that blocked in the same call with the same stack in the same program. */
struct call_site {
    enum site_kind kind;
    string_id exe, call, class_name;
    uint32_t first_frame; /* of site_frames; native frames first, then interpreted ones */
    uint16_t native_count, interpreted_count;
    uint32_t user_frame; /* 1 + index of the native frame that the log calls the user's; 0: none */
    bool on_loop;
    uint64_t count, never_returned;
    int64_t total, longest;
    string_id object; /* of the longest call */
    string_id advice, note;
    uint64_t peer_count; /* calls whose other end was known */
    struct peer_kind peers[PEER_KINDS_LIMIT];
    uint32_t buckets[DURATION_BUCKETS];
};

enum slice_kind { SLICE_CALL, SLICE_LAG, SLICE_DRAIN };

enum slice_flags {
    SLICE_NEVER_RETURNED = 1, /* the call had not returned when its process was last heard of */
    SLICE_END_UNKNOWN = 2,    /* its return is not in the log; the duration is what is known */
    SLICE_ON_LOOP = 4,
};

/* One call (or lag, or drain) on a timeline. */
struct slice {
    int64_t start, duration;
    uint32_t site; /* index; of no meaning for SLICE_DRAIN */
    uint32_t thread;
    uint8_t kind, flags;
    int32_t fd;       /* NONE if unknown */
    int32_t peer_pid; /* NONE if unknown */
    string_id object;
    string_id peer;         /* in words */
    uint64_t inode;         /* of the pipe; 0 if it is none */
    int64_t used, capacity; /* bytes in the pipe when the call was reported; NONE if unknown */
};

struct fill_sample {
    int64_t time;
    uint32_t process;
    uint64_t inode;
    int64_t used, capacity;
};

struct chain_member {
    int32_t pid, for_pid;
    string_id comm, name, waits_in, object, where, source;
    string_id link, code; /* as report/finding_text.h says it: of one line, of some */
    uint32_t frame;       /* 1 + index of the native frame that `where` is; 0: it is none */
};

/* A deadlock, or a finding: both have a chain. */
struct deadlock {
    string_id kind; /* of a finding; 0: a deadlock */
    int64_t time;
    uint32_t process;
    uint32_t key; /* of its id or its members: each of them reports it */
    uint64_t count;
    uint32_t member_count;
    string_id verdict; /* as report/finding_text.h says it, from its first word on */
    string_id words, advice, rescue;
    struct chain_member members[CHAIN_MEMBERS_LIMIT];
};

/* What the drainer did for one fd of one process. */
struct drain {
    uint32_t process;
    int32_t fd;
    string_id object;
    uint64_t count, peak_bytes;
    int64_t total;
};

struct cause {
    string_id name;
    int64_t total;
};

/* An open call: in `blocked` without its `unblocked`. */
struct open_call {
    uint32_t process;
    uint64_t seq;
    struct slice slice; /* its duration: at the report */
    bool used;
};

/* What was done to a process, not by it: an action, a setting. */
enum { NOTE_LIMIT = 64, NOTE_TEXT = 2048 };
struct note {
    int64_t time;
    uint32_t process;
    string_id text;
};

struct model {
    struct string_table strings;
    struct process *processes;
    struct thread *threads;
    struct frame *frames;
    struct call_site *sites; /* sites[0] takes what finds no space */
    uint32_t *site_frames;
    struct slice *slices; /* a heap, the shortest first, until it is sorted by start */
    struct fill_sample *fills;
    struct open_call *open;
    struct known_stack *known_stacks;
    struct deadlock *deadlocks;
    struct drain *drains;
    uint32_t *process_slots, *thread_slots, *frame_slots, *site_slots; /* hash tables */
    string_id warnings[WARNING_LIMIT];
    struct note notes[NOTE_LIMIT];
    struct cause causes[CAUSE_LIMIT]; /* of loop lag */
    uint32_t process_count, thread_count, frame_count, site_count, site_frames_count;
    uint32_t slice_count, fill_count, deadlock_count, drain_count, cause_count, warning_count;
    uint32_t note_count, notes_more;

    int64_t first_time, last_time;
    uint64_t events, calls, lags, drains_ended, fillings, summaries;
    int64_t blocked, lag_total, overhead;
    uint64_t never_returned;
    uint64_t dropped_bytes, dropped_writes, handed_bytes, handed_writes;

    struct {
        uint64_t unusable;   /* objects that are no events: no name, pid or time */
        uint64_t incomplete; /* events that lack what their kind needs */
        uint64_t unknown;    /* events of a kind that this version does not know */
        uint64_t held_back;  /* reports beyond the rate, in no line of their own */
        uint64_t suppressed; /* by rules of the user's */
        uint64_t lost;       /* lines that the library could not write */
        uint64_t orphans;    /* returns whose report is not in the logs */
    } odd;
    struct {
        uint64_t processes, threads, frames, sites, slices, open, fills, deadlocks, drains, stacks;
    } overflow;
};

/* False: no memory. About 60 MiB at most, touched only as far as it is used. */
bool model_open(struct model *model);
void model_close(struct model *model);

/* What an event tells of its process. */
struct process_key {
    string_id host; /* 0: not said */
    int32_t file, pid;
    uint64_t seq;
    bool starts; /* it is the event `start` */
};

/* The last process with that pid, whose `older` leads to those before it; NONE: there is none. */
int32_t model_newest_process(const struct model *model, int32_t pid);

/* The process, thread, frame or site with that key, made if it is new. NONE if there is no space;
 * counted in overflow. */
int32_t model_process(struct model *model, const struct process_key *key);
int32_t model_thread(struct model *model, uint32_t process, int32_t tid, string_id name);
int32_t model_frame(struct model *model, const struct frame *frame);
/* Never NONE: what finds no space goes to the site of the same program and call without a stack,
 * and at last to site 0. */
uint32_t model_site(struct model *model, const struct call_site *like, const uint32_t *frames);

/* Adds one call, lag or drain to the totals of its site and process, and to the timeline. */
void model_add_slice(struct model *model, const struct slice *slice);
void model_add_fill(struct model *model, const struct fill_sample *sample);

/* Sorts the slices by start time, those that start together by duration, longest first: an outer
 * one comes before what it holds. */
void model_sort_slices(struct model *model);

/* The duration below which `percent` of the site's calls lie, rounded up to a quarter octave but
 * never above the longest. */
int64_t site_percentile(const struct call_site *site, unsigned percent);

/* Indices of the sites of that kind with calls, those that blocked longest first; the caller frees
 * it. NULL: no memory. */
uint32_t *model_rank_sites(const struct model *model, enum site_kind kind, uint32_t *count);

static inline const char *model_text(const struct model *model, string_id id)
{
    return string_text(&model->strings, id);
}

static inline uint64_t process_missing(const struct process *process)
{
    uint64_t span = process->last_seq - process->first_seq + 1;
    return process->events > 0 && span > process->events ? span - process->events : 0;
}

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
