// SPDX-License-Identifier: MIT
/*
 * Each pointer starts at a resolver of its own, which looks the real function up, stores it and
 * calls it: so a wrapper needs no test, and a program pays for the names that it uses. The pointers
 * of rows without arguments in the table (CONTROL) start at NULL, and BOUND() binds them.
 */
#include "doors/real.h"

#include <errno.h>

#include "base/dynamic_symbols.h"
#include "base/kernel_calls.h"
#include "doors/door.h"

/* Of a name that this libc lacks: nobody can have linked to it, but a program may have found ours
 * through dlsym. It gets what a kernel without the call would answer. */
static long absent_function(void)
{
    errno = ENOSYS;
    return -1;
}

void (*real_function(const char *name))(void)
{
    void *found = symbol_next(name);
    return found ? (void (*)(void))found : (void (*)(void))absent_function;
}

#define CALL(type, name, parameters, arguments, class, fd, length, number)                         \
    static type resolve_##name parameters                                                          \
    {                                                                                              \
        real_##name = (__typeof__(real_##name))real_function(#name);                               \
        return real_##name arguments;                                                              \
    }                                                                                              \
    type(*real_##name) parameters = resolve_##name; /* child: constant */
#define CALL_ENTERED(type, name, parameters, arguments, class, fd, length, number)                 \
    CALL(type, name, parameters, arguments, , , , )
#define CALL_READINESS(type, name, parameters, arguments, number)                                  \
    CALL(type, name, parameters, arguments, , , , )
#define CALL_VOID(name, parameters, arguments, class, fd, length, number)                          \
    static void resolve_##name parameters                                                          \
    {                                                                                              \
        real_##name = (__typeof__(real_##name))real_function(#name);                               \
        real_##name arguments;                                                                     \
    }                                                                                              \
    void(*real_##name) parameters = resolve_##name; /* child: constant */
#define CALL_VARIADIC(type, name, parameters, last, twin, arguments, class, fd, length, number)
#define CALL_VOID_VARIADIC(name, parameters, last, twin, arguments, class, fd, length, number)
#define CONTROL(type, name, parameters) type(*real_##name) parameters; /* child: constant */
#include "facts/calls.def"
