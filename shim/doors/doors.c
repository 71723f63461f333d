// SPDX-License-Identifier: MIT
/*
 * The wrappers: each records that its thread is in the call, makes the real call, and records that
 * it is out again. Arguments, result and errno pass untouched; the real libc function is called, so
 * it stays a cancellation point.
 */
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/kernel_calls.h"
#include "doors/claim.h"
#include "doors/door.h"
#include "doors/nonblocking_doors.h"
#include "doors/real.h"

#define SLOT_FOR(call, fd, length)                                                                 \
    struct slot *slot = thread_slot;                                                               \
    if (__builtin_expect(!atomic_load_explicit(&slot->armed, memory_order_relaxed), 0))            \
    slot = slot_lets_pass(slot) ? NULL : slot_claim(call, fd, length)

/* Of write() and writev(), whose programs seldom expect to be refused. From the slot, for nothing
 * more is to be kept over the call; a handler in between can only make it ask once in vain. */
static inline void note_shortness(enum call_id call, const struct slot *slot, int64_t result,
                                  const void *caller)
{
    if (call == CALL_write ? __builtin_expect((uint64_t)result != slot->detail, 0)
                           : call == CALL_writev && __builtin_expect(result < 0, 0))
        write_fell_short(slot->fd, result, caller);
}

#define CALL(type, name, parameters, arguments, class, fd_, detail_, number)                       \
    DOOR(type, name, parameters)                                                                   \
    CALL_BODY(type, name, parameters, arguments, class, fd_, detail_, number)

#define CALL_BODY(type, name, parameters, arguments, class, fd_, detail_, number)                  \
    {                                                                                              \
        SLOT_FOR(CALL_##name, fd_, detail_);                                                       \
        if (__builtin_expect(!slot, 0))                                                            \
            return real_##name arguments;                                                          \
        slot_enter(slot, CALL_##name, fd_, detail_);                                               \
        type result = real_##name arguments;                                                       \
        slot_leave(slot);                                                                          \
        note_shortness(CALL_##name, slot, (int64_t)result, __builtin_return_address(0));           \
        return result;                                                                             \
    }

/* The door of entry_doors.c comes here with what it may not do itself. */
#define CALL_ENTERED(type, name, parameters, arguments, class, fd_, detail_, number)               \
    type framed_##name parameters __asm__("framed_" #name) __attribute__((visibility("hidden")));  \
    type framed_##name parameters CALL_BODY(type, name, parameters, arguments, class, fd_,         \
                                            detail_, number)

#define CALL_VOID(name, parameters, arguments, class, fd_, detail_, number)                        \
    DOOR(void, name, parameters)                                                                   \
    {                                                                                              \
        SLOT_FOR(CALL_##name, fd_, detail_);                                                       \
        if (__builtin_expect(!slot, 0)) {                                                          \
            real_##name arguments;                                                                 \
            return;                                                                                \
        }                                                                                          \
        slot_enter(slot, CALL_##name, fd_, detail_);                                               \
        real_##name arguments;                                                                     \
        slot_leave(slot);                                                                          \
    }

#define CALL_VARIADIC(type, name, parameters, last, twin, arguments, class, fd_, detail_, number)  \
    DOOR(type, name, parameters)                                                                   \
    {                                                                                              \
        va_list list;                                                                              \
        va_start(list, last);                                                                      \
        SLOT_FOR(CALL_##name, fd_, detail_);                                                       \
        if (slot)                                                                                  \
            slot_enter(slot, CALL_##name, fd_, detail_);                                           \
        type result = real_##twin arguments;                                                       \
        if (slot)                                                                                  \
            slot_leave(slot);                                                                      \
        va_end(list);                                                                              \
        return result;                                                                             \
    }

#define CALL_VOID_VARIADIC(name, parameters, last, twin, arguments, class, fd_, detail_, number)   \
    DOOR(void, name, parameters)                                                                   \
    {                                                                                              \
        va_list list;                                                                              \
        va_start(list, last);                                                                      \
        SLOT_FOR(CALL_##name, fd_, detail_);                                                       \
        if (slot)                                                                                  \
            slot_enter(slot, CALL_##name, fd_, detail_);                                           \
        real_##twin arguments;                                                                     \
        if (slot)                                                                                  \
            slot_leave(slot);                                                                      \
        va_end(list);                                                                              \
    }

#define CALL_READINESS(type, name, parameters, arguments, number) /* doors/wait_doors.c */
#define CONTROL(type, name, parameters)                           /* doors/control.c */

#include "facts/calls.def"
