// SPDX-License-Identifier: MIT
#include "watch/kernel_wait.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel/call_table.h"

static int child_of(const struct task_call *call)
{
    if (call->number == SYS_wait4)
        return (int)call->arguments[0];
    return call->arguments[0] == P_PID ? (int)call->arguments[1] : -1;
}

struct kernel_wait kernel_wait_of(const struct task_call *call)
{
    const struct call_description *known = call_description(call->number);
    struct kernel_wait wait = {CLASS_OTHER, -1, 0};
    if (!known)
        return wait;
    wait.class = known->class;
    /* That of epoll is the set, not what is waited for. */
    if (known->fd_argument >= 0 && known->class != CLASS_POLL && known->class != CLASS_OTHER)
        wait.fd = (int)call->arguments[known->fd_argument];
    if (known->kind == WAIT_CHILD)
        wait.detail = (uint64_t)(int64_t)child_of(call);
    else if (known->detail_argument >= 0)
        wait.detail = call->arguments[known->detail_argument];
    return wait;
}
