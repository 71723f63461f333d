// SPDX-License-Identifier: MIT
/*
 * Which descriptors a thread waits on: the one of its read or write, the list of its poll or select
 * (read from the memory of its process), the sets of its epoll (read from /proc/PID/fdinfo).
 *
 * An epoll set is the proof whether a process that sits in its event loop listens to a pipe: a
 * StreamReader that has paused, or a child's stderr that nobody asked for, is not in it.
 */
#ifndef PIPESHIM_KERNEL_WAIT_SET_H
#define PIPESHIM_KERNEL_WAIT_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/memory_reader.h"
#include "kernel/thread_wait.h"

enum {
    WAIT_SET_LIMIT = 256, /* descriptors of one wait that are looked at */
    SELECT_LIMIT = 1024,  /* FD_SETSIZE; false beyond */
    WAIT_FOR_INPUT = 1,
    WAIT_FOR_SPACE = 2,
};

/* Is called for each descriptor; false ends the walk. `waits_for`: WAIT_FOR_INPUT, WAIT_FOR_SPACE
 * or both; 0 for one that waits only for the other side's end. */
typedef bool (*wait_set_visit)(void *context, int fd, unsigned waits_for);

/* The two lists as they lie in memory. True when all of them was visited; false when it cannot be
 * read or a visit said so. `addresses`: of the sets for reading and for writing; 0: there is none.
 */
bool poll_array_each(const struct memory_reader *memory, uint64_t address, uint64_t count,
                     wait_set_visit visit, void *context);
bool select_sets_each(const struct memory_reader *memory, uint64_t count,
                      const uint64_t addresses[2], wait_set_visit visit, void *context);

/* True when all descriptors of the wait were visited; false when they cannot be known (memory not
 * readable, more than WAIT_SET_LIMIT, no such wait) or a visit said so. `memory_allowed`:
 * process_vm_readv may be used. Async-signal-safe. */
bool wait_set_each(int pid, const struct thread_wait *wait, bool memory_allowed,
                   wait_set_visit visit, void *context);

/* The one descriptor that a thread waits on, of a poll() too when it asks for one alone; -1: there
 * is none, there are more, or it cannot be known. */
int wait_set_only(int pid, const struct thread_wait *wait, bool memory_allowed);

/* As wait_set_each() for the set of one epoll descriptor, whether or not a thread waits on it. */
bool epoll_set_each(int pid, int epoll_fd, wait_set_visit visit, void *context);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
