// SPDX-License-Identifier: MIT
#include "watch/finish.h"

#include <stddef.h>

#include "base/other_stack.h"
#include "base/raw_syscall.h"
#include "process/life.h"
#include "report/tell.h"
#include "watch/judge.h"
#include "watch/lag.h"

static void speak(void *unused)
{
    enum { PATIENCE_MS = 50 };
    (void)unused;
    judge_end_all();
    lag_end_all();
    judge_wait_for_ends();
    if (life_reporting_begin(PATIENCE_MS)) {
        tell_summary();
        life_reporting_end();
    }
}

void life_finish(void)
{
    uint32_t unfinished = 0;
    /* A forked child that made no call has nothing to say; a vfork child must not speak. */
    if (!life_active() || atomic_load(&life->pid) != (int32_t)raw_syscall(SYS_getpid))
        return;
    if (!atomic_compare_exchange_strong(&life->finished, &unfinished, 1))
        return;
    on_other_stack(speak, NULL); /* _exit() in a signal handler comes this way */
}
