// SPDX-License-Identifier: MIT
/* Which waits in poll(), select() and their kin get a slot: not those that this process ends. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "claim_case.h"

static struct slot *claim_select(uint64_t count, const uint64_t *reads, const uint64_t *writes,
                                 const uint64_t *exceptions)
{
    return slot_claim_for_wait(CALL_pselect, count, (uint64_t)(uintptr_t)reads,
                               (uint64_t)(uintptr_t)writes, (uint64_t)(uintptr_t)exceptions);
}

static uint64_t bit(int fd)
{
    return 1ULL << fd;
}

/* make's jobserver, a self-pipe: who could end it is in this process. */
static void test_waits_for_an_own_pipe(void **state)
{
    (void)state;
    struct pollfd own[2] = {{.fd = ends[0], .events = POLLIN}, {.fd = ends[0], .events = POLLIN}};
    uint64_t one = bit(ends[0]), none = 0;
    assert_in_range(ends[1], 0, WORD_BITS - 1);
    assert_null(claim_poll(own, 1));
    assert_null(claim_select((unsigned)ends[0] + 1, &one, NULL, NULL));
    assert_null(claim_select(WORD_BITS, &one, &none, &none));
    int far = fcntl(ends[1], F_DUPFD_CLOEXEC, 40);
    assert_int_equal(close(ends[1]), 0);
    ends[1] = far; /* its number is no neighbour */
    assert_null(claim_poll(own, 1));
    assert_int_equal(life->thread_state, THREAD_NONE);
    assert_matters(claim_poll(own, 2)); /* several: perhaps a loop's */
    close(far);
    ends[1] = -1;
    assert_matters(claim_poll(own, 1));
    assert_matters(claim_select((unsigned)ends[0] + 1, &one, NULL, NULL));
}

static void test_waits_for_time(void **state)
{
    (void)state;
    struct pollfd none = {.fd = -1, .events = POLLIN};
    uint64_t empty = 0;
    assert_null(claim_poll(NULL, 0));
    assert_null(claim_poll(&none, 1));
    assert_null(claim_select(0, NULL, NULL, NULL));
    assert_null(claim_select(WORD_BITS, &empty, NULL, NULL));
    assert_int_equal(life->thread_state, THREAD_NONE);
}

static void test_waits_for_others(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct pollfd socket = {.fd = pair[0], .events = POLLIN};
    struct pollfd space = {.fd = ends[1], .events = POLLOUT};
    uint64_t one = bit(ends[0]), other = bit(pair[0]), both = one | other;
    assert_matters(claim_poll(&socket, 1));
    assert_matters(claim_poll(&space, 1));
    assert_matters(claim_select(WORD_BITS, &other, NULL, NULL));
    assert_matters(claim_select(WORD_BITS, &both, NULL, NULL));
    assert_matters(claim_select(WORD_BITS, &one, &other, NULL));
    assert_matters(claim_select(WORD_BITS, &one, NULL, &other));
    assert_matters(claim_select(DESCRIPTORS + 1, &one, NULL, NULL));
    assert_matters(slot_claim_for_wait(CALL_epoll_wait, (uint64_t)ends[0], 0, 0, 0));
    close(pair[0]);
    close(pair[1]);
}

static void test_waits_with_bad_addresses(void **state)
{
    (void)state;
    static const uint64_t bad[] = {16, 4096, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_matters(slot_claim_for_wait(CALL_poll, bad[i], 1, 0, 0));
        assert_matters(slot_claim_for_wait(CALL_select, 1, bad[i], 0, 0));
    }
    /* Half of it is there. */
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + 4096, 4096, PROT_NONE), 0);
    assert_matters(claim_poll((struct pollfd *)(pages + 4092), 1));
    assert_int_equal(munmap(pages, 8192), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, claim_case_begin, claim_case_end)
    const struct CMUnitTest tests[] = {
        TEST(test_waits_for_an_own_pipe),
        TEST(test_waits_for_time),
        TEST(test_waits_for_others),
        TEST(test_waits_with_bad_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
