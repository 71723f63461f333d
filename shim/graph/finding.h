// SPDX-License-Identifier: MIT
/*
 * What is wrong in a wait-for graph, in words: cycles, and writers whose readers do not listen.
 *
 * A finding is true of the scan that it was made from. It is to be reported only when a second
 * scan, some hundred milliseconds later, makes the same one with the same fingerprint: the same
 * threads in the same calls with the same arguments on the same objects, and no thread of them has
 * woken in between. A slow reader changes the fingerprint; a deadlock cannot.
 */
#ifndef PIPESHIM_GRAPH_FINDING_H
#define PIPESHIM_GRAPH_FINDING_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/object_facts.h"
#include "graph/wait_graph.h"
#include "kernel/process_name.h"

enum {
    CHAIN_LIMIT = 16,
    WORDS_LIMIT = 1024,
    ADVICE_LIMIT = 512,
    RESCUE_LIMIT = 64,
    HOLDER_STEPS = 3, /* wakes without a read that make a sleeping reader one that does not read */
};

enum finding_kind {
    FINDING_DEADLOCK,       /* a closed chain; nobody in it can go on */
    FINDING_SELF_READER,    /* only the writer's own process could read what it writes */
    FINDING_NO_READER,      /* no process that may be seen holds the reading end */
    FINDING_READER_STOPPED, /* the reader is stopped, or held by a tracer */
    FINDING_READER_AWAY,    /* the reader waits in something else and does not listen */
    FINDING_EOF_NEVER,      /* a read waits for an end that somebody unrelated keeps from coming */
    FINDING_NONBLOCKING_SHARED, /* another holder of its stdio has made that non-blocking */
    FINDING_BACKLOG, /* it goes on, and keeps in memory what the full pipe does not take */
    FINDING_KINDS,
    /* Of `pipeshim diagnose` alone; the library tells it as the event `blocked`. */
    FINDING_BLOCKED, /* an event loop stands still, for a call that will end or not */
};

/* One process of the chain: it waits in `waits_in` on `object` for `for_pid`. */
struct chain_link {
    int pid;
    int tid;
    int for_pid; /* 0: for something outside the chain */
    char comm[COMM_LIMIT];
    char name[PROCESS_NAME_LIMIT];     /* as its user knows it: its script's */
    char for_name[PROCESS_NAME_LIMIT]; /* of `for_pid` */
    enum process_runtime runtime;
    bool loop; /* its main thread sits in an event loop, whichever thread waits here */
    char waits_in[WAITS_IN_LIMIT];
    char object[OBJECT_NAME_LIMIT]; /* "pipe:[81723]", "process 4250", a path; empty: none */
    enum wait_reason reason;
    enum wait_kind wait;
    bool for_close; /* as in struct wait_edge */
    int own_fd;     /* the descriptor that it waits on; -1 none */
    int peer_fd;    /* the descriptor of `for_pid`; -1 none */
    struct object_key key;
    int64_t used, capacity; /* bytes; UNKNOWN_NUMBER */
    int64_t slots;          /* of a full pipe, all in use; UNKNOWN_NUMBER */
    int full;               /* as in struct pipe_facts */
};

struct wait_finding {
    enum finding_kind kind;
    bool likely;      /* not proven: see enum acting of graph/wait_graph.h */
    bool foreseen;    /* FINDING_NONBLOCKING_SHARED: seen from outside, where no write is */
    uint64_t id;      /* of a deadlock: the same whoever of its members finds it */
    bool timed;       /* the cycle opens when a timeout of one of its waits ends, */
    int64_t limit_ms; /* this long after that began */
    unsigned count;   /* links; of a deadlock the last waits for the first */
    struct chain_link chain[CHAIN_LIMIT];
    uint64_t fingerprint;
    /* How many processes more could read, and one of them. */
    unsigned other_readers;
    int other_reader;
    /* FINDING_READER_AWAY: the process that should read. */
    int holder_pid;
    bool holder_sleeps;       /* its thread only sleeps: a slow reader does so too */
    int64_t holder_sleep_ms;  /* how long that sleep still takes */
    bool holder_runs;         /* it is on a CPU, or waits for one: it counts as away only */
    uint64_t holder_run_ns;   /* when it has computed meanwhile: CPU time so far of its thread, */
    int holder_run_tid;       /* which is this one */
    uint64_t holder_switches; /* how often its threads have woken so far */
    bool holder_writes;       /* it is in a write of its own, */
    uint64_t holder_wakes;    /* and that thread has woken so often so far */
    int64_t holder_reads;     /* FINDING_BACKLOG: how often it has read anything; UNKNOWN_NUMBER */
    int64_t write_calls;      /* FINDING_NONBLOCKING_SHARED, foreseen: of the writer so far */
    int64_t memory_bytes;     /* and how much memory the writer has, */
    uint64_t seen_ns;         /* then (CLOCK_MONOTONIC); 0: of a writer that does not come round */
    int64_t memory_first;     /* the same two at the first of the scans in a row */
    uint64_t seen_first_ns;
    /* FINDING_DEADLOCK: of its members that come round, CPU time and time without a CPU so far, */
    uint64_t worked_ns, starved_ns;
    uint64_t looked_ns;        /* then (CLOCK_MONOTONIC); 0: of none that comes round */
    unsigned still_rounds;     /* FINDING_DEADLOCK: after which it had not grown */
    unsigned grown_rounds;     /* between each two of which it grew */
    int tracer_pid;            /* FINDING_READER_STOPPED: by whom it is traced; 0: by nobody */
    int away_epoll;            /* its epoll set that holds the pipe while its loop is away; -1 */
    char words[WORDS_LIMIT];   /* one sentence */
    char advice[ADVICE_LIMIT]; /* what to change */
    char rescue[RESCUE_LIMIT]; /* a command that un-wedges it now; "": none */
};

