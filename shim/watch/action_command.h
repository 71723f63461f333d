// SPDX-License-Identifier: MIT
/*
 * Runs the command of PIPESHIM_ACTION=exec:COMMAND, without this library, in a session of its own;
 * a short-lived process beside the program feeds it and waits, for PIPESHIM_ACTION_LIMIT at most.
 */
#ifndef PIPESHIM_WATCH_ACTION_COMMAND_H
#define PIPESHIM_WATCH_ACTION_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

enum { ACTION_LINE_LIMIT = 32 * 1024 };

/* None was started: a forked child has no part in its parent's. */
void action_command_begin(void);

/* `line`: for its stdin; `event`: PIPESHIM_EVENT. Both must stay valid. False: no process could be
 * made, or one runs still. */
bool action_command_start(const char *command, const char *line, const char *event,
                          uint64_t limit_ns);

/* Ends the process that waits for the command, which goes on alone: a timer ends it some seconds
 * after its time. Async-signal-safe. */
void action_command_stop(void);

/* What became of it, once: "exit 0", "killed after 30000.0 ms". NULL: none was started, or it runs.
 */
const char *action_command_result(void);

/* One has begun, and its result was not asked for since. */
bool action_command_runs(void);

/* Runs on: watchdog; action_command_stop(): any. AS-safe: yes. Blocks: no. */
#endif
