// SPDX-License-Identifier: MIT
/* What a look has found of a server that waits for strangers is so until the server has run, or has
 * something to read; and of whom it is not kept. */
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "graph/finding.h"
#include "kernel/object_reader.h"
#include "kernel/proc_reader.h"
#include "kernel/task.h"
#include "process/life.h"
#include "watch/peace.h"

enum { TRIES = 2000 };

static _Alignas(uint64_t) char memory[WAIT_GRAPH_MEMORY];
static struct wait_graph graph;
static int set, wake, channel[2];
static const char *wrong; /* of the test that runs */

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            wrong = #condition;                                                                    \
    } while (0)

static void wait_for_sleep(void)
{
    while (task_read_call(getpid()).status != TASK_IN_CALL ||
           task_read_call(getpid()).number != SYS_epoll_wait)
        usleep(1000);
}

static bool look(void)
{
    wait_graph_init(&graph, memory, sizeof memory, ACCESS_ALL);
    if (peace_lasts(&graph))
        return true;
    peace_expect();
    if (wait_graph_is_at_peace(&graph, getpid()))
        peace_note(&graph);
    return false;
}

static bool lasts_twice(void)
{
    bool first = look();
    return look() && first;
}

/* An interrupt in between may look as if something had run: then it is looked at once more. */
static bool comes_to_last(void)
{
    for (unsigned i = 0; i < TRIES; i++)
        if (lasts_twice())
            return true;
    return false;
}

static bool never_lasts(void)
{
    for (unsigned i = 0; i < 20; i++)
        if (look())
            return false;
    return true;
}

static void a_server_that_sleeps(void)
{
    EXPECT(comes_to_last());
}

static void one_that_has_run(void)
{
    EXPECT(comes_to_last());
    uint64_t one = 1, before = task_run_time_ns(getpid());
    EXPECT(write(wake, &one, sizeof one) == sizeof one);
    while (task_run_time_ns(getpid()) == before)
        usleep(1000);
    wait_for_sleep();
    EXPECT(!peace_lasts(&graph));
    EXPECT(comes_to_last());
}

static void one_that_does_not_read(void)
{
    char byte = 'x';
    EXPECT(comes_to_last());
    EXPECT(write(channel[1], &byte, 1) == 1);
    EXPECT(never_lasts());
    EXPECT(read(channel[0], &byte, 1) == 1);
    EXPECT(comes_to_last());
}

static void one_with_a_child(void)
{
    int child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    EXPECT(never_lasts());
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    EXPECT(comes_to_last());
}

static void one_with_many_pipes(void)
{
    enum { MANY = 20 };
    int pipes[MANY][2];
    for (unsigned i = 0; i < MANY; i++)
        EXPECT(pipe(pipes[i]) == 0);
    EXPECT(never_lasts());
    for (unsigned i = 0; i < MANY; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    EXPECT(comes_to_last());
}

static void a_new_watchdog(void)
{
    EXPECT(comes_to_last());
    peace_begin();
    EXPECT(!peace_lasts(&graph));
}

static _Atomic bool over;

static void *be_watchdog(void *test)
{
    void (*const body)(void) = *(void (**)(void))test;
    prctl(PR_SET_NAME, LIBRARY_THREAD_NAME);
    wait_for_sleep();
    body();
    over = true;
    EXPECT(write(wake, &(uint64_t){1}, sizeof(uint64_t)) == sizeof(uint64_t));
    return NULL;
}

/* The first thread is a server, another one is the watchdog that looks at it. */
static void serve(void (*test)(void))
{
    pthread_t watchdog;
    struct epoll_event event = {.events = EPOLLIN};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    atomic_store(&life->pid, (int32_t)getpid());
    peace_begin();
    set = epoll_create1(0);
    wake = eventfd(0, 0);
    assert_int_equal(pipe(channel), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(epoll_ctl(set, EPOLL_CTL_ADD, listener, &event), 0);
    assert_int_equal(epoll_ctl(set, EPOLL_CTL_ADD, wake, &event), 0);
    wrong = NULL;
    over = false;
    assert_int_equal(pthread_create(&watchdog, NULL, be_watchdog, &test), 0);
    while (!over) {
        uint64_t count;
        epoll_wait(set, &event, 1, -1);
        assert_int_equal(read(wake, &count, sizeof count), sizeof count);
    }
    pthread_join(watchdog, NULL);
    close(listener);
    close(set);
    close(wake);
    close(channel[0]);
    close(channel[1]);
    if (wrong)
        fail_msg("not so: %s", wrong);
}

#define CASE(name)                                                                                 \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        serve(name);                                                                               \
    }
CASE(a_server_that_sleeps)
CASE(one_that_has_run)
CASE(one_that_does_not_read)
CASE(one_with_a_child)
CASE(one_with_many_pipes)
CASE(a_new_watchdog)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_that_sleeps),   cmocka_unit_test(test_one_that_has_run),
        cmocka_unit_test(test_one_that_does_not_read), cmocka_unit_test(test_one_with_a_child),
        cmocka_unit_test(test_one_with_many_pipes),    cmocka_unit_test(test_a_new_watchdog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
