// SPDX-License-Identifier: MIT
/*
 * The wait-for graph over processes.
 *
 * A node is a thread; it waits for one of several processes to act (an OR: any of a pipe's readers
 * may read it). A process can act when one of its threads can: because it runs, sleeps for a time,
 * waits for something outside (a client, a terminal, a disk), or waits for a process that can act.
 * What is left when no more threads can be shown to go on is stuck, and a cycle in it is a
 * deadlock: no member has a thread that could break it.
 *
 * Doubt always counts as "can act": a thread that may not be read, a set that is too long, a
 * process that holds an io_uring in which something is under way. A verdict is therefore a proof of
 * the scan it was made from; it takes two scans without progress between them (graph/finding.h) to
 * be reported. Two kinds of thread that can act do not help whoever waits, as far as can be seen
 * from outside: what is stuck once they are left out is `likely`, not proven, and said so (enum
 * acting).
 *
 * All functions are async-signal-safe: memory of the caller, raw system calls, no signal, no
 * ptrace, no open of a pipe end; about 40 KiB of stack.
 */
#ifndef PIPESHIM_GRAPH_WAIT_GRAPH_H
#define PIPESHIM_GRAPH_WAIT_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/fd_scan.h"
#include "kernel/thread_wait.h"
#include "kernel/wait_set.h"

enum { NO_INDEX = UINT32_MAX };

struct wait_process {
    int pid, parent, group, session;
    char state;
    char comm[COMM_LIMIT];
    bool readable;  /* its descriptors could be read */
    bool gone;      /* it ended while it was looked at */
    bool loaded;    /* its threads have been read */
    bool opaque;    /* it can act for all that is known: not readable, io_uring, too many threads */
    bool library;   /* it runs this library: one of its threads has the library's name */
    bool unawaited; /* its end sends no SIGCHLD: a wait for any child does not see it (clone()) */
    bool children_left_out;        /* it may have others, which were not looked at */
    bool can_act;                  /* result of the reduction */
    bool reported;                 /* member of a deadlock that has been found */
    bool seen, expanded, frontier; /* scratch of the searches */
    uint32_t came_from_thread;     /* scratch of the searches: the thread and */
    uint32_t came_from_edge;       /* the edge by which the process was reached */
    uint32_t first_thread, thread_count;
    uint64_t switches; /* voluntary context switches of all its threads */
};

enum wait_reason {
    REASON_NONE,   /* of a link of a finding: it waits for nobody of the chain */
    REASON_SPACE,  /* the process holds the reading end of a full pipe */
    REASON_INPUT,  /* it holds the writing end of an empty one */
    REASON_CHILD,  /* it is the child (or the process of a pidfd) that is waited for */
    REASON_SIGNAL, /* it is a child, whose end would wake an event loop by SIGCHLD */
    REASON_LOCK,   /* it holds the file lock */
    REASON_FUTEX,  /* another thread of the same process */
};

/* One way on for a thread: `process` acts. */
struct wait_edge {
    uint32_t process;
    enum wait_reason reason;
    int own_fd;  /* the waiting thread's descriptor; -1 none */
    int peer_fd; /* the descriptor of `process`; -1 none */
    struct object_key key;
    bool for_close; /* REASON_INPUT on an end that is only written to: asyncio has a child's stdin
                     * in its set to see it close */
};

struct wait_thread {
    int tid;
    uint32_t process;
    struct thread_wait wait;
    bool free;     /* it goes on by itself, or it cannot be excluded that it does */
    bool timed;    /* it goes on by itself after `limit_ms`, which is long */
    bool listener; /* free, but only a new connection wakes it: accept, or a poll of listeners */
    bool unopened; /* free, but only somebody who opens its FIFO for reading lets it go on */
    bool reported; /* member of a deadlock that has been found */
    bool recurs;   /* it waits for space in a full pipe, by short waits that come round again (Bun
                    * wakes each 999 ms, Node for its timers) */
    int64_t limit_ms;
    unsigned candidates; /* objects that it may wait on, when its call may not be read */
    uint32_t first_edge, edge_count;
};

/* One descriptor of one process that refers to a pipe, FIFO or socket. */
struct wait_holder {
    struct object_key key;
    uint32_t process;
    int fd;
    unsigned access;
};

struct wait_graph {
    unsigned access; /* ACCESS_… flags of kernel/object_reader.h */
    bool few_looks;  /* of the caller (the tool): it does not wait for a loop that is at work, and
                      * may  pay more for a look */
    struct wait_process *processes; /* by pid, ascending */
    struct wait_thread *threads;
    struct wait_edge *edges;
    struct wait_holder *holders; /* by key, ascending */
    uint64_t *tables_read;       /* how often all sockets of the host were read for one */
    uint32_t process_count, process_limit;
    uint32_t thread_count, thread_limit;
    uint32_t edge_count, edge_limit;
    uint32_t holder_count, holder_limit;
    uint32_t unreadable; /* processes whose descriptors may not be read */
    bool incomplete;     /* something did not fit: holders may be missing, no verdict is made */
    bool refused;        /* the kernel was short of something: nothing can be concluded */
    bool partial;        /* only relatives were scanned: holders may be missing */
    bool open;           /* and it matters: somebody waits for an end whose holder was not seen */
};

