// SPDX-License-Identifier: MIT
/* The relay's events, where the library's would be: the same fields in the name of the command. */
#ifndef PIPESHIM_CLI_RELAY_RELAY_LOG_H
#define PIPESHIM_CLI_RELAY_RELAY_LOG_H

#include <jansson.h>

#include "cli/run_log.h"

/* `command` is process `pid`. */
void relay_log_open(const struct run_log *log, const char *command, pid_t pid);

/* Takes `event`, which has the fields beside those of every event; `words`: the same for text.
 * Never waits for a reader. Returns its seq. */
int relay_log_event(const char *kind, json_t *event, const char *words);

/* Runs on: the relay. AS-safe: no. Blocks: on files. */
#endif
