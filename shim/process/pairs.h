// SPDX-License-Identifier: MIT
/*
 * Which pipes and socketpairs this process has made and keeps an end of: then its wait for a child
 * may be one that cannot end (subprocess, popen2, a server started over stdio), and is worth a
 * watchdog. A shell closes both ends before it waits for its pipeline: no second thread for it.
 */
#ifndef PIPESHIM_PROCESS_PAIRS_H
#define PIPESHIM_PROCESS_PAIRS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "process/life.h"

/* The program has made this pair. When the library has begun. */
void pairs_remember(const int ends[2]);

/* This process has written to `fd`, a pipe: if that is one of its last pairs it is noted as
 * life->fed_pipe. One system call then. */
void pairs_note_fed(int fd);

/* True if this process has made a pair, whatever became of it. */
static inline bool pairs_any_made(void)
{
    return atomic_load_explicit(&life->pairs_made, memory_order_relaxed) != 0;
}

/* Who has the end that this process has closed? */
enum other_end {
    END_OF_NOBODY, /* and nobody will ever have it: the pair is forgotten */
    END_OF_SELF,   /* this process, by another number */
    END_OF_OTHERS, /* another process, or it cannot be known */
};

/* True if of one of the last pairs that this process made another process has an end, as far as is
 * known. Where this process has kept one end, `ask` says who has the other, of which nothing but
 * its former number is known; where it has kept both, `ask_both` says whether it has them for
 * itself (END_OF_SELF). Beside what these cost at most 16 system calls. */
bool pairs_reach_others(enum other_end (*ask)(int held),
                        enum other_end (*ask_both)(const int ends[2]));

/* Runs on: program thread, signal handler. AS-safe: yes. Blocks: no. */
#endif
