// SPDX-License-Identifier: MIT
/* Seccomp filters by name, and every way to install one. */
#ifndef PIPESHIM_VICTIM_SANDBOX_FILTERS_H
#define PIPESHIM_VICTIM_SANDBOX_FILTERS_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

/* The number of the call, the beginning of each filter. */
#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))

/* The filter that make_filter() has made last. */
extern struct sock_fprog program;

/* Ends the program with status 64 for a name that there is not; so does how_named(). */
void make_filter(const char *name);

enum how { PRCTL, RAW_PRCTL, SECCOMP, SECCOMP_TSYNC, STRICT, RAW_STRICT, SECCOMP_STRICT, HOWS };

enum how how_named(const char *name);

/* `program`, or strict mode. The result of the call. */
long install(enum how how);

#endif