/* Fills `findings` from the loaded processes of a graph, deadlocks first; returns how many. */
unsigned wait_graph_find(struct wait_graph *graph, struct wait_finding *findings, unsigned limit);

/* The quickest scan: at `pid` and its descendants, then its parent as well. True when `pid` can act
 * for certain, nobody is stuck in a write to it, and it wants to write nothing that does not fit:
 * there is nothing to find, whoever else there is. */
bool wait_graph_is_at_peace(struct wait_graph *graph, int pid);

/* Nothing is left unread of a pipe or socket that a process could read, as far as can be said: then
 * nobody is stuck in a write to it. */
bool wait_graph_has_read(const struct wait_graph *graph, int pid, int fd);

/* The quick scan that comes before: at the relatives of `pid` alone. False when `pid` can act for
 * certain; true when a look at all processes is needed to know. */
bool wait_graph_may_be_stuck(struct wait_graph *graph, int pid);

/* One look for the watchdog: scans, loads what `pid` depends on, and finds what is wrong there. The
 * first finding is one that names `pid`, when there is one; the others may name only processes that
 * it waits for. What a process depends on is a chain, but many may depend on it: room for about 16.
 * `graph` was initialised by wait_graph_init. Returns how many were found. */
unsigned wait_graph_examine(struct wait_graph *graph, int pid, struct wait_finding *findings,
                            unsigned limit);

/* Who has made the stream of descriptor `fd` of process `pid` non-blocking, which did not do it
 * itself: fills `finding` (FINDING_NONBLOCKING_SHARED) from a scanned graph, with one link when
 * nobody who holds it shows the flag. False: it is no pipe, FIFO or socket, or is gone. */
bool finding_nonblocking_shared(struct wait_graph *graph, int pid, int fd,
                                struct wait_finding *finding);

/* The same from outside, where nobody sees that a write fails: its output `fd` is a full pipe and
 * non-blocking, no thread of it waits for room there, and another process shares the open file
 * description; confirmed if it makes write calls all the same. Never proven. Of a graph in which
 * `pid` was loaded. */
bool finding_nonblocking_foreseen(struct wait_graph *graph, int pid, int fd,
                                  struct wait_finding *finding);

/* Does somebody wait for room in a full pipe near `pid`: a writer that `pid` could let go on, `pid`
 * itself, or an event loop of it or of its neighbours that goes on meanwhile? Then a scan of all
 * processes may find FINDING_READER_AWAY or FINDING_BACKLOG. Of a graph in which `pid` was loaded.
 */
bool wait_graph_space_is_wanted(struct wait_graph *graph, int pid);

/* A heap grows by itself now and then. After so many confirmations in a row it is a backlog that
 * makes it grow, each time. */
enum { BACKLOG_ROUNDS = 3 };
/* After wait_finding_confirms() of a FINDING_BACKLOG: counts the round, and adds to the words by
 * what its memory has grown since the first. */
void finding_backlog_grew(const struct wait_finding *before, struct wait_finding *now);

/* Of two looks at a deadlock with a member that comes round to its full pipe (an event loop): it is
 * at work meanwhile, or would be if it had a CPU. Then it may well do what is waited for. */
bool finding_is_at_work(const struct wait_finding *before, const struct wait_finding *now);

/* Whether `now` confirms `before`, made some hundred milliseconds earlier: nothing has moved. A
 * reader that is merely asleep must in addition have woken without reading, or sleep long; one that
 * writes must not have got any further with that. */
bool wait_finding_confirms(const struct wait_finding *before, const struct wait_finding *now);

/* What the event calls it: "deadlock", "eof_never". */
const char *finding_name(enum finding_kind kind);

/* Writes `words`, `advice` and `rescue` from the other members. Reads /proc only for a terminal
 * that keeps a reader waiting. */
void finding_describe(const struct wait_graph *graph, struct wait_finding *finding);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