enum {
    /* Enough for about 2,000 processes and 9,000 pipe and socket descriptors. */
    WAIT_GRAPH_MEMORY = 1 << 20,
    /* A wait that ends by itself sooner than this is a loop that comes round, not a deadlock. */
    TIMED_WAIT_MS = 2000,
};

/* Divides `size` bytes at `memory` (aligned for a uint64_t, of the caller, kept until the graph is
 * not used any more) into the tables of an empty graph. */
void wait_graph_init(struct wait_graph *graph, void *memory, size_t size, unsigned access);

/* Reads the table of all processes and who holds which pipe and socket: one pass over /proc. To be
 * called first, and again for a new scan. Returns 0 or -errno (no /proc). */
long wait_graph_scan(struct wait_graph *graph);

/* The same of the relatives of `pid` alone: itself, its descendants, its parent and what that
 * started. Costs some 10 us a process instead of a pass over /proc. No verdict, but a question
 * that may be answered: if the process can act in this graph and graph->open is false, it can act.
 * -ENOENT when the kernel does not list children (CONFIG_PROC_CHILDREN). */
long wait_graph_scan_relatives(struct wait_graph *graph, int pid);

/* The same without what its parent started besides: where that has a hundred children, a tenth of
 * the cost. */
long wait_graph_scan_closest(struct wait_graph *graph, int pid);

/* The same without its parent, which may be one with thousands of descriptors: enough for a server,
 * whom strangers let go on. */
long wait_graph_scan_descendants(struct wait_graph *graph, int pid);

/* Reads the threads of a process and, through what they wait for, of all processes that it depends
 * on. Returns the index of the process, NO_INDEX when there is none of that pid. */
uint32_t wait_graph_load(struct wait_graph *graph, int pid);
void wait_graph_load_all(struct wait_graph *graph);
/* Loads as well who holds the other ends of the pipes and sockets of a process: who waits for it.
 */
void wait_graph_load_neighbours(struct wait_graph *graph, int pid);

/* Index of a process by pid; NO_INDEX. */
uint32_t wait_graph_process(const struct wait_graph *graph, int pid);

/* The holders of an object: index of the first, and their number. */
uint32_t wait_graph_holders(const struct wait_graph *graph, struct object_key key, uint32_t *count);

/* The other end of what a descriptor refers to: the key and access that its peers' descriptors
 * have. False when it has none that can be found. For a socket `*unread` is set to what waits to be
 * read by the owner of the descriptor, else -1. */
bool wait_graph_other_end(const struct wait_graph *graph, int pid, const struct fd_description *fd,
                          unsigned waits_for, struct wait_holder *end, int64_t *unread);

/* Whether a socket waits for connections. */
bool wait_graph_socket_listens(const struct wait_graph *graph, int pid,
                               const struct fd_description *fd);

/* Which doubtful threads count as able to act in a reduction. */
enum acting {
    ACT_TIMED = 1,     /* whose wait ends by itself after more than TIMED_WAIT_MS */
    ACT_LISTENERS = 2, /* who wait for new connections, in a process with a writer that is stuck; or
                        * for somebody to open their FIFO */
    ACT_RECURRING = 4, /* whose wait for space comes round again */
    ACT_ALL = ACT_TIMED | ACT_LISTENERS | ACT_RECURRING,
};

/* Marks the processes that can act (graph/reduce.c; pure). `acting`: ACT_ flags. */
void wait_graph_reduce(struct wait_graph *graph, unsigned acting);

struct wait_step {
    uint32_t process, thread, edge;
};
/* After a reduction: the shortest cycle of stuck processes through `process`, as the steps that
 * lead from it back to it; 0 when there is none or it is longer than `limit`. Pure. */
unsigned wait_graph_cycle(struct wait_graph *graph, uint32_t process, struct wait_step *steps,
                          unsigned limit);

/* Does `from` wait for `to`, through however many others? Of indices of loaded processes. Pure. */
bool wait_graph_waits_for(struct wait_graph *graph, uint32_t from, uint32_t to);

/* Does any thread of the process read this object, or wait in a poll, select or epoll for it to
 * become readable? *away_epoll is set to an epoll descriptor whose set holds the object although no
 * thread waits there now (its loop is away), else to -1. */
bool wait_graph_listens(const struct wait_graph *graph, uint32_t process, struct object_key key,
                        int *away_epoll);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
