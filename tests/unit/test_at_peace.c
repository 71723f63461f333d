// SPDX-License-Identifier: MIT
/* The quickest scan looks at a process, its descendants and its parent alone, and says that there
 * is nothing to find only where nobody else could matter. */
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_calls.h"
#include "graph/finding.h"
#include "graph/wait_graph.h"
#include "kernel/object_reader.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

static _Alignas(uint64_t) char memory[WAIT_GRAPH_MEMORY];
static struct wait_graph graph;

/* A parent, the child that is asked about, and that child's sibling. */
static volatile struct family {
    int child, sibling;
    int to_child[2], to_sibling[2];
} * family;
static int parent;

enum parent_does { PARENT_PAUSES, PARENT_WAITS_FOR_SIBLING };
enum child_does { CHILD_READS, CHILD_PAUSES, CHILD_SERVES };
enum sibling_does { SIBLING_PAUSES, SIBLING_READS };

static void rest(void)
{
    for (;;)
        pause();
}

static void read_one(int fd, int close_first)
{
    char byte;
    close(close_first);
    if (read(fd, &byte, 1) <= 0)
        _exit(0);
    rest();
}

/* Waits for strangers, by a TCP socket and one of AF_UNIX; nobody has sent anything to a third. */
static void serve(void)
{
    struct sockaddr_un any = {.sun_family = AF_UNIX}; /* the kernel chooses its name */
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(0), pair[2];
    int tcp = socket(AF_INET, SOCK_STREAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listen(tcp, 5) < 0 || bind(local, (struct sockaddr *)&any, sizeof any.sun_family) < 0 ||
        listen(local, 5) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
        epoll_ctl(set, EPOLL_CTL_ADD, tcp, &event) < 0 ||
        epoll_ctl(set, EPOLL_CTL_ADD, local, &event) < 0)
        _exit(1);
    close(family->to_child[1]);
    for (;;)
        epoll_wait(set, &event, 1, -1);
}

static int be_child(enum child_does does)
{
    int pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
        close(family->to_sibling[0]);
        if (does == CHILD_READS)
            read_one(family->to_child[0], family->to_child[1]);
        if (does == CHILD_SERVES)
            serve();
        close(family->to_child[1]);
        rest();
    }
    return pid;
}

static int be_sibling(enum sibling_does does)
{
    int pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
        close(family->to_child[0]);
        close(family->to_child[1]);
        if (does == SIBLING_READS)
            read_one(family->to_sibling[0], family->to_sibling[1]);
        rest();
    }
    return pid;
}

static char state_of(int pid)
{
    char text[512];
    struct stat_line stat;
    return proc_read_of(pid, 0, "stat", text, sizeof text) > 0 && parse_stat(text, &stat)
               ? stat.state
               : '?';
}

static void start(enum parent_does parent_does, enum child_does child_does,
                  enum sibling_does sibling_does)
{
    memset((void *)family, 0, sizeof *family);
    assert_int_equal(pipe((int *)family->to_child), 0);
    assert_int_equal(pipe((int *)family->to_sibling), 0);
    parent = fork();
    if (parent == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int child = be_child(child_does), sibling = be_sibling(sibling_does);
        close(family->to_child[0]);
        close(family->to_sibling[0]);
        close(family->to_sibling[1]);
        family->sibling = sibling;
        family->child = child;
        if (parent_does == PARENT_WAITS_FOR_SIBLING)
            waitpid(sibling, NULL, 0);
        rest();
    }
    close(family->to_child[0]);
    close(family->to_sibling[0]);
    close(family->to_sibling[1]);
    /* All three sleep in the one call that they make. */
    for (int rounds = 0; rounds < 3;) {
        bool asleep = family->child != 0 && state_of(parent) == 'S' &&
                      state_of(family->child) == 'S' && state_of(family->sibling) == 'S';
        rounds = asleep ? rounds + 1 : 0;
        usleep(1000);
    }
}

