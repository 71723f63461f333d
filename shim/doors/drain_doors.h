// SPDX-License-Identifier: MIT
/* The drainer behind the doors. */
#ifndef PIPESHIM_DOORS_DRAIN_DOORS_H
#define PIPESHIM_DOORS_DRAIN_DOORS_H

#include <sys/types.h>

/* Puts the drainer between the wrappers and the real functions, if PIPESHIM_DRAIN names an fd:
 * where it does not, no call pays for it. In the constructor, before threads. */
void drain_doors_install(void);

/* The same while the program runs: drains `fds`, as PIPESHIM_DRAIN names them, from now on. False:
 * no memory. On the watchdog, which has proven that no filter forbids it. */
_Bool drain_doors_switch(const char *fds);
/* The same of one descriptor more, by proof (drain_name_one()), or of one less. */
_Bool drain_doors_switch_one(int fd, _Bool on);
/* At the looks of the watchdog after it: no thread that resolved a function just then has undone
 * it. */
void drain_doors_look(void);

/* For stdio's write: as drain_write(), with errno; false: make the real call. */
_Bool drain_doors_stdio(int fd, const void *data, size_t size, ssize_t *result);

/* At exit, or before an exec: what this process queued gets out or is handed over. */
void drain_doors_finish(_Bool exits);

/* Runs on: install: constructor; switch, look: watchdog; the rest: program threads, signal
 * handlers. AS-safe: yes. Blocks: as write does; at the exit as PIPESHIM_DRAIN_EXIT says. */
#endif
