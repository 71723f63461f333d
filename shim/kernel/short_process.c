// SPDX-License-Identifier: MIT
#include "kernel/short_process.h"

#include <linux/close_range.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/clone_on_stack.h"
#include "base/raw_syscall.h"
#include "kernel/task.h"

enum { ABOVE_TOP = 64 }; /* valgrind wants the first stack pointer inside the mapping */

bool short_process_start(struct short_process *process, char *stack, int (*entry)(void))
{
    uint64_t all = ~0ULL;
    uint64_t before = 0;
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    long made = clone_on_stack(SHORT_PROCESS_FLAGS, stack + SHORT_PROCESS_STACK - ABOVE_TOP,
                               &process->tid, 0, entry);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    process->to_reap = made > 0 ? (int32_t)made : 0;
    return made > 0;
}

void short_process_leave_fd_table(void)
{
    if (raw_syscall(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE) == 0)
        return;
    if (raw_syscall(SYS_unshare, CLONE_FILES) == 0) /* before Linux 5.9 */
        for (int fd = 0; fd < 65536; fd++)
            raw_syscall(SYS_close, fd);
}

bool short_process_is_gone(struct short_process *process)
{
    if (atomic_load(&process->tid) != 0)
        return false;
    if (process->to_reap != 0 &&
        raw_syscall(SYS_wait4, process->to_reap, 0, WNOHANG | __WCLONE, 0) == 0)
        return false;
    process->to_reap = 0;
    return true;
}

bool short_process_wait(struct short_process *process, uint64_t deadline)
{
    enum { STARVED_FOR_NS = 2 * (uint64_t)NS_PER_S, LOOK_NS = 20 * NS_PER_MS };
    struct timespec moment = {0, 100L * NS_PER_US};
    uint64_t last = clock_monotonic_ns() + STARVED_FOR_NS;
    while (!short_process_is_gone(process)) {
        int32_t tid = atomic_load(&process->tid);
        uint64_t now = clock_monotonic_ns();
        if (now >= deadline && tid != 0) {
            if (!task_wants_cpu(tid) || now >= last)
                return false;
            deadline = now + LOOK_NS;
        }
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
    return true;
}

void short_process_kill(struct short_process *process)
{
    int32_t tid = atomic_load(&process->tid);
    if (tid != 0)
        raw_syscall(SYS_kill, tid, SIGKILL);
}

void short_process_stop(struct short_process *process)
{
    enum { PATIENCE_NS = 50 * NS_PER_MS };
    if (atomic_load(&process->tid) != 0 &&
        !short_process_wait(process, clock_monotonic_ns() + PATIENCE_NS))
        short_process_kill(process);
}
