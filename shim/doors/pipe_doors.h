// SPDX-License-Identifier: MIT
/*
 * Which pipes and socketpairs this process has made and keeps one end of: then its wait for a child
 * may be one that cannot end (subprocess, popen2, a server started over stdio), and is worth a
 * watchdog. A shell closes both ends before it waits for its pipeline, `make -j` keeps both ends of
 * its jobserver: no second thread for them.
 */
#ifndef PIPESHIM_DOORS_PIPE_DOORS_H
#define PIPESHIM_DOORS_PIPE_DOORS_H

#include <stdbool.h>

/* True if exactly one end of one of the last pairs that this process made is open. At most 16
 * system calls. */
bool pipe_doors_one_end_is_held(void);

/* Runs on: program thread, signal handler. AS-safe: yes. Blocks: no. */
#endif
