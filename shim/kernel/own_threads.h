// SPDX-License-Identifier: MIT
/*
 * What the kernel said of this process's threads when they were last read asleep. A thread's clock
 * tells whether it has run since, for half a microsecond; its files in /proc take three to ten
 * each.
 */
#ifndef PIPESHIM_KERNEL_OWN_THREADS_H
#define PIPESHIM_KERNEL_OWN_THREADS_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/object_facts.h"
#include "kernel/task.h"

/* What has to be read from two more files. */
struct thread_facts {
    char state; /* proc(5) */
    char comm[COMM_LIMIT];
    uint64_t switches; /* voluntary context switches */
};

void own_threads_begin(void);

/* As task_read_call(), but of a thread that has not run since it was read in a call (`*known`) this
 * is what it sleeps in, or has been woken from without having got a CPU yet. So it is no proof. */
struct task_call own_thread_call(int tid, bool *known);

/* True if thread `tid` of process `pid` is one of this process that has not run since
 * own_thread_note(), with what was noted. It may have been woken. Only on the watchdog's thread. */
bool own_thread_facts(int pid, int tid, struct thread_facts *facts);

/* From now on others may believe own_thread_slept_in() too, or not any more. */
void own_threads_trust(bool trusted);

/* While they are trusted: with facts as own_thread_facts(), and the call. */
bool own_thread_slept_in(int pid, int tid, struct thread_facts *facts, struct task_call *call);

/* True if the thread, one as above, had no children when it was last asked. They may since have
 * been given to it by another one that ended; the kernel gives them to the oldest. */
bool own_thread_is_childless(int pid, int tid);
void own_thread_note_childless(int tid, uint64_t clock);

/* To be asked for before a thread is read, and given back with what was: it is noted if the thread
 * has not run meanwhile. 0: this is no thread of this process, or not the watchdog that asks. */
uint64_t own_thread_clock(int pid, int tid);
void own_thread_note(int tid, uint64_t clock, const struct thread_facts *facts);

/* As task_others_time_ns(), and exact (`*error_ns` is 0) where the process has few threads: their
 * clocks stand still while they sleep, where the process's own has what interrupts take of the
 * caller. Reads the list of threads when their number has changed. */
uint64_t own_threads_time_ns(uint64_t known_ns, uint64_t *error_ns);

/* Runs on: watchdog; own_thread_facts(), own_thread_clock(): any, who say no. AS-safe: yes. Blocks:
 * no. */
#endif
