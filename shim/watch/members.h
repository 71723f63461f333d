// SPDX-License-Identifier: MIT
/*
 * Where each process of a chain stands in its code, read while it sleeps: nothing is stopped,
 * signalled or traced. Python, JavaScript and C frames, of this process's thread and of the others
 * as far as process_vm_readv(2) allows (the rules of ptrace: a process under Yama may not read its
 * parent's memory; then `note` says so).
 */
#ifndef PIPESHIM_WATCH_MEMBERS_H
#define PIPESHIM_WATCH_MEMBERS_H

#include "facts/member.h"
#include "graph/finding.h"

/* One member for each link of the chain, valid until the next call; NULL without memory for it.
 * Some 300 us a member, some 10 ms if it is Node's; what has not been begun after 100 ms is left
 * out, and said. */
const struct member *members_read(const struct wait_finding *finding);

/* The same of a finding whose first link is this process, of which nothing is known but where a
 * call returned to, in its code: one frame. NULL also where stacks are off, or `pc` is 0. */
const struct member *members_of_address(const struct wait_finding *finding, uint64_t pc);

/* Runs on: watchdog. AS-safe: yes. Blocks: as long as the file systems of symbol files do. */
#endif
