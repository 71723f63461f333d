// SPDX-License-Identifier: MIT
/*
 * For how long a thread has not run: so long at least it has been in the call in which it is
 * asleep.
 *
 * The kernel keeps for each thread when it last ran (se.exec_start of /proc/PID/task/TID/sched,
 * readable for everybody; kernels without CONFIG_SCHED_DEBUG, which is rare, have no such file), by
 * a clock of the CPU on which it did. These clocks stand still for interrupts and while a
 * hypervisor takes the CPU away, each for itself, and differ by seconds after a day: so it is
 * compared with the caller's own, on that CPU. It can only be less than the truth.
 */
#ifndef PIPESHIM_CLI_DIAGNOSE_ASLEEP_H
#define PIPESHIM_CLI_DIAGNOSE_ASLEEP_H

#include <stdint.h>

#include "graph/finding.h"

/* Nanoseconds for which thread `tid` of process `pid` has not run, at least; 0: not known (the
 * thread runs, this kernel does not say it, or the caller may not run on that CPU). Puts the
 * calling thread on another CPU meanwhile. */
uint64_t asleep_for_ns(int pid, int tid);

/* For how long a finding has lasted, at least: a cycle since the last of its members fell asleep,
 * any other since the one that waits did; between its looks, `apart_ns`, it has not moved. 0: there
 * is nobody who sleeps. */
uint64_t finding_lasts_ns(const struct wait_finding *finding, uint64_t apart_ns);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