static void end(void)
{
    kill(parent, SIGKILL);
    kill(family->child, SIGKILL);
    kill(family->sibling, SIGKILL);
    waitpid(parent, NULL, 0);
    if (family->to_child[1] >= 0)
        close(family->to_child[1]);
}

/* This test could write as well. */
static void no_other_writer(void)
{
    close(family->to_child[1]);
    family->to_child[1] = -1;
}

static bool is_at_peace(void)
{
    wait_graph_init(&graph, memory, sizeof memory, ACCESS_ALL);
    return wait_graph_is_at_peace(&graph, family->child);
}

static bool may_be_stuck(void)
{
    wait_graph_init(&graph, memory, sizeof memory, ACCESS_ALL);
    return wait_graph_may_be_stuck(&graph, family->child);
}

static void a_parent_that_can_write_is_enough(void **state)
{
    (void)state;
    start(PARENT_PAUSES, CHILD_READS, SIBLING_PAUSES);
    no_other_writer();
    assert_true(is_at_peace());
    assert_int_equal(graph.process_count, 2); /* nobody asked the sibling */
    assert_false(may_be_stuck());
    end();
}

/* It waits for the sibling, which waits for what the child alone could write. */
static void a_parent_that_waits_for_a_sibling_is_not(void **state)
{
    (void)state;
    start(PARENT_WAITS_FOR_SIBLING, CHILD_READS, SIBLING_READS);
    no_other_writer();
    assert_false(is_at_peace());
    assert_true(may_be_stuck());
    end();
}

static void who_else_matters_is_asked_for_by_the_next_scan(void **state)
{
    (void)state;
    start(PARENT_WAITS_FOR_SIBLING, CHILD_READS, SIBLING_PAUSES);
    no_other_writer();
    assert_false(is_at_peace());
    assert_false(may_be_stuck());
    end();
}

static void what_is_not_read_may_hold_somebody_up(void **state)
{
    (void)state;
    start(PARENT_PAUSES, CHILD_PAUSES, SIBLING_PAUSES);
    assert_true(is_at_peace());
    assert_int_equal(write(family->to_child[1], "x", 1), 1);
    assert_false(is_at_peace());
    end();
}

/* Each question to the kernel for a socket's other end goes through all sockets of the host. */
static unsigned dear_questions;

static long count_sockets(long number, long a, long b, long c, long d, long e, long f)
{
    dear_questions += a == AF_NETLINK;
    return raw_syscall6(number, a, b, c, d, e, f);
}

static long count_files(long number, long a, long b, long c, long d, long e, long f)
{
    dear_questions += strstr((const char *)b, "/net/") != NULL;
    return raw_syscall6(number, a, b, c, d, e, f);
}

static void a_server_asks_nobody(void **state)
{
    (void)state;
    start(PARENT_PAUSES, CHILD_SERVES, SIBLING_PAUSES);
    dear_questions = 0;
    calls_replace(SYS_socket, count_sockets);
    calls_replace(SYS_openat, count_files);
    bool at_peace = is_at_peace();
    calls_restore();
    assert_true(at_peace);
    assert_int_equal(graph.process_count, 1); /* nor its parent */
    assert_int_equal(dear_questions, 0);
    end();
}

static void a_server_with_a_pipe_that_it_does_not_read_is_not_at_peace(void **state)
{
    (void)state;
    start(PARENT_PAUSES, CHILD_SERVES, SIBLING_PAUSES);
    assert_int_equal(write(family->to_child[1], "x", 1), 1);
    assert_false(is_at_peace());
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parent_that_can_write_is_enough),
        cmocka_unit_test(a_parent_that_waits_for_a_sibling_is_not),
        cmocka_unit_test(who_else_matters_is_asked_for_by_the_next_scan),
        cmocka_unit_test(what_is_not_read_may_hold_somebody_up),
        cmocka_unit_test(a_server_asks_nobody),
        cmocka_unit_test(a_server_with_a_pipe_that_it_does_not_read_is_not_at_peace),
    };
    family = mmap(NULL, sizeof *family, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return family == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
