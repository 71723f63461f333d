// SPDX-License-Identifier: MIT
/*
 * The real functions: what a call of the same name would have reached without this library, the
 * next preloaded library's or libc's.
 */
#ifndef PIPESHIM_DOORS_REAL_H
#define PIPESHIM_DOORS_REAL_H

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define REAL(type, name, parameters)                                                               \
    extern type(*real_##name) parameters __attribute__((visibility("hidden")));
#define CALL(type, name, parameters, arguments, class, fd, length, number)                         \
    REAL(type, name, parameters)
#define CALL_ENTERED(type, name, parameters, arguments, class, fd, length, number)                 \
    REAL(type, name, parameters)
#define CALL_VOID(name, parameters, arguments, class, fd, length, number)                          \
    REAL(void, name, parameters)
#define CALL_VARIADIC(type, name, parameters, last, twin, arguments, class, fd, length, number)
#define CALL_VOID_VARIADIC(name, parameters, last, twin, arguments, class, fd, length, number)
#define CALL_READINESS(type, name, parameters, arguments, number) REAL(type, name, parameters)
#define CONTROL(type, name, parameters)                           REAL(type, name, parameters)
#include "facts/calls.def"
#undef REAL
#undef CALL
#undef CALL_ENTERED
#undef CALL_VOID
#undef CALL_VARIADIC
#undef CALL_VOID_VARIADIC
#undef CALL_READINESS
#undef CONTROL

/* What a call of `name` would have reached; never NULL: of a name that this libc lacks, a function
 * that fails with ENOSYS. Async-signal-safe once the constructor has run. */
void (*real_function(const char *name))(void);

/* Runs on: program threads, signal handlers. AS-safe: yes, once the constructor has run. Blocks:
 * no. */
#endif
