// SPDX-License-Identifier: MIT
/* The Python frames of one member of a chain, in this process or another. */
#ifndef PIPESHIM_EXPLAIN_PYTHON_MEMBER_PYTHON_H
#define PIPESHIM_EXPLAIN_PYTHON_MEMBER_PYTHON_H

#include "facts/member.h"
#include "kernel/memory_reader.h"

/* Reads the frames of thread `tid` (as the process itself knows it: in its own PID namespace) of
 * process `pid`, whose memory `memory` is, at most `limit`. Sets python*, and `note` when they
 * cannot be read. The thread must sleep meanwhile. Some 200 us. */
void member_read_python(const struct memory_reader *memory, int pid, int tid, unsigned limit,
                        struct member *member);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
