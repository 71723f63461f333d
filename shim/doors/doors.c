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
    slot = slot_claim(call, fd, length)

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

static inline void note_question(struct slot *slot, int epoll_fd)
{
    struct readiness_waits *asked = &slot->asked;
    if (asked->sp == slot->registers.sp && asked->epoll_fd == epoll_fd)
        asked->returns++;
    else
        *asked = (struct readiness_waits){slot->registers.sp, 0, epoll_fd};
}

/* The outermost wait is the one made from the highest stack pointer; a wait made deeper, inside a
 * callback, is not the loop's own. A question (timeout 0) is no wait: it counts as a turn where the
 * thread waits, or on the epoll that it waits on, but makes no loop by itself. Rust's start asks
 * poll() for fds 0 to 2; trio's guest mode asks its epoll, and waits for it in another thread. Of a
 * thread that has never slept in an epoll the questions are counted (watch/busy_loop.h). */
static inline void note_readiness_wait(struct slot *slot, enum readiness_kind kind, int epoll_fd,
                                       bool may_sleep)
{
    struct readiness_waits *waits = &slot->waits[kind];
    uint64_t sp = slot->registers.sp;
    if (sp < waits->sp)
        return;
    if (sp == waits->sp) {
        waits->returns++;
    } else {
        if (!may_sleep && (waits->sp == 0 || epoll_fd < 0 || epoll_fd != waits->epoll_fd)) {
            if (waits->sp == 0) {
                waits->epoll_fd = epoll_fd; /* it asks, and another thread may wait for it */
                if (kind == READINESS_EPOLL)
                    note_question(slot, epoll_fd);
            }
            return;
        }
        waits->returns = 0;
        waits->sp = sp;
    }
    waits->epoll_fd = epoll_fd;
}

/* Of those whose timeout is a number; behind a pointer that may be a wrong one it stays unread. */
#define NO_WAIT(call, timeout)                                                                     \
    (((call) == CALL_poll || (call) == CALL___poll_chk || (call) == CALL_epoll_wait ||             \
      (call) == CALL_epoll_pwait) &&                                                               \
     (timeout) == 0)

/* Known when compiled: the epoll rows are the last of the table's readiness waits. */
#define READINESS_KIND(call) ((call) < CALL_epoll_wait ? READINESS_POLL : READINESS_EPOLL)

#define FIRST(first, ...) first
#define EPOLL_FD(call, arguments)                                                                  \
    (READINESS_KIND(call) == READINESS_EPOLL ? (int)(intptr_t)(FIRST arguments) : -1)

/* Three arguments have all of them, select() has one more that counts. */
#define WORD(argument)          (uint64_t)(uintptr_t)(argument)
#define WORDS_(a, b, c, d, ...) WORD(a), WORD(b), WORD(c), WORD(d)
#define WORDS(...)              WORDS_(__VA_ARGS__, 0, 0)

#define CALL_READINESS(type, name, parameters, arguments, number)                                  \
    DOOR(type, name, parameters)                                                                   \
    {                                                                                              \
        struct slot *slot = slot_of_thread();                                                      \
        if (__builtin_expect(!atomic_load_explicit(&slot->armed, memory_order_relaxed), 0))        \
            slot = slot_claim_for_wait(CALL_##name, WORDS arguments);                              \
        if (__builtin_expect(!slot, 0))                                                            \
            return real_##name arguments;                                                          \
        slot_enter(slot, CALL_##name, -1, 0);                                                      \
        note_readiness_wait(slot, READINESS_KIND(CALL_##name), EPOLL_FD(CALL_##name, arguments),   \
                            !NO_WAIT(CALL_##name, timeout));                                       \
        type result = real_##name arguments;                                                       \
        slot_leave(slot);                                                                          \
        if (__builtin_expect(!atomic_load_explicit(&slot->armed, memory_order_relaxed), 0))        \
            slot_claim_after_wait(slot);                                                           \
        return result;                                                                             \
    }

#define CONTROL(type, name, parameters) /* doors/control.c */

#include "facts/calls.def"
