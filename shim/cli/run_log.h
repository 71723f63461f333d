// SPDX-License-Identifier: MIT
/*
 * Where the library writes for `pipeshim run`, and how the events come back.
 *
 * Without PIPESHIM_LOG the library writes JSON to a file of ours, which is followed while the
 * program runs. It is a file and not a pipe: a pipe could fill, would be one more fd in the
 * program, and would kill its writers if we died. What was read is given back to the file system,
 * so that the file stays small however long the program runs. If the user named a log, the library
 * writes there, and what it added is read at the end if it is JSON.
 */
#ifndef PIPESHIM_CLI_RUN_LOG_H
#define PIPESHIM_CLI_RUN_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/report/log_reader.h"

enum run_log_kind {
    RUN_LOG_PRIVATE, /* ours */
    RUN_LOG_JSON,    /* a path of the user's, JSON */
    RUN_LOG_TEXT,    /* a path of the user's, text */
    RUN_LOG_OTHER,   /* stderr, an fd, syslog: the library speaks for itself */
};

struct run_log {
    enum run_log_kind kind;
    char *directory; /* RUN_LOG_PRIVATE: of our file, removed at the end */
    char *path;
    int fd, inotify_fd; /* -1: none */
    struct log_reader reader;
    uint64_t given_back;     /* bytes at the start of our file whose blocks are freed */
    struct run_log_old *old; /* RUN_LOG_JSON, _TEXT: logs that were there before */
    size_t old_count;
};

/* Called with each complete line, and the event that it holds; NULL for text. */
typedef void run_log_function(void *context, const char *line, size_t length, json_t *event);

/* Decides by the environment, and sets PIPESHIM_LOG and PIPESHIM_FORMAT when it is our file. False
 * after saying why not. */
bool run_log_open(struct run_log *log, bool json);

/* RUN_LOG_PRIVATE: the lines that have come since the last call. */
void run_log_follow(struct run_log *log, run_log_function *function, void *context);

/* After the program's end: the rest. Damaged lines are counted in log->reader.damaged. */
void run_log_finish(struct run_log *log, run_log_function *function, void *context);

void run_log_close(struct run_log *log);

/* Runs on: tool. AS-safe: no. Blocks: on files. */
#endif
