// SPDX-License-Identifier: MIT
/*
 * The stacks of a thread of any process: C, Python, JavaScript. The thread sleeps, so nothing has
 * to be stopped, signalled or traced: its registers are what the kernel says of the call that it
 * sleeps in, its memory is read with process_vm_readv(2), and all counts only if it has not run
 * meanwhile. Both need the right to trace the process; where that is missing, `note` says so.
 */
#ifndef PIPESHIM_EXPLAIN_MEMBER_STACK_H
#define PIPESHIM_EXPLAIN_MEMBER_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts/member.h"

/* What is to be read, and how long that may take. */
struct member_stack_wish {
    unsigned depth; /* frames of each kind; MEMBER_FRAME_LIMIT at most */
    bool python, javascript;
    bool perf_maps; /* names from /tmp/perf-PID.map: up to 150 ms for a large one */
    /* Whichever comes first: what was not begun by then is left out. */
    uint64_t deadline_ns;     /* CLOCK_MONOTONIC */
    uint64_t cpu_deadline_ns; /* CPU time of the calling thread */
};

/* Where the frames go: they are valid as long as this is. */
struct member_stack_space {
    struct stack_frame_name frames[MEMBER_FRAME_LIMIT];
    struct javascript_frame javascript[MEMBER_FRAME_LIMIT];
};

/* What the reading needs besides, zeroed at first: about a megabyte, the caller's, of which is
 * touched what is used. One thread at a time. */
struct member_stack_workspace;
size_t member_stack_workspace_size(void);

/*
 * Fills the stacks of `member`, which is otherwise zero, from thread `tid` of process `pid`, and
 * sets `note` where something is missing. Where no Python frame is the user's, those of the main
 * thread are given instead: asyncio waits for its children in threads of its own.
 *
 * Some 0.3 ms for a C or Python program, some 10 ms for Node, whose symbols are many.
 */
void member_stack_read(struct member_stack_workspace *work, int pid, int tid,
                       const struct member_stack_wish *wish, struct member_stack_space *space,
                       struct member *member);

/* Writes "file:line function" of the user's code in these frames to member->where, unless that has
 * one, and the text of
 * that line to member->source, where the file of process `pid` has it. */
void member_stack_where(int pid, struct member *member);

/* Where no line was found though all could be read: of a Node the one by which it has started
 * process `other`, for which it waits (0: none); else sets `note` to why a program of that language
 * has none. */
void member_stack_excuse(int pid, int other, struct member *member);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: as long as the file systems of symbol files do. */
#endif
