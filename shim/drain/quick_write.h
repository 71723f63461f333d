// SPDX-License-Identifier: MIT
/* What most queued writes are, without the questions of those that are not. */
#ifndef PIPESHIM_DRAIN_QUICK_WRITE_H
#define PIPESHIM_DRAIN_QUICK_WRITE_H

#include <stdbool.h>
#include <stddef.h>

/* A small write to a pipe whose queue goes on, and holds something: queues it. False: it is another
 * one, or there is a doubt; nothing was done, and drain_write() is to decide. Makes no system call
 * but to ask whether the memory can be read and the reader is there, and waits for nothing.
 * Async-signal-safe. */
bool quick_write(int fd, const void *buffer, size_t size);

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: no. */
#endif
