// SPDX-License-Identifier: MIT
/*
 * No wake-up is lost: drain/space.c itself, a writer that waits and a helper that makes space, in
 * every order of their steps. Each atomic access and each system call of it is a step; the two run
 * as coroutines, and each schedule is tried.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "drain/channel.h"

enum { WRITER, HELPER, ACTORS };
enum { STEPS_LIMIT = 64, HELPER_TID = 7 };

static ucontext_t scheduler, actors[ACTORS];
static bool done[ACTORS];
static int running;
static bool asleep; /* the writer, in the futex */

static void step(void)
{
    swapcontext(&actors[running], &scheduler);
}

/* What drain/space.c does to shared memory, with a step before each. */
#undef atomic_load
#undef atomic_store
#undef atomic_fetch_and
#undef atomic_compare_exchange_weak
#define PLAIN(place)               ((uint32_t *)(place)) /* clang's builtins take no _Atomic */
#define atomic_load(place)         (step(), __atomic_load_n(PLAIN(place), __ATOMIC_SEQ_CST))
#define atomic_store(place, value) (step(), __atomic_store_n(PLAIN(place), value, __ATOMIC_SEQ_CST))
#define atomic_fetch_and(place, value)                                                             \
    (step(), __atomic_fetch_and(PLAIN(place), value, __ATOMIC_SEQ_CST))
#define atomic_compare_exchange_weak(place, expected, value)                                       \
    (step(), __atomic_compare_exchange_n(PLAIN(place), expected, value, 0, __ATOMIC_SEQ_CST,       \
                                         __ATOMIC_SEQ_CST))
#undef raw_syscall
#define raw_syscall(...) model_syscall(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

static long model_syscall(long number, ...)
{
    va_list arguments;
    va_start(arguments, number);
    _Atomic uint32_t *word = va_arg(arguments, _Atomic uint32_t *);
    int operation = va_arg(arguments, int);
    uint32_t value = va_arg(arguments, uint32_t);
    va_end(arguments);
    step();
    if (number != SYS_futex)
        return 0;
    if (operation == FUTEX_WAKE) {
        asleep = false;
        return 0;
    }
    if (__atomic_load_n(PLAIN(word), __ATOMIC_SEQ_CST) !=
        value) /* as the kernel: one step with the sleep */
        return -EAGAIN;
    asleep = true;
    while (asleep)
        step();
    return 0;
}

#include "drain/space.c"

static struct channel channel;
static unsigned space, wanted, batches;

/* As queue.c: it asks, looks once more, and waits. */
static void writer(void)
{
    while (__atomic_load_n(&space, __ATOMIC_SEQ_CST) < wanted) {
        uint32_t asked = space_request(&channel);
        step();
        if (__atomic_load_n(&space, __ATOMIC_SEQ_CST) < wanted)
            space_wait(&channel, asked);
    }
    done[WRITER] = true;
    for (;;)
        step();
}

/* As helper.c, after each batch; at the end it does not leave. */
static void helper(void)
{
    for (unsigned i = 0; i < batches; i++) {
        step();
        __atomic_fetch_add(&space, 1, __ATOMIC_SEQ_CST);
        step();
        if (space_is_wanted(&channel))
            space_announce(&channel);
    }
    done[HELPER] = true;
    for (;;)
        step();
}

static void begin(void)
{
    static char stacks[ACTORS][64 * 1024];
    static void (*const bodies[ACTORS])(void) = {writer, helper};
    memset(&channel, 0, sizeof channel);
    channel.helper_tid = HELPER_TID;
    space = 0;
    asleep = false;
    for (int i = 0; i < ACTORS; i++) {
        done[i] = false;
        getcontext(&actors[i]);
        actors[i].uc_stack.ss_sp = stacks[i];
        actors[i].uc_stack.ss_size = sizeof stacks[i];
        actors[i].uc_link = NULL;
        makecontext(&actors[i], bodies[i], 0);
    }
}

static bool can_run(int actor)
{
    return !done[actor] && !(actor == WRITER && asleep);
}

/* Runs by the choices, then the writer first; notes in `choices` where there was one. Returns how
 * many there were; -1: the writer sleeps and nobody will wake it. */
static int run(unsigned char *choices, int given)
{
    int made = 0;
    begin();
    for (int steps = 0; steps < 4 * STEPS_LIMIT; steps++) {
        bool both = can_run(WRITER) && can_run(HELPER);
        if (!can_run(WRITER) && !can_run(HELPER))
            return done[WRITER] ? made : -1;
        running = can_run(WRITER) ? WRITER : HELPER;
        if (both && made < STEPS_LIMIT) {
            if (made >= given)
                choices[made] = WRITER;
            running = choices[made++];
        }
        swapcontext(&scheduler, &actors[running]);
    }
    return done[WRITER] ? made : -1;
}

/* All schedules, by their last choice that can still be another. */
static unsigned try_all(void)
{
    unsigned char choices[STEPS_LIMIT];
    unsigned schedules = 0;
    int given = 0;
    for (;;) {
        int made = run(choices, given);
        assert_true(made >= 0);
        schedules++;
        while (made > 0 && choices[made - 1] == HELPER)
            made--;
        if (made == 0)
            return schedules;
        choices[made - 1] = HELPER;
        given = made;
    }
}

static void test_space_in_one_batch(void **state)
{
    (void)state;
    wanted = 1;
    batches = 1;
    assert_true(try_all() > 20);
}

/* The first batch is not enough: the writer asks again, or is about to sleep for the first time. */
static void test_space_in_two_batches(void **state)
{
    (void)state;
    wanted = 2;
    batches = 2;
    assert_true(try_all() > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_space_in_one_batch),
        cmocka_unit_test(test_space_in_two_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
