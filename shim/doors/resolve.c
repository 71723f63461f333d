// SPDX-License-Identifier: MIT
/*
 * Each pointer starts at a resolver of its own, which looks the real function up, stores it and
 * calls it: so a wrapper needs no test, and a call that comes before our constructor (from another
 * library's) finds its way. Rows without arguments in the table (CONTROL) are resolved by the
 * constructor, and by doors/control.c before it.
 */
#include "doors/real.h"

#include <dlfcn.h>
#include <errno.h>

#include "base/kernel_calls.h"

typedef void (*any_function)(void);

static any_function next_function(const char *name)
{
    return (any_function)dlsym(RTLD_NEXT, name);
}

/* A name that this libc lacks: nobody can have linked to it, but a program may have found ours
 * through dlsym. It gets what a kernel without the call would answer. */
#define RESOLVED(name, absent)                                                                     \
    any_function found = next_function(#name);                                                     \
    if (!found) {                                                                                  \
        errno = ENOSYS;                                                                            \
        absent;                                                                                    \
    }                                                                                              \
    real_##name = (__typeof__(real_##name))found

/* -1, or NULL for a function that returns a pointer. */
#define FAILURE(type)                                                                              \
    (type)(__builtin_classify_type((type)0) == __builtin_classify_type((void *)0) ? 0 : -1L)

#define RETURNING(type, name, parameters, arguments)                                               \
    static type resolve_##name parameters                                                          \
    {                                                                                              \
        RESOLVED(name, return FAILURE(type));                                                      \
        return real_##name arguments;                                                              \
    }                                                                                              \
    type(*real_##name) parameters = resolve_##name;

#define CALL(type, name, parameters, arguments, class, fd, length, number)                         \
    RETURNING(type, name, parameters, arguments)
#define CALL_READINESS(type, name, parameters, arguments, number)                                  \
    RETURNING(type, name, parameters, arguments)
#define CALL_VOID(name, parameters, arguments, class, fd, length, number)                          \
    static void resolve_##name parameters                                                          \
    {                                                                                              \
        RESOLVED(name, return );                                                                   \
        real_##name arguments;                                                                     \
    }                                                                                              \
    void(*real_##name) parameters = resolve_##name;
#define CALL_VARIADIC(type, name, parameters, last, twin, arguments, class, fd, length, number)
#define CALL_VOID_VARIADIC(name, parameters, last, twin, arguments, class, fd, length, number)
#define CONTROL(type, name, parameters) type(*real_##name) parameters;
#include "facts/calls.def"
#undef CALL
#undef CALL_VOID
#undef CALL_READINESS
#undef CONTROL

#define BIND(name)                                                                                 \
    do {                                                                                           \
        any_function found = next_function(#name);                                                 \
        if (found)                                                                                 \
            real_##name = (__typeof__(real_##name))found;                                          \
    } while (0);

void real_resolve_all(void)
{
#define CALL(type, name, parameters, arguments, class, fd, length, number) BIND(name)
#define CALL_READINESS(type, name, parameters, arguments, number)          BIND(name)
#define CALL_VOID(name, parameters, arguments, class, fd, length, number)  BIND(name)
#define CONTROL(type, name, parameters)                                    BIND(name)
#include "facts/calls.def"
}
