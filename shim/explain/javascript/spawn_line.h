// SPDX-License-Identifier: MIT
/* The line of its script by which a Node whose event loop waits has started another process. */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_SPAWN_LINE_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_SPAWN_LINE_H

#include "facts/member.h"

/* Fills `where`, `source` and `note` of a member that is process `pid` from the text of its main
 * script: the one call that starts what process `other` runs, see spawn_call.h. Left as they are: a
 * script that was changed since, whose call is in another file, or whose command is no string. */
void spawn_line_read(int pid, int other, struct member *member);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: as long as the script's file system does. */
#endif
