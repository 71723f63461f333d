// SPDX-License-Identifier: MIT
/* A thread that waits in open(2): the FIFO that nobody has opened on the other side. */
#ifndef PIPESHIM_KERNEL_OPEN_WAIT_H
#define PIPESHIM_KERNEL_OPEN_WAIT_H

#include <stdbool.h>

#include "kernel/fd_scan.h"
#include "kernel/thread_wait.h"

/* True if the wait (of process `pid`) is one to open a FIFO for writing alone, which ends when
 * somebody opens it for reading: then `fifo` gets its key, and as `link` the path that the program
 * gave. Reads the path from its memory; looks at the file, opens nothing. */
bool open_wait_for_reader(const struct thread_wait *wait, int pid, struct fd_description *fifo);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
