// SPDX-License-Identifier: MIT
/* The scan of the watchdog: from a thread with its own descriptors and a small stack, at the
 * process that it lives in, while that process waits in a deadlock. */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "graph/finding.h"
#include "kernel/object_reader.h"
#include "left_out.h"

enum { FINDINGS = 4, WATCHDOG_STACK = 256 * 1024 };

static uint64_t memory[WAIT_GRAPH_MEMORY / sizeof(uint64_t)];
static struct wait_graph graph;
static struct wait_finding first[FINDINGS], second[FINDINGS];

static void pause_ms(long milliseconds)
{
    nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL);
}

/* Two scans that agree, or 0 when there was none for a long time. */
static unsigned confirmed_scan(int pid)
{
    wait_graph_init(&graph, memory, sizeof memory, ACCESS_ALL);
    for (int tries = 0; tries < 400; tries++) {
        unsigned count = wait_graph_examine(&graph, pid, first, FINDINGS);
        pause_ms(50);
        if (count > 0 && wait_graph_examine(&graph, pid, second, FINDINGS) == count &&
            wait_finding_confirms(&first[0], &second[0]))
            return count;
    }
    return 0;
}

static void fill(int fd)
{
    static char bytes[65536];
    while (write(fd, bytes, sizeof bytes) > 0)
        ;
}

/* What the watchdog saw, as an exit status of its process: 0 when all is right. */
static int check_own_deadlock(int pid)
{
    if (confirmed_scan(pid) == 0)
        return 10;
    const struct wait_finding *finding = &first[0];
    if (finding->kind != FINDING_DEADLOCK || finding->count != 2)
        return 11;
    if (finding->chain[0].for_pid != pid || finding->chain[1].pid != pid)
        return 12;
    if (finding->likely || finding->id == 0)
        return 13;
    return strstr(finding->advice, "close or drain the read end") ? 0 : 14;
}

static void *watch(void *argument)
{
    (void)argument;
    prctl(PR_SET_NAME, LIBRARY_THREAD_NAME);
    if (unshare(CLONE_FILES) != 0)
        _exit(20);
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    int status = check_own_deadlock(getpid());
    kill(first[0].chain[0].pid, SIGKILL);
    _exit(status);
}

/* A process that waits for a child which fills a pipe that it does not read. */
static void be_the_deadlocked_process(void)
{
    int fds[2];
    pthread_attr_t attributes;
    pthread_t thread;
    if (pipe(fds) != 0)
        _exit(21);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(fds[0]);
        fill(fds[1]);
        _exit(0);
    }
    close(fds[1]);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, WATCHDOG_STACK);
    if (pthread_create(&thread, &attributes, watch, NULL) != 0)
        _exit(22);
    waitpid(child, NULL, 0);
    for (;;) /* the watchdog ends the process */
        pause();
}

static void a_watchdog_sees_its_own_process(void **state)
{
    (void)state;
    if (UNDER_TSAN)
        LEAVE_OUT("TSan's own thread is one that could still read the pipe");
    int status = 0;
    pid_t process = fork();
    if (process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        be_the_deadlocked_process();
    }
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool names_this_process(const struct wait_finding *finding)
{
    for (unsigned i = 0; i < finding->count; i++) {
        if (finding->chain[i].pid == getpid())
            return true;
    }
    return false;
}

/* A neighbour on a busy machine may well be stuck, or look so for a moment. This process is not. */
static void nothing_to_find(void **state)
{
    (void)state;
    wait_graph_init(&graph, memory, sizeof memory, ACCESS_ALL);
    unsigned count = wait_graph_examine(&graph, getpid(), first, FINDINGS);
    for (unsigned i = 0; i < count; i++) {
        print_message("seen: %s\n", first[i].words);
        assert_false(names_this_process(&first[i]));
    }
    assert_int_equal(wait_graph_examine(&graph, INT_MAX, first, FINDINGS), 0);
}

/* Too little memory for all that is there: no crash, and no verdict. A machine may have started no
 * other process than this one. */
static void memory_that_does_not_suffice(void **state)
{
    (void)state;
    enum { PROCESSES = 16, ENOUGH_FOR_SEVEN = 4000 };
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
            for (;;)
                pause();
        assert_true(children[i] > 0);
    }
    for (size_t size = 0; size < ENOUGH_FOR_SEVEN; size += 61) {
        wait_graph_init(&graph, memory, size, ACCESS_ALL);
        assert_int_equal(wait_graph_scan(&graph), 0);
        wait_graph_load_all(&graph);
        assert_true(graph.incomplete);
        assert_int_equal(wait_graph_find(&graph, first, FINDINGS), 0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        assert_int_equal(kill(children[i], SIGKILL), 0);
        assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
    }
}

/* A process that was left out may be the one that holds the other end. */
static void what_did_not_fit(void **state)
{
    (void)state;
    int fds[2];
    unsigned found = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0) {
        close(fds[0]);
        fill(fds[1]);
        _exit(0);
    }
    close(fds[1]);
    wait_graph_init(&graph, memory, sizeof memory, ACCESS_ALL);
    for (int tries = 0; tries < 2000 && found == 0; tries++) {
        pause_ms(5);
        found = wait_graph_examine(&graph, child, first, FINDINGS);
    }
    assert_true(found > 0);
    graph.incomplete = true;
    assert_int_equal(wait_graph_find(&graph, first, FINDINGS), 0);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(fds[0]);
}

/* One thread of a pool computes now and another one then: none of them has computed for long. */
static void another_thread_computes(void **state)
{
    (void)state;
    struct wait_finding before = {.kind = FINDING_READER_AWAY,
                                  .fingerprint = 1,
                                  .holder_runs = true,
                                  .holder_run_tid = 7,
                                  .holder_run_ns = 5000000000};
    struct wait_finding now = before;
    now.holder_run_ns += 60000000;
    assert_true(wait_finding_confirms(&before, &now));
    now.holder_run_tid = 8;
    assert_false(wait_finding_confirms(&before, &now));
    now.holder_run_ns = 1000000000; /* less than the other one */
    assert_false(wait_finding_confirms(&before, &now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watchdog_sees_its_own_process), cmocka_unit_test(nothing_to_find),
        cmocka_unit_test(memory_that_does_not_suffice),    cmocka_unit_test(what_did_not_fit),
        cmocka_unit_test(another_thread_computes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
