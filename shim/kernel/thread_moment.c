// SPDX-License-Identifier: MIT
#include "kernel/thread_moment.h"

#include <errno.h>
#include <string.h>

#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"
#include "kernel/status.h"
#include "kernel/thread_wait.h"

enum { FILE_LIMIT = 256 };

void thread_moment_read(int pid, int tid, struct thread_moment *moment)
{
    char text[FILE_LIMIT];
    struct syscall_line line;
    struct status_field switches[] = {{.name = "voluntary_ctxt_switches", .base = 10},
                                      {.name = "nonvoluntary_ctxt_switches", .base = 10}};
    memset(moment, 0, sizeof *moment);
    long size = proc_read_piece_of(pid, tid, "syscall", text, sizeof text);
    if (size <= 0) { /* empty: something was mounted over it */
        bool forbidden = size == 0 || size == -EACCES || size == -EPERM;
        moment->status = forbidden ? MOMENT_FORBIDDEN : MOMENT_GONE;
        return;
    }
    moment->status = MOMENT_RUNNING;
    if (!parse_syscall(text, &line) || line.running || line.stack_pointer == 0)
        return;
    moment->status = MOMENT_ASLEEP;
    moment->number = line.in_call ? line.number : -1;
    if (line.in_call)
        memcpy(moment->arguments, line.arguments, sizeof moment->arguments);
    moment->sp = line.stack_pointer;
    moment->pc = line.program_counter;
    moment->run_time = thread_run_time_ns(pid, tid);
    status_read(pid, tid, switches, 2);
    moment->switches = switches[0].value + switches[1].value;
}

bool thread_moment_same(const struct thread_moment *before, const struct thread_moment *after)
{
    return before->status == MOMENT_ASLEEP && after->status == MOMENT_ASLEEP &&
           before->number == after->number &&
           memcmp(before->arguments, after->arguments, sizeof before->arguments) == 0 &&
           before->sp == after->sp && before->pc == after->pc &&
           before->run_time == after->run_time && before->switches == after->switches;
}
