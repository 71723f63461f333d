// SPDX-License-Identifier: MIT
/*
 * What one thread of any process waits in, read from /proc without disturbing it.
 *
 * /proc/PID/task/TID/syscall needs the right to trace the process (ptrace(2), "Ptrace access mode
 * checking"); a process under Yama may not read its parent's. wchan needs less and is the fallback:
 * it says the kind of wait, not the descriptor.
 */
#ifndef PIPESHIM_KERNEL_THREAD_WAIT_H
#define PIPESHIM_KERNEL_THREAD_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text_buffer.h"
#include "facts/object_facts.h"
#include "kernel/call_table.h"

/* Threads of the library itself, which never read or write the program's objects on its behalf:
 * their names start so, and they are no thread that "could still serve" a pipe. */
#define LIBRARY_THREAD_NAME "pipeshim"

struct thread_wait {
    enum wait_kind kind;
    char state; /* proc(5); 0: unknown */
    char comm[COMM_LIMIT];
    const struct call_description *call; /* NULL: none, not in the table, or not readable */
    bool refused;                        /* the rules of ptrace keep its call from the caller */
    bool call_known;                     /* `number` and `arguments` are those of the kernel */
    long number;
    uint64_t arguments[6];
    int fd;              /* the descriptor of the call; -1: none or unknown */
    uint64_t switches;   /* voluntary context switches: unchanged means that it has not woken */
    bool switches_known; /* false: it may have woken at any time */
};

/* Looks at one thread. False when it is gone; what cannot be read is left as unknown. Three small
 * files of /proc, for the watchdog one of a thread of its own process that has not run since;
 * async-signal-safe. */
bool thread_wait_read(int pid, int tid, struct thread_wait *wait);

/* CPU time of a thread of any process so far, in ns (schedstat); 0: it may not be read. */
uint64_t thread_run_time_ns(int pid, int tid);
/* The same, and for how long it was ready to run and had no CPU. False: it may not be read. */
bool thread_cpu_time_ns(int pid, int tid, uint64_t *run_time, uint64_t *delay);

/* "write fd 2", "wait4 4250", "poll 3 fds", "futex", "stopped", "running". */
void thread_wait_words(const struct thread_wait *wait, struct text_buffer *text);

/* The child that a WAIT_CHILD waits for: > 0 a pid, 0 any child, < 0 one of the process group of
 * that number, and CHILD_BY_DESCRIPTOR for waitid(P_PIDFD), where *pidfd is set. */
enum { CHILD_BY_DESCRIPTOR = INT32_MIN, CHILD_UNKNOWN = INT32_MIN + 1 };
int thread_wait_child(const struct thread_wait *wait, int *pidfd);

/* How long the call may still take before it gives up by itself, in milliseconds: INT64_MAX for
 * ever. For a relative timeout it is the whole of it. `memory_allowed`: the process's memory may be
 * read (process_vm_readv), else a timeout behind a pointer counts as 0. */
int64_t thread_wait_limit_ms(const struct thread_wait *wait, int pid, bool memory_allowed);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
