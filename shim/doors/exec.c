// SPDX-License-Identifier: MIT
/*
 * The exec family: what must be over before the program is replaced. In a vfork child, and in a
 * forked one that has made no call yet, there is nothing to be over.
 */
#include <alloca.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "doors/door.h"
#include "doors/drain_doors.h"
#include "doors/exec_target.h"
#include "doors/real.h"
#include "drain/drain.h"
#include "process/life.h"
#include "report/reporter.h"
#include "watch/cpu_timer.h"
#include "watch/thread.h"

/* The watchdog owns the timers; it starts again if the exec fails. An exec that cannot succeed does
 * not wait for the queue: `may_succeed` is asked only where there may be one. */
#define BEFORE_EXEC(may_succeed)                                                                   \
    do {                                                                                           \
        if (drain_enabled && (may_succeed))                                                        \
            drain_doors_finish(false);                                                             \
        before_exec();                                                                             \
    } while (0)

static void before_exec(void)
{
    enum { PATIENCE_NS = 50 * NS_PER_MS };
    if (!life_active() || atomic_load(&life->pid) != (int32_t)raw_syscall(SYS_getpid))
        return;
    if (cpu_timer_runs())
        watchdog_thread_stop(false, LONGEST_STOP_MS);
    /* Nobody would take what is left of the writer: a zombie for as long as the new program runs.
     */
    report_before_exec(clock_monotonic_ns() + PATIENCE_NS);
}

#define FORWARDED(name, parameters, arguments, may_succeed)                                        \
    DOOR(int, name, parameters)                                                                    \
    {                                                                                              \
        BOUND(name);                                                                               \
        BEFORE_EXEC(may_succeed);                                                                  \
        return real_##name arguments;                                                              \
    }

FORWARDED(execve, (const char *path, char *const *arguments, char *const *environment),
          (path, arguments, environment), exec_may_succeed(AT_FDCWD, path, 0))
FORWARDED(execv, (const char *path, char *const *arguments), (path, arguments),
          exec_may_succeed(AT_FDCWD, path, 0))
FORWARDED(execvp, (const char *file, char *const *arguments), (file, arguments),
          exec_search_may_succeed(file))
FORWARDED(execvpe, (const char *file, char *const *arguments, char *const *environment),
          (file, arguments, environment), exec_search_may_succeed(file))
FORWARDED(fexecve, (int fd, char *const *arguments, char *const *environment),
          (fd, arguments, environment), exec_may_succeed(fd, "", AT_EMPTY_PATH))
FORWARDED(execveat,
          (int fd, const char *path, char *const *arguments, char *const *environment, int flags),
          (fd, path, arguments, environment, flags), exec_may_succeed(fd, path, flags))

/* The number of arguments before the NULL, the first included. */
static size_t count_arguments(const char *first, va_list list)
{
    size_t count = 0;
    for (const char *argument = first; argument; argument = va_arg(list, const char *))
        count++;
    return count;
}

/* Makes `array` of the list, on the caller's stack as libc does: a vfork child may not allocate. */
#define ARRAY_OF_LIST(first, list, array)                                                          \
    va_list counted;                                                                               \
    va_start(list, first);                                                                         \
    va_copy(counted, list);                                                                        \
    size_t count = count_arguments(first, counted);                                                \
    va_end(counted);                                                                               \
    char **array = alloca((count + 1) * sizeof(char *));                                           \
    array[0] = (char *)first;                                                                      \
    for (size_t i = 1; i <= count; i++)                                                            \
    array[i] = va_arg(list, char *)

DOOR(int, execl, (const char *path, const char *argument, ...))
{
    va_list list;
    ARRAY_OF_LIST(argument, list, array);
    va_end(list);
    BOUND(execv);
    BEFORE_EXEC(exec_may_succeed(AT_FDCWD, path, 0));
    return real_execv(path, array);
}

DOOR(int, execlp, (const char *file, const char *argument, ...))
{
    va_list list;
    ARRAY_OF_LIST(argument, list, array);
    va_end(list);
    BOUND(execvp);
    BEFORE_EXEC(exec_search_may_succeed(file));
    return real_execvp(file, array);
}

DOOR(int, execle, (const char *path, const char *argument, ...))
{
    va_list list;
    ARRAY_OF_LIST(argument, list, array);
    char *const *environment = va_arg(list, char *const *);
    va_end(list);
    BOUND(execve);
    BEFORE_EXEC(exec_may_succeed(AT_FDCWD, path, 0));
    return real_execve(path, array, environment);
}
