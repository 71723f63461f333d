// SPDX-License-Identifier: MIT
/*
 * PIPESHIM_DRAIN_SPOOL: what nobody reads when the program exits goes to a file, and the pipe is
 * let go. A helper that goes on would keep the pipe open, and whoever waits for its end waiting.
 *
 * The file is opened by the rules of the log's (report/log_path.h), on the thread that exits: it
 * is asked for, and what a program leaves behind may take the time that its file system takes.
 */
#ifndef PIPESHIM_WATCH_DRAIN_SPOOL_H
#define PIPESHIM_WATCH_DRAIN_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

/* Takes the setting, and if its path is relative the working directory. Constructor. */
void drain_spool_prepare(void);

bool drain_spool_is_wanted(void);

/* What is queued for readers who do not read goes to the file; it is told, or why not. The streams
 * that stay are the helpers'. */
void drain_spool_all(void);

void drain_spool_begin_in_child(void);

/* Runs on: the thread that exits. AS-safe: yes, with 64 KiB of stack. Blocks: as the file system
 * does. */
#endif
