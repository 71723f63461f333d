// SPDX-License-Identifier: MIT
/*
 * Processes without the library that a finding names: the parent that should read, the child that
 * cannot write. They have rows of their own, with what the finding says of them.
 */
#ifndef PIPESHIM_CLI_STATUS_UNWATCHED_H
#define PIPESHIM_CLI_STATUS_UNWATCHED_H

struct watched_list;

/* Sets `named` of all of the list anew. A pid of another PID namespace is looked up. */
void name_the_unwatched(struct watched_list *list);

/* Runs on: the tool. AS-safe: no. Blocks: no. */
#endif
