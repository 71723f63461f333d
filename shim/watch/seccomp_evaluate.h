// SPDX-License-Identifier: MIT
/*
 * What a seccomp filter answers, found out without asking the kernel: classic BPF over struct
 * seccomp_data, as seccomp(2) and Linux's net/core/filter.c and seccomp.c define it.
 * Pure functions on memory of the caller's.
 */
#ifndef PIPESHIM_WATCH_SECCOMP_EVALUATE_H
#define PIPESHIM_WATCH_SECCOMP_EVALUATE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

/* A kernel call as it is made: which of its arguments are always the same. */
struct kernel_call {
    int number;
    unsigned known; /* bit i: argument i is arguments[i]; the others may be anything */
    uint64_t arguments[6];
};

enum {
    OUTCOME_ALLOWED = 1, /* allowed, or logged and allowed */
    OUTCOME_FAILS = 2,   /* an errno */
    OUTCOME_OTHER = 4,   /* killed, trapped, traced, asked of another process, or not known */
};

/* All that the filter may do with such a call, OUTCOME_…, whatever the arguments that are not
 * known. A filter that branches on those more often than can be followed may do anything. */
unsigned seccomp_outcomes(const struct sock_fprog *filter, const struct kernel_call *call);

/* What it answers to the call if all arguments that are not known are 0: SECCOMP_RET_…. */
uint32_t seccomp_evaluate(const struct sock_fprog *filter, const struct kernel_call *call);

/* True if the kernel takes such a program. */
bool seccomp_is_valid(const struct sock_fprog *filter);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
