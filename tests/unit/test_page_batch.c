// SPDX-License-Identifier: MIT
/* Batches of small writes: what goes into the pipe is whole, and stays what it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drain/channel.h"
#include "drain/page_batch.h"

enum { PAGE = 4096, SLOTS = 16, SIZE = 1500, IN_A_PAGE = PAGE / SIZE };

static int begin(int ends[2])
{
    assert_int_equal(pipe(ends), 0);
    drain_limits.page = PAGE;
    page_batch_allow();
    return page_batch_begin(SLOTS) ? 0 : 1;
}

/* Writes of SIZE bytes of one letter each, until it is full. */
static unsigned fill(char letter)
{
    unsigned writes = 0;
    for (char *to; (to = page_batch_add(SIZE, writes * 2000)); writes++)
        memset(to, letter + (char)(writes % 20), SIZE);
    page_batch_end(writes * 2000);
    return writes;
}

static void expect_writes(int reader, char letter, unsigned first, unsigned count)
{
    static char got[SIZE];
    static char wanted[SIZE];
    for (unsigned i = first; i < first + count; i++) {
        memset(wanted, letter + (char)(i % 20), SIZE);
        assert_int_equal(read(reader, got, SIZE), SIZE);
        assert_memory_equal(got, wanted, SIZE);
    }
}

static void test_all_by_one_call(void **state)
{
    (void)state;
    int ends[2];
    uint64_t sent_to = 0;
    assert_int_equal(begin(ends), 0);
    unsigned writes = fill('A');
    assert_int_equal(writes, SLOTS * IN_A_PAGE);
    assert_int_equal(page_batch_send(ends[1], &sent_to), writes * SIZE);
    assert_int_equal(sent_to, writes * 2000);
    expect_writes(ends[0], 'A', 0, writes);
    close(ends[0]);
    close(ends[1]);
}

/* What lies in the pipe is not written over by the next batch. */
static void test_the_pages_are_the_pipes(void **state)
{
    (void)state;
    int ends[2];
    uint64_t sent_to = 0;
    assert_int_equal(begin(ends), 0);
    unsigned writes = fill('A');
    assert_int_equal(page_batch_send(ends[1], &sent_to), writes * SIZE);
    page_batch_renew();
    assert_true(page_batch_begin(SLOTS));
    assert_int_equal(fill('a'), writes);
    assert_int_equal(page_batch_send(ends[1], &sent_to), 0); /* full */
    expect_writes(ends[0], 'A', 0, writes);
    assert_int_equal(page_batch_send(ends[1], &sent_to), writes * SIZE);
    expect_writes(ends[0], 'a', 0, writes);
    close(ends[0]);
    close(ends[1]);
}

/* A pipe that has space for a few: no write is torn. */
static void test_a_part(void **state)
{
    (void)state;
    static char others[(SLOTS - 3) * PAGE];
    int ends[2];
    uint64_t sent_to = 0;
    assert_int_equal(begin(ends), 0);
    assert_int_equal(write(ends[1], others, sizeof others), sizeof others);
    unsigned writes = fill('A');
    assert_int_equal(page_batch_send(ends[1], &sent_to), 3 * IN_A_PAGE * SIZE);
    assert_int_equal(sent_to, 3 * IN_A_PAGE * 2000);
    struct iovec next = page_batch_next(&sent_to);
    assert_int_equal(next.iov_len, IN_A_PAGE * SIZE);
    assert_int_equal(sent_to, 4 * IN_A_PAGE * 2000);
    assert_int_equal(((char *)next.iov_base)[0], 'A' + 3 * IN_A_PAGE);
    assert_int_equal(read(ends[0], others, sizeof others), sizeof others);
    assert_int_equal(write(ends[1], next.iov_base, next.iov_len), next.iov_len);
    assert_int_equal(page_batch_send(ends[1], &sent_to), (SLOTS - 4) * IN_A_PAGE * SIZE);
    assert_int_equal(sent_to, writes * 2000);
    expect_writes(ends[0], 'A', 0, writes);
    close(ends[0]);
    close(ends[1]);
}

/* The kernel says that it is no pipe: written from then on. */
static void test_a_socket(void **state)
{
    (void)state;
    int ends[2];
    uint64_t sent_to = 0;
    assert_int_equal(begin(ends), 0);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    fill('A');
    assert_int_equal(page_batch_send(ends[1], &sent_to), 0);
    assert_false(page_batch_allowed());
    struct iovec next = page_batch_next(&sent_to);
    assert_int_equal(next.iov_len, IN_A_PAGE * SIZE);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_by_one_call),
        cmocka_unit_test(test_the_pages_are_the_pipes),
        cmocka_unit_test(test_a_part),
        cmocka_unit_test(test_a_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
