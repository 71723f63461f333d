// SPDX-License-Identifier: MIT
/* A process that has made no call yet, with a pipe, and something that stands for the watchdog.
 * doors/ is not in what unit tests link: these are the files themselves, so this is no header of
 * declarations. For cmocka. */
#ifndef PIPESHIM_TESTS_CLAIM_CASE_H
#define PIPESHIM_TESTS_CLAIM_CASE_H

#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "doors/claim.c"     // NOLINT(bugprone-suspicious-include)
#include "doors/held_ends.c" // NOLINT(bugprone-suspicious-include)
#include "doors/own_wait.c"  // NOLINT(bugprone-suspicious-include)
#include "failing_calls.h"

enum { LIFE_SIZE = sizeof(struct life) + SLOT_LIMIT / 8, STOP_MS = 60000 };

static int ends[2];

/* What stands for the watchdog: on its thread, without libc. */
static inline void stand_by(void)
{
    struct timespec moment = {0, NS_PER_MS};
    while (!atomic_load(&life->stop))
        raw_syscall(SYS_nanosleep, &moment, 0);
}

/* A process that has made no call yet. */
static inline int claim_case_begin(void **state)
{
    (void)state;
    life = calloc(1, LIFE_SIZE);
    life->pid = getpid();
    life->reporting = 1; /* there is no log: nothing can be said now */
    settings.loop = LOOP_AUTO;
    thread_slot = slot_none();
    watchdog_thread_prepare(stand_by);
    life_activate();
    return pipe(ends);
}

static inline int claim_case_end(void **state)
{
    (void)state;
    calls_restore();
    bool stopped = watchdog_thread_stop(false, STOP_MS);
    close(ends[0]);
    close(ends[1]);
    free(life);
    return stopped ? 0 : -1;
}

/* A wait that matters gets its slot; then there is none again. */
static inline void assert_matters(const struct slot *slot)
{
    assert_non_null(slot);
    assert_true(watchdog_thread_stop(false, STOP_MS));
    /* It sets this last of all, after its tid is cleared by the kernel. */
    while (atomic_load(&life->thread_state) != THREAD_NONE)
        ;
}

static inline struct slot *claim_poll(struct pollfd *fds, uint64_t count)
{
    return slot_claim_for_wait(CALL_poll, (uint64_t)(uintptr_t)fds, count, (uint64_t)-1, 0);
}

#endif
