// SPDX-License-Identifier: MIT
/* A queued write for which the kernel refuses something. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "drain/drain.h"
#include "drain/queue.h"
#include "failing_calls.h"
#include "queue_case.h"

/* Mappings that are shared with helpers. */
static unsigned mappings(void)
{
    char line[512];
    unsigned count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps))
        count += strstr(line, "pipeshim-drain") != NULL;
    fclose(maps);
    return count;
}

/* Each system call that a kernel may refuse, each time that it is made: all of the write is queued,
 * and arrives, or nothing of it is, and nothing is left behind. True: one was refused. */
static bool queue_with_one_refused(long number, unsigned nth, int error, unsigned *not_possible)
{
    unsigned before = open_descriptors();
    uint64_t queued;
    calls_fail(number, nth, error);
    enum queue_outcome outcome = queue_part(ends[1], 0, 20000, 0, DRAIN_BLOCK, &queued);
    bool refused = calls_failed();
    calls_restore();
    unsigned fallbacks = drain_fallbacks();
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1); /* no child is left */
    assert_true(outcome == QUEUE_DONE || outcome == QUEUE_NOT_POSSIBLE);
    assert_int_equal(queued, outcome == QUEUE_DONE ? 20000 : 0);
    assert_true(refused || outcome == QUEUE_DONE);
    if (outcome == QUEUE_DONE) {
        expect(ends[0], sent, 20000);
    } else {
        ++*not_possible;
        assert_true(fallbacks & (DRAIN_NO_HELPER | DRAIN_NO_MEMORY));
        /* The next one is queued, by the helper that is there or by another. */
        assert_int_equal(queue_bytes(ends[1], 0, 100), QUEUE_DONE);
        expect(ends[0], sent, 100);
    }
    wait_until_over(ends[1]);
    return refused;
}

static void test_each_call_refused(void **state)
{
    static const struct {
        long number;
        int error;
        bool needed;
    } calls[] = {
        {SYS_memfd_create, EMFILE, true}, {SYS_memfd_create, ENOMEM, true},
        {SYS_ftruncate, EINVAL, true},    {SYS_mmap, ENOMEM, true},
        {SYS_madvise, ENOMEM, true},      {SYS_madvise, EINVAL, true},
        {SYS_clone, EAGAIN, true},        {SYS_pidfd_open, EMFILE, false},
        {SYS_pidfd_open, ENOSYS, false},  {SYS_prctl, EINVAL, false},
        {SYS_ppoll, EINTR, false},        {SYS_fstat, EBADF, false},
    };
    (void)state;
    assert_int_equal(queue_bytes(ends[1], 0, 100), QUEUE_DONE);
    expect(ends[0], sent, 100);
    wait_until_over(ends[1]);
    unsigned mapped = mappings(); /* the channel stays for the next */
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        unsigned not_possible = 0;
        for (unsigned nth = 1;
             queue_with_one_refused(calls[i].number, nth, calls[i].error, &not_possible); nth++)
            continue;
        assert_int_equal(not_possible > 0, calls[i].needed);
        assert_int_equal(mappings(), mapped);
    }
}

static void test_no_memory_for_more(void **state)
{
    (void)state;
    uint64_t queued;
    assert_int_equal(queue_bytes(ends[1], 0, 60000), QUEUE_DONE);
    /* The pages of the second chunk, or its addresses, cannot be had. */
    calls_fail(SYS_mremap, 0, ENOMEM);
    assert_int_equal(queue_part(ends[1], 60000, 60000, 0, DRAIN_BLOCK, &queued),
                     QUEUE_NOT_POSSIBLE);
    assert_true(calls_failed());
    assert_int_equal(queued, 0);
    calls_fail(SYS_madvise, 1, ENOMEM);
    assert_int_equal(queue_part(ends[1], 60000, 60000, 0, DRAIN_BLOCK, &queued),
                     QUEUE_NOT_POSSIBLE);
    assert_true(calls_failed());
    assert_int_equal(drain_fallbacks(), DRAIN_NO_MEMORY);
    calls_restore();
    /* Memory is there again: it goes on in order, and what was queued is not lost. */
    assert_int_equal(queue_bytes(ends[1], 60000, 60000), QUEUE_DONE);
    expect(ends[0], sent, 120000);
    wait_until_over(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_call_refused, queue_case_begin, queue_case_end),
        cmocka_unit_test_setup_teardown(test_no_memory_for_more, queue_case_begin, queue_case_end),
    };
    return cmocka_run_group_tests(tests, queue_case_prepare, NULL);
}
