// SPDX-License-Identifier: MIT
/* The relay's events, where the library's would be: the same fields in the name of the command. */
#ifndef PIPESHIM_CLI_RELAY_RELAY_LOG_H
#define PIPESHIM_CLI_RELAY_RELAY_LOG_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/run_log.h"
#include "report/log_path.h"

/* `command` is process `pid`. */
void relay_log_open(const struct run_log *log, const char *command, pid_t pid);

/* Takes `event`, which has the fields beside those of every event; `words`: the same for text.
 * Never waits for a reader. Returns its seq. */
int relay_log_event(const char *kind, json_t *event, const char *words);

/* Something went wrong that a setting asked for. */
void relay_log_warning(const char *words);

/* A path with %p, %e and %h of the command's. False: it is too long, or the current folder is gone.
 */
bool relay_log_expand(const char *pattern, char path[LOG_PATH_LIMIT]);

/* Runs on: the relay. AS-safe: no. Blocks: on files. */
#endif
