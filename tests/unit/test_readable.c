// SPDX-License-Identifier: MIT
/* What write(2) would answer EFAULT for is found, also right after it could be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/ticks.h"
#include "drain/readable.h"

enum { PAGE = 4096 };

static _Alignas(PAGE) char pages[4 * PAGE];

static void test_mapped_memory_is_asked_for_each_time(void **state)
{
    (void)state;
    char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iovec both = {memory, 2 * PAGE};
    assert_ptr_not_equal(memory, MAP_FAILED);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(readable_bytes(&both, 1, ticks_now()), 2 * PAGE);
        assert_true(readable(memory + PAGE, 1, ticks_now()));
        assert_int_equal(mprotect(memory + PAGE, PAGE, PROT_NONE), 0);
        assert_false(readable(memory + PAGE, 1, ticks_now()));
        assert_int_equal(readable_bytes(&both, 1, ticks_now()), PAGE);
        assert_false(readable(memory, 2 * PAGE, ticks_now()));
        assert_int_equal(mprotect(memory + PAGE, PAGE, PROT_READ), 0);
    }
    munmap(memory, 2 * PAGE);
    assert_false(readable(memory, 1, ticks_now()));
}

/* 100 us are believed, no more. */
static void test_static_memory_that_is_taken_away(void **state)
{
    (void)state;
    struct timespec later = {0, 2000000};
    assert_true(readable(pages, sizeof pages, ticks_now()));
    assert_true(readable(pages + PAGE, 1, ticks_now()));
    assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_NONE), 0);
    nanosleep(&later, NULL);
    assert_false(readable(pages + PAGE, 1, ticks_now()));
    assert_false(readable(pages + PAGE, 1, ticks_now()));
    assert_true(readable(pages, PAGE, ticks_now()));
    assert_false(readable(pages, sizeof pages, ticks_now()));
    assert_int_equal(mprotect(pages + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
    assert_true(readable(pages, sizeof pages, ticks_now()));
}

static void test_nonsense(void **state)
{
    (void)state;
    assert_false(readable(NULL, 1, ticks_now()));
    assert_false(readable((void *)8, 1, ticks_now()));
    assert_false(readable((void *)UINTPTR_MAX, 1, ticks_now()));
    assert_false(readable(pages, UINTPTR_MAX, ticks_now()));
}

/* A thread whose stack has a hole behind its beginning, and one in front of its end. */
static void *on_its_stack(void *hole)
{
    char own[2 * PAGE] = {1};
    struct iovec vector = {own, sizeof own};
    for (int i = 0; i < 100; i++) {
        assert_int_equal(readable_bytes(&vector, 1, ticks_now()), sizeof own);
        assert_false(readable(hole, 1, ticks_now()));
    }
    return NULL;
}

static void test_stacks(void **state)
{
    (void)state;
    enum { STACK = 64 * PAGE };
    pthread_attr_t attributes;
    pthread_t thread;
    char *memory =
        mmap(NULL, STACK + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(mprotect(memory + STACK, PAGE, PROT_NONE), 0);
    on_its_stack(memory + STACK);
    pthread_attr_init(&attributes);
    assert_int_equal(pthread_attr_setstack(&attributes, memory, STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, on_its_stack, memory + STACK), 0);
    pthread_join(thread, NULL);
    munmap(memory, STACK + PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapped_memory_is_asked_for_each_time),
        cmocka_unit_test(test_static_memory_that_is_taken_away),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_stacks),
    };
    readable_prepare();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
