// SPDX-License-Identifier: MIT
/*
 * Doors of the readiness waits, one of which an event loop makes on each turn. Their return has to
 * be seen: it tells the watchdog that the loop goes on. So they have a frame, but a small one: on
 * the fast path nothing is called before the wait, and the arguments stay where they are, so that
 * one register has to be saved and not five, which is half of what such a door costs. All else is
 * left to a function with the same arguments, by a jump (the Makefile allows it for this file).
 *
 * Both know where the thread waits by the stack pointer of their caller, which is the same in both.
 */
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "base/kernel_calls.h"
#include "doors/claim.h"
#include "doors/door.h"
#include "slots/slot.h"

#define CALLERS_SP (uint64_t)(uintptr_t) __builtin_dwarf_cfa()

static inline void note_question(struct slot *slot, int epoll_fd)
{
    struct readiness_waits *asked = &slot->asked;
    if (asked->sp == slot->wait_sp && asked->epoll_fd == epoll_fd)
        asked->returns++;
    else
        *asked = (struct readiness_waits){slot->wait_sp, 0, epoll_fd};
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
    uint64_t sp = slot->wait_sp;
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

static __attribute__((noinline)) int after_wait(struct slot *slot, int result)
{
    slot_claim_after_wait(slot);
    return result;
}

#define WAIT_IN(slot, name, arguments)                                                             \
    int result = real_##name arguments;                                                            \
    __asm__("" : "+r"(slot)); /* no register for an address in it is kept over the call */         \
    slot_leave(slot);                                                                              \
    if (__builtin_expect(!atomic_load_explicit(&(slot)->armed, memory_order_relaxed), 0))          \
        return after_wait(slot, result);                                                           \
    return result

#define CALL_READINESS(type, name, parameters, arguments, number)                                  \
    static __attribute__((noinline)) type framed_##name parameters                                 \
    {                                                                                              \
        struct slot *slot = thread_slot;                                                           \
        if (!atomic_load_explicit(&slot->armed, memory_order_relaxed))                             \
            slot =                                                                                 \
                slot_lets_pass(slot) ? NULL : slot_claim_for_wait(CALL_##name, WORDS arguments);   \
        if (!slot)                                                                                 \
            return real_##name arguments;                                                          \
        slot->wait_sp = CALLERS_SP;                                                                \
        slot_enter(slot, CALL_##name, -1, 0);                                                      \
        note_readiness_wait(slot, READINESS_KIND(CALL_##name), EPOLL_FD(CALL_##name, arguments),   \
                            !NO_WAIT(CALL_##name, timeout));                                       \
        WAIT_IN(slot, name, arguments);                                                            \
    }                                                                                              \
    DOOR(type, name, parameters)                                                                   \
    {                                                                                              \
        struct slot *slot = slot_of_thread();                                                      \
        struct readiness_waits *waits = &slot->waits[READINESS_KIND(CALL_##name)];                 \
        uint64_t sp = CALLERS_SP;                                                                  \
        if (__builtin_expect(!atomic_load_explicit(&slot->armed, memory_order_relaxed), 0) ||      \
            __builtin_expect(sp > waits->sp, 0))                                                   \
            return framed_##name arguments;                                                        \
        slot->wait_sp = sp;                                                                        \
        slot_enter(slot, CALL_##name, -1, 0);                                                      \
        if (sp == waits->sp) {                                                                     \
            waits->returns++;                                                                      \
            waits->epoll_fd = EPOLL_FD(CALL_##name, arguments);                                    \
        }                                                                                          \
        WAIT_IN(slot, name, arguments);                                                            \
    }

#define CALL(type, name, parameters, arguments, class, fd, detail, number)
#define CALL_ENTERED(type, name, parameters, arguments, class, fd, detail, number)
#define CALL_VOID(name, parameters, arguments, class, fd, detail, number)
#define CALL_VARIADIC(type, name, parameters, last, twin, arguments, class, fd, detail, number)
#define CALL_VOID_VARIADIC(name, parameters, last, twin, arguments, class, fd, detail, number)
#define CONTROL(type, name, parameters)
#include "facts/calls.def"
