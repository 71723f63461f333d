// SPDX-License-Identifier: MIT
/* Who holds the other end of a pipe is looked for once, also by somebody who may not read all
 * processes, as every user but root: and as long as it is true. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_calls.h"
#include "watch/known_peers.h"

static unsigned all_looked_at; /* how often the list of all processes was opened */

/* As if the first process were another user's. */
static long open_but_first(long number, long a, long b, long c, long d, long e, long f)
{
    const char *path = (const char *)b; // NOLINT(performance-no-int-to-ptr)
    all_looked_at += strcmp(path, "/proc") == 0;
    if (strcmp(path, "/proc/1/fd") == 0)
        return -EACCES;
    return raw_syscall6(number, a, b, c, d, e, f);
}

static struct object_facts find_reader_of(int writer)
{
    struct object_facts facts;
    assert_int_equal(object_facts_of_fd(getpid(), writer, ROLE_WRITER, 0, &facts), 0);
    known_peers_find(ROLE_WRITER, ACCESS_ALL, &facts);
    return facts;
}

static void what_was_found_is_true_for_a_while(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    known_peers_begin();
    calls_replace(SYS_openat, open_but_first);
    struct object_facts first = find_reader_of(ends[1]);
    assert_int_equal(all_looked_at, 1);
    assert_true(known_peers_has(ROLE_WRITER, &first));
    assert_false(known_peers_has(ROLE_READER, &first));
    struct object_facts second = find_reader_of(ends[1]);
    assert_int_equal(all_looked_at, 1);
    int other = dup(ends[0]);
    close(ends[0]);
    struct object_facts third = find_reader_of(ends[1]);
    assert_int_equal(all_looked_at, 2);
    known_peers_begin();
    assert_false(known_peers_has(ROLE_WRITER, &first));
    calls_restore();
    assert_int_equal(first.pipe.peer_count, 1);
    assert_int_equal(first.pipe.peers[0].fd, ends[0]);
    assert_true(first.pipe.peers_unreadable > 0);
    assert_true(second.pipe.peers_known);
    assert_int_equal(second.pipe.peer_count, 1);
    assert_int_equal(second.pipe.peers[0].pid, getpid());
    assert_int_equal(second.pipe.peers_unreadable, first.pipe.peers_unreadable);
    assert_int_equal(third.pipe.peers[0].fd, other);
    close(other);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_found_is_true_for_a_while)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
