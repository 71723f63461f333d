// SPDX-License-Identifier: MIT
/*
 * What the kernel says of one thread of this process, from /proc/self/task/TID (proc(5)): no
 * signal, no ptrace stop; the thread notices nothing. For the watchdog thread.
 */
#ifndef PIPESHIM_KERNEL_TASK_H
#define PIPESHIM_KERNEL_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum task_status {
    TASK_GONE,       /* no such thread */
    TASK_UNREADABLE, /* not permitted: PR_SET_DUMPABLE 0 in a process that is not root's */
    TASK_RUNNING,    /* on a CPU, waiting for one, blocked outside of a system call; or not known
                      * just now, as no file can be opened */
    TASK_IN_CALL,    /* asleep in a system call */
};

struct task_call {
    enum task_status status;
    /* for TASK_IN_CALL: */
    long number;
    uint64_t arguments[6];
    uint64_t sp, pc;
};

/* Reads /proc/self/task/TID/syscall: about 2 us. */
struct task_call task_read_call(int tid);

/* CPU time that thread `tid` has used, in ns, by its clock; 0 when that cannot be read. Opens
 * nothing. */
uint64_t task_clock_ns(int tid);

/* The same by its clock or its schedstat; 0 when neither can be read. It does not move while the
 * thread sleeps. Opens nothing as a rule. */
uint64_t task_run_time_ns(int tid);

/* The same, and how long it was ready to run and had no CPU, throttling by a cgroup included. False
 * when it cannot be read. */
bool task_schedule_ns(int tid, uint64_t *run_time, uint64_t *delay);

/* The kernel function that the thread sleeps in, "" when it runs or none is shown. Readable
 * where `syscall` is not. */
void task_wait_channel(int tid, char *name, size_t capacity);

/* True if a thread of any process is on a CPU or waits for one, by its `stat`; false when that
 * cannot be read. For any thread. */
bool task_wants_cpu(int tid);

/* The thread's name (comm), cut where `capacity` ends; "" if it is gone. */
void task_name(int tid, char *name, size_t capacity);

/* The status (0 to 255) with which the first thread of this process left, or is about to leave (it
 * is waited for, a second at most); 0 if it goes on. */
int task_first_exit_status(void);

enum {
    /* Less is the error of a measurement, and no thread's waking and sleeping. */
    TASK_NOTHING_RAN_NS = 2000
};
/* CPU time of all threads of this process but the caller, ns. Only differences tell something, and
 * not less than `*error_ns`: the kernel asks each thread, which takes it 100 us where there are
 * a thousand. `known_ns`: what it was before with a small error, 0: unknown; if it is so still, one
 * question is enough. Opens nothing. */
uint64_t task_others_time_ns(uint64_t known_ns, uint64_t *error_ns);

/* How many threads the process has; 0: not known. Opens nothing. */
unsigned task_count(void);

/* Calls `visit` for each thread of the process, until it returns false. */
void task_for_each(bool (*visit)(int tid, void *context), void *context);

/* Runs on: watchdog; task_name(): any. AS-safe: yes. Blocks: no. */
#endif
