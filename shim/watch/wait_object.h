// SPDX-License-Identifier: MIT
/* What a blocked call waits for: the object's facts, and the class that follows from them. */
#ifndef PIPESHIM_WATCH_WAIT_OBJECT_H
#define PIPESHIM_WATCH_WAIT_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/incident.h"
#include "kernel/memory_reader.h"
#include "kernel/task.h"

/*
 * Fills incident->object and corrects incident->class, which holds what the table of calls says by
 * name: a write to a socket is no pipe_write, a poll inside a callback is what it polls for.
 * incident->fd is the call's, -1 none; `detail` as in facts/calls.def; `call` is what the kernel
 * says, of any status. No scan of other processes, but for pipes in a readiness wait.
 */
void wait_object_read(const struct memory_reader *memory, const struct task_call *call,
                      uint64_t detail, unsigned access, struct incident *incident);

/* The processes at the other end: a scan of all, for what is reported only. */
void wait_object_find_peers(unsigned access, struct incident *incident);

/* Nobody has to be looked for: they were found lately. */
bool wait_object_peers_known(const struct incident *incident);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
