// SPDX-License-Identifier: MIT
/* Which processes --tree and --name mean. */
#ifndef PIPESHIM_CLI_DIAGNOSE_SELECT_H
#define PIPESHIM_CLI_DIAGNOSE_SELECT_H

/* Both return an array for free(3) and its length; NULL when there is none. */

/* `root` and all its descendants, as /proc shows them now. */
int *find_tree(int root, unsigned *count);

/* All processes that `glob` matches: by comm, by argv[0]'s last part, or by the script of an
 * interpreter. Not the caller itself. */
int *find_by_name(const char *glob, unsigned *count);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
