// SPDX-License-Identifier: MIT
/* What the table of interposed calls says of each call, for those who read a slot. */
#ifndef PIPESHIM_FACTS_CALLS_H
#define PIPESHIM_FACTS_CALLS_H

#include <stdbool.h>

/* The contract's classes, in its order. */
enum call_class {
    CLASS_PIPE_WRITE,
    CLASS_PIPE_READ,
    CLASS_SOCKET_WRITE,
    CLASS_SOCKET_READ,
    CLASS_CONNECT,
    CLASS_ACCEPT,
    CLASS_DNS,
    CLASS_POLL,
    CLASS_CHILD,
    CLASS_SLEEP,
    CLASS_FILE,
    CLASS_LOCK,
    CLASS_CPU,
    CLASS_OTHER,
    CLASS_COUNT,
};

#define CALL(type, name, parameters, arguments, class, fd, length, number)         CALL_##name,
#define CALL_ENTERED(type, name, parameters, arguments, class, fd, length, number) CALL_##name,
#define CALL_VOID(name, parameters, arguments, class, fd, length, number)          CALL_##name,
#define CALL_VARIADIC(type, name, parameters, last, twin, arguments, class, fd, length, number)    \
    CALL_##name,
#define CALL_VOID_VARIADIC(name, parameters, last, twin, arguments, class, fd, length, number)     \
    CALL_##name,
#define CALL_READINESS(type, name, parameters, arguments, number) CALL_##name,
#define CONTROL(type, name, parameters)
enum call_id {
    CALL_none,
#include "facts/calls.def"
    CALL_stdio_write, /* the write slot of libc's FILE jump tables (doors/stdio_jumps.c) */
    CALL_stdio_read,  /* the read slot of the same */
    CALL_COUNT,
};
#undef CALL
#undef CALL_ENTERED
#undef CALL_VOID
#undef CALL_VARIADIC
#undef CALL_VOID_VARIADIC
#undef CALL_READINESS
#undef CONTROL

struct door_description {
    char name[24]; /* what the program called; not a pointer: see config/setting_table.h */
    enum call_class class;
    int kernel_call; /* SYS_…: what it sleeps in */
    bool has_size;   /* of a row CALL_ENTERED: its third argument is the row's detail */
};

/* Describes call `id`; async-signal-safe. */
const struct door_description *call_describe(enum call_id id);

/* True if a thread inside call `id` may show kernel call `number` in /proc/PID/task/TID/syscall:
 * the call's own, one that libc uses for it instead (select → pselect6), or restart_syscall (what
 * poll and nanosleep show after SIGSTOP and SIGCONT). */
bool call_may_sleep_in(enum call_id id, long number);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
