// SPDX-License-Identifier: MIT
/* Where the members of a finding stand in their code, read from outside while they sleep. */
#ifndef PIPESHIM_CLI_DIAGNOSE_MEMBERS_H
#define PIPESHIM_CLI_DIAGNOSE_MEMBERS_H

#include "facts/member.h"
#include "graph/finding.h"

/* Fills one member for each link of the chain: Python, JavaScript and C frames. What may not be
 * read is said in `note`. Each is all zero, or was filled by this before. */
void diagnosis_read_members(const struct wait_finding *finding, struct member *members);

/* The same for a thread that waits in no finding. */
void diagnosis_read_thread(int pid, int tid, struct member *member);

/* Frees what it holds; all zero afterwards. */
void diagnosis_forget_thread(struct member *member);

/* Runs on: tool. AS-safe: no. Blocks: as long as the file systems of source files do. */
#endif
