// SPDX-License-Identifier: MIT
#include "watch/kernel_wait.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/kernel_calls.h"
#include "kernel/call_table.h"

static struct kernel_wait child_wait(const struct task_call *call)
{
    int pid = -1;
    if (call->number == SYS_wait4)
        pid = (int)call->arguments[0];
    else if (call->arguments[0] == P_PID)
        pid = (int)call->arguments[1];
    return (struct kernel_wait){CLASS_CHILD, -1, (uint64_t)(int64_t)pid};
}

static struct kernel_wait write_wait(const struct task_call *call)
{
    /* splice and tee name the fd they write to in other places (their man pages). */
    unsigned fd = call->number == SYS_splice ? 2 : call->number == SYS_tee ? 1 : 0;
    return (struct kernel_wait){CLASS_PIPE_WRITE, (int)call->arguments[fd],
                                call->number == SYS_write ? call->arguments[2] : 0};
}

static struct kernel_wait other_wait(const struct task_call *call)
{
    switch (call->number) {
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_syncfs:
    case SYS_sync_file_range:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_pread64:
    case SYS_pwrite64:
        return (struct kernel_wait){CLASS_FILE, (int)call->arguments[0], 0};
    case SYS_sync:
    case SYS_msync:
        return (struct kernel_wait){CLASS_FILE, -1, 0};
    case SYS_splice:
    case SYS_tee:
        return write_wait(call);
    default:
        return (struct kernel_wait){CLASS_OTHER, -1, 0};
    }
}

struct kernel_wait kernel_wait_of(const struct task_call *call)
{
    const struct call_description *known = call_description(call->number);
    int fd = (int)call->arguments[0];
    switch (known ? known->kind : WAIT_OTHER) {
    case WAIT_READ:
        return (struct kernel_wait){CLASS_PIPE_READ, fd, 0};
    case WAIT_WRITE:
        return write_wait(call);
    case WAIT_POLL:
    case WAIT_SELECT:
    case WAIT_EPOLL:
        return (struct kernel_wait){CLASS_POLL, -1, 0};
    case WAIT_CHILD:
        return child_wait(call);
    case WAIT_LOCK:
        return (struct kernel_wait){CLASS_LOCK, fd, 0};
    case WAIT_FUTEX:
        return (struct kernel_wait){CLASS_LOCK, -1, 0};
    case WAIT_SLEEP:
    case WAIT_SIGNAL:
        return (struct kernel_wait){CLASS_SLEEP, -1, 0};
    case WAIT_ACCEPT:
        return (struct kernel_wait){CLASS_ACCEPT, fd, 0};
    case WAIT_CONNECT:
        return (struct kernel_wait){CLASS_CONNECT, fd, 0};
    case WAIT_OPEN:
        return (struct kernel_wait){CLASS_FILE, -1,
                                    call->arguments[call->number == SYS_openat ? 1 : 0]};
    default:
        return other_wait(call);
    }
}
