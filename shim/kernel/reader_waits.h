// SPDX-License-Identifier: MIT
/*
 * Whether a process waits to read a pipe: then it will be read, however much is in it at a scan.
 */
#ifndef PIPESHIM_KERNEL_READER_WAITS_H
#define PIPESHIM_KERNEL_READER_WAITS_H

#include <stdbool.h>

#include "kernel/fd_scan.h"

/* True if a thread of process `pid` sleeps in a read of the pipe, or in a poll, select or epoll
 * whose set asks for its input; false when it does not, or may not be read. `memory_allowed`:
 * process_vm_readv may be used. From /proc, at most ACCESS_THREAD_LIMIT threads. */
bool reader_waits(int pid, struct object_key pipe, bool memory_allowed);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
