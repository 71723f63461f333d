// SPDX-License-Identifier: MIT
/*
 * The library's life in one process: when it is active, who watches, and what a child starts with.
 *
 * All mutable state that a forked child must not inherit lives in `struct life`, one mapping with
 * MADV_WIPEONFORK (Linux 4.14), made when the library begins: fork, _Fork and clone without
 * CLONE_VM give the child zeroes, atomically and without a handler that could be forgotten; vfork
 * and posix_spawn children share the parent's memory and are recognised by their pid. `pid` 0
 * therefore means: this process has not begun yet.
 */
#ifndef PIPESHIM_PROCESS_LIFE_H
#define PIPESHIM_PROCESS_LIFE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"

enum thread_state {
    THREAD_NONE, /* not started: nothing that could block has been called */
    THREAD_STARTING,
    THREAD_RUNNING,
    THREAD_FORBIDDEN, /* must not run again: a seccomp filter, or the kernel refused it */
};

enum {
    UNREPORTED_LINGERED = 1, /* the watchdog did not end when it was asked to */
    UNREPORTED_BLIND = 2,    /* it could not prove its rights, and ended */
    UNREPORTED_REFUSED = 4,  /* the kernel made no thread */
};

enum { PAIRS_REMEMBERED = 8 };

struct life {
    _Atomic int32_t pid;
    _Atomic uint32_t thread_state;
    _Atomic int32_t watchdog_tid; /* cleared by the kernel when the thread is gone */
    _Atomic uint32_t stop;        /* the watchdog must end at once, and say nothing more */
    _Atomic uint32_t leave;       /* the watchdog must end after the scan that it makes */
    _Atomic uint32_t exit_status; /* of the thread that was about to end by exit(2), the last one */
    _Atomic uint32_t unreported;  /* UNREPORTED_…: what the next thread that comes by reports */
    _Atomic uint64_t held_until;  /* CLOCK_MONOTONIC, ns: no watchdog is started before */
    _Atomic uint64_t doubted_until; /* the same: its rights are proven for each act until then */
    _Atomic uint32_t wake;          /* futex: a thread wants the watchdog to look now */
    _Atomic uint64_t first_thread_word; /* watch/sleep.h; 0: not known */
    _Atomic uint32_t early_calls;       /* calls let through before the watchdog was started */
    _Atomic uint32_t early_on_pipes;    /* those on pipes, since: */
    _Atomic uint64_t early_since;       /* CLOCK_MONOTONIC, ns; 0: the first */
    _Atomic uint64_t fed_pipe;          /* inode of a pipe that it made and wrote to; 0: none */
    _Atomic uint32_t ends_asked;        /* doors/held_ends.h: how often it had to ask others */
    _Atomic uint32_t both_asked;        /* the same, of pairs of which it has kept both ends */
    _Atomic uint32_t reporting;         /* lock of report/: 0 free; taken by try only */
    _Atomic uint32_t finished;          /* the summary is written, or must not be */
    _Atomic uint32_t slot_bound;        /* slots below this index may be in use */
    _Atomic uint32_t claiming;          /* threads inside slot_claim() */
    _Atomic uint32_t claims_barred;     /* no thread may begin to: doors/sandbox_doors.c */
    _Atomic uint32_t slot_claims;       /* since the last sweep */
    _Atomic uint32_t slots_left;        /* threads that were alive then */
    _Atomic uint32_t slots_withheld;    /* those below are marked as used: slots_begin_in_child() */
    _Atomic uint32_t ends_marked;       /* slots_mark_ends() */
    _Atomic uint32_t pairs_made;        /* pipes and socketpairs that the program made */
    _Atomic uint64_t pairs[PAIRS_REMEMBERED]; /* the last of them: doors/pipe_doors.c */
    _Atomic uint32_t refused;       /* bits of fds 0 to 2: a write failed by a foreign O_NONBLOCK */
    _Atomic uint64_t refused_to[3]; /* by fd: where that write returns to, in the program's code */
    _Atomic uint32_t refusals_seen; /* those of them that watch/refused_writes.h has judged */
    _Atomic uint64_t slots_used[];  /* bitmap, SLOT_LIMIT bits */
};

/* Never NULL; before the constructor it is a static one that no process has begun. */
extern struct life *life;

/* What the environment asked for; constant unless life_is_inert(). */
extern struct settings settings;

/* True if this library records calls: it has begun and nothing switched it off.
 * Async-signal-safe. */
bool life_active(void);

/* True while the beginning waits for the first call that may need it (watch/late_start.h): no
 * system call of ours has been made, and none may be. Async-signal-safe. */
bool life_is_postponed(void);

/* True if nothing is recorded and nothing will be, unless the constructor has yet to run.
 * Async-signal-safe. */
bool life_is_inert(void);

/* True if the constructor has run and left the library inert: no thread has a slot, or ever will
 * (PIPESHIM=off, PIPESHIM_ONLY). Async-signal-safe. */
bool life_never_begins(void);

/* The constructor has run. */
void life_decided(void);

/* `settings` are made, all else is made later. For the constructor. */
void life_postpone(void);

/* `life` and `settings` are made: from now on calls are recorded. Once, by whoever begins. */
void life_activate(void);

/* From now on nothing is recorded and nothing said, in this process and its children: a seccomp
 * filter may kill for any system call of ours. Async-signal-safe. */
void life_go_inert(void);

/* Takes the lock of report/ without waiting longer than `patience_ms`; false: not taken, say
 * nothing. A thread that dies inside never blocks another one. Async-signal-safe. */
bool life_reporting_begin(unsigned patience_ms);
void life_reporting_end(void);

/* Runs on: any. AS-safe: yes. Blocks: life_reporting_begin() as it says. */
#endif
