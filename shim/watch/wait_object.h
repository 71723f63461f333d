// SPDX-License-Identifier: MIT
/* What a blocked call waits for: the object's facts, and the class that follows from them. */
#ifndef PIPESHIM_WATCH_WAIT_OBJECT_H
#define PIPESHIM_WATCH_WAIT_OBJECT_H

#include <stdint.h>

#include "facts/story.h"
#include "kernel/memory_reader.h"
#include "kernel/task.h"

/*
 * Fills story->object and corrects story->class, which holds what the table of calls says by name:
 * a write to a socket is no pipe_write, a poll inside a callback is what it polls for. story->fd is
 * the call's, -1 none; `detail` as in facts/calls.def; `call` is what the kernel says, of any
 * status. No scan of other processes, but for pipes in a readiness wait.
 */
void wait_object_look(const struct memory_reader *memory, const struct task_call *call,
                      uint64_t detail, unsigned look, struct story *story);

/* The processes at the other end: a scan of all, for what is reported only. */
void wait_object_find_peers(unsigned look, struct story *story);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
