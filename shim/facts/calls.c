// SPDX-License-Identifier: MIT
#include "facts/calls.h"

#include <stddef.h>
#include <sys/syscall.h>

#include "base/kernel_calls.h"

#define CALL(type, name, parameters, arguments, class, fd, length, number)                         \
    [CALL_##name] = {#name, CLASS_##class, number, false},
#define HAS_SIZE_0    false
#define HAS_SIZE_size true
#define CALL_ENTERED(type, name, parameters, arguments, class, fd, length, number)                 \
    [CALL_##name] = {#name, CLASS_##class, number, HAS_SIZE_##length},
#define CALL_VOID(name, parameters, arguments, class, fd, length, number)                          \
    [CALL_##name] = {#name, CLASS_##class, number, false},
#define CALL_VARIADIC(type, name, parameters, last, twin, arguments, class, fd, length, number)    \
    [CALL_##name] = {#name, CLASS_##class, number, false},
#define CALL_VOID_VARIADIC(name, parameters, last, twin, arguments, class, fd, length, number)     \
    [CALL_##name] = {#name, CLASS_##class, number, false},
#define CALL_READINESS(type, name, parameters, arguments, number)                                  \
    [CALL_##name] = {#name, CLASS_POLL, number, false},
#define CONTROL(type, name, parameters)

static const struct door_description descriptions[CALL_COUNT] = {
    [CALL_none] = {"", CLASS_OTHER, -1, false},
#include "facts/calls.def"
    [CALL_stdio_write] = {"stdio", CLASS_PIPE_WRITE, SYS_write, false},
    [CALL_stdio_read] = {"stdio", CLASS_PIPE_READ, SYS_read, false},
};

const struct door_description *call_describe(enum call_id id)
{
    return &descriptions[(unsigned)id < CALL_COUNT ? id : CALL_none];
}

bool call_may_sleep_in(enum call_id id, long number)
{
    const struct door_description *call = call_describe(id);
    if (number == call->kernel_call || number == SYS_restart_syscall)
        return true;
    if (call->class == CLASS_DNS) /* libc asks files, sockets, and services that it loads */
        return true;
    if (call->class == CLASS_SLEEP)
        return number == SYS_nanosleep || number == SYS_ppoll; /* pause on aarch64 */
    if (call->class == CLASS_ACCEPT)
        return number == SYS_accept || number == SYS_accept4;
    if (call->class == CLASS_POLL) /* libc answers one readiness wait with another */
        return number == SYS_ppoll || number == SYS_pselect6 || number == SYS_epoll_pwait ||
               number == KERNEL_CALL_POLL || number == KERNEL_CALL_SELECT ||
               number == KERNEL_CALL_EPOLL_WAIT;
    if (call->class == CLASS_PIPE_WRITE) /* the drainer waits so for space in its queue */
        return number == SYS_futex || number == SYS_nanosleep;
    if (call->kernel_call == SYS_sendto && call->class == CLASS_SOCKET_WRITE) /* syslog */
        return number == SYS_connect || number == SYS_write || number == SYS_writev ||
               number == SYS_futex;
    return false;
}
