// SPDX-License-Identifier: MIT
/* What went wrong since it was last asked. Any thread; async-signal-safe. */
#ifndef PIPESHIM_DRAIN_FALLBACK_H
#define PIPESHIM_DRAIN_FALLBACK_H

/* Why writes were made as usual although they were to be drained, and what else went wrong. */
enum drain_fallback {
    DRAIN_NO_HELPER = 1,     /* the kernel gives no process for the helper */
    DRAIN_TOO_MANY = 2,      /* all streams are in use */
    DRAIN_NO_MEMORY = 4,     /* for more of the queue */
    DRAIN_HELPER_KILLED = 8, /* another goes on */
};

/* Those since the last call: bits of enum drain_fallback. */
unsigned drain_fallbacks(void);

/* Why a write was made as usual although it was to be drained: for drain_fallbacks(). */
void fallback_note(enum drain_fallback fallback);

/* A forked child. */
void fallback_begin_in_child(void);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
