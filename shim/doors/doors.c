// SPDX-License-Identifier: MIT
/*
 * The wrappers: each records that its thread is in the call, makes the real call, and records that
 * it is out again. Arguments, result and errno pass untouched; the real libc function is called, so
 * it stays a cancellation point.
 *
 * A wrapper is bound to its libc name by an assembler label: defined under that name in C it would
 * have to match the prototype of each libc version, and some headers define the name as a macro.
 */
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/kernel_calls.h"
#include "doors/real.h"
#include "doors/slot.h"

#define DOOR(type, name, parameters)                                                               \
    type door_##name parameters __asm__(#name) __attribute__((visibility("default")));             \
    type door_##name parameters

#define SLOT_FOR(call, fd, length)                                                                 \
    struct slot *slot = thread_slot;                                                               \
    if (__builtin_expect(!atomic_load_explicit(&slot->armed, memory_order_relaxed), 0))            \
    slot = slot_claim(call, fd, length)

#define CALL(type, name, parameters, arguments, class, fd_, length_, number)                       \
    DOOR(type, name, parameters)                                                                   \
    {                                                                                              \
        SLOT_FOR(CALL_##name, fd_, length_);                                                       \
        if (__builtin_expect(!slot, 0))                                                            \
            return real_##name arguments;                                                          \
        slot_enter(slot, CALL_##name, fd_, length_);                                               \
        type result = real_##name arguments;                                                       \
        slot_leave(slot);                                                                          \
        return result;                                                                             \
    }

#define CALL_VOID(name, parameters, arguments, class, fd_, length_, number)                        \
    DOOR(void, name, parameters)                                                                   \
    {                                                                                              \
        SLOT_FOR(CALL_##name, fd_, length_);                                                       \
        if (__builtin_expect(!slot, 0)) {                                                          \
            real_##name arguments;                                                                 \
            return;                                                                                \
        }                                                                                          \
        slot_enter(slot, CALL_##name, fd_, length_);                                               \
        real_##name arguments;                                                                     \
        slot_leave(slot);                                                                          \
    }

#define CALL_VARIADIC(type, name, parameters, last, twin, arguments, class, fd_, length_, number)  \
    DOOR(type, name, parameters)                                                                   \
    {                                                                                              \
        va_list list;                                                                              \
        va_start(list, last);                                                                      \
        SLOT_FOR(CALL_##name, fd_, length_);                                                       \
        if (slot)                                                                                  \
            slot_enter(slot, CALL_##name, fd_, length_);                                           \
        type result = real_##twin arguments;                                                       \
        if (slot)                                                                                  \
            slot_leave(slot);                                                                      \
        va_end(list);                                                                              \
        return result;                                                                             \
    }

#define CALL_VOID_VARIADIC(name, parameters, last, twin, arguments, class, fd_, length_, number)   \
    DOOR(void, name, parameters)                                                                   \
    {                                                                                              \
        va_list list;                                                                              \
        va_start(list, last);                                                                      \
        SLOT_FOR(CALL_##name, fd_, length_);                                                       \
        if (slot)                                                                                  \
            slot_enter(slot, CALL_##name, fd_, length_);                                           \
        real_##twin arguments;                                                                     \
        if (slot)                                                                                  \
            slot_leave(slot);                                                                      \
        va_end(list);                                                                              \
    }

/* The outermost wait is the one made from the highest stack pointer; a wait made deeper, inside a
 * callback, is not the loop's own. */
static inline void note_readiness_wait(struct slot *slot)
{
    uint64_t sp = slot->registers.sp;
    if (sp == slot->wait_sp)
        slot->wait_returns++;
    else if (sp > slot->wait_sp) {
        slot->wait_sp = sp;
        slot->wait_returns = 0;
    }
}

#define CALL_READINESS(type, name, parameters, arguments, number)                                  \
    DOOR(type, name, parameters)                                                                   \
    {                                                                                              \
        SLOT_FOR(CALL_##name, -1, 0);                                                              \
        if (__builtin_expect(!slot, 0))                                                            \
            return real_##name arguments;                                                          \
        slot_enter(slot, CALL_##name, -1, 0);                                                      \
        note_readiness_wait(slot);                                                                 \
        type result = real_##name arguments;                                                       \
        slot_leave(slot);                                                                          \
        return result;                                                                             \
    }

#define CONTROL(type, name, parameters) /* doors/control.c */

#include "doors/calls.def"
