// SPDX-License-Identifier: MIT
/*
 * How a helper process comes to be, and what it leaves behind.
 */
#ifndef PIPESHIM_DRAIN_HELPER_PROCESS_H
#define PIPESHIM_DRAIN_HELPER_PROCESS_H

#include <sys/types.h>

#include "drain/channel.h"

/* The memory that a new helper and this process share, as it is mapped here: never inherited by a
 * child that is forked. */
struct helper_memory {
    struct channel *channel; /* all zeroes, but for what the helper says */
    char *chunks;
    unsigned mapped; /* of the chunks: the first one */
    pid_t helper;    /* 0: there is none */
};

/* Puts something into the memory before there is a helper; false: it cannot be. */
typedef bool helper_prepare(void *context, struct helper_memory *memory);

/* Starts a helper, which writes to `fd` what comes through the new channel, after `prepare`, if it
 * is not NULL. When it returns the helper is out of this process's group and session, and has its
 * place in the line. False: the kernel, or `prepare`, refused; if only the helper could not be had,
 * the memory that was prepared is the caller's all the same (else its `channel` is NULL). */
bool helper_start(int fd, struct helper_memory *memory, helper_prepare *prepare, void *context);

/* True if it was killed, though it may not have ended yet: on a machine that gives it no processor,
 * or under a tracer, it keeps all that it holds. False where /proc does not tell. */
bool helper_is_killed(int32_t helper);

/* Wakes it, if it sleeps. */
void helper_wake(struct channel *channel);

/* Waits for helpers that have ended, where they are children of this process. */
void helpers_reap(void);

/* A forked child: the helpers are its parent's children. */
void helpers_begin_in_child(void);

/* Runs on: program threads, watchdog. AS-safe: yes, with all signals blocked. Blocks: about 0.2
 * ms. */
#endif
