// SPDX-License-Identifier: MIT
#include "watch/child.h"

#include "base/raw_syscall.h"
#include "drain/drain.h"
#include "process/life.h"
#include "report/tell.h"

bool life_begin(void)
{
    int32_t pid = (int32_t)raw_syscall(SYS_getpid);
    int32_t begun = atomic_load(&life->pid);
    if (begun != 0)
        return begun == pid;
    if (atomic_compare_exchange_strong(&life->pid, &begun, pid)) {
        /* A forked child: all of `life` was wiped, what report/ remembers was not. */
        drain_begin_in_child();
        tell_begin_in_child();
    }
    return true;
}
