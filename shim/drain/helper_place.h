// SPDX-License-Identifier: MIT
/*
 * On which processor the helper runs. Who sleeps in a write to a pipe is woken on its reader's. A
 * reader that never sleeps keeps it waiting there for milliseconds each time, while the writer's is
 * free: the writer waits for space.
 */
#ifndef PIPESHIM_DRAIN_HELPER_PLACE_H
#define PIPESHIM_DRAIN_HELPER_PLACE_H

/* Any that the kernel allows. Not only the one that the thread which started it may be bound to: it
 * would take turns with the program. */
void helper_place_begin(void);

/* Goes to another processor, if there is one. */
void helper_place_leave(void);

/* Sleeps so long. If that took milliseconds more, another one's turn was waited for: leaves. */
void helper_place_nap(long ns);

/* Runs on: helper. AS-safe: no. Blocks: yes. */
#endif
