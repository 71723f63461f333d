// SPDX-License-Identifier: MIT
/* Facts of real pipes, FIFOs and sockets, asked from outside the process that holds them. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_calls.h"
#include "kernel/object_reader.h"
#include "kernel/thread_wait.h"
#include "kernel/unread.h"

/* A child that runs `body` until it is killed, or dies with the test. */
static pid_t spawn(void (*body)(void *), void *argument)
{
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        body(argument);
        for (;;)
            pause();
    }
    assert_true(child > 0);
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void wait_for_kind(pid_t pid, enum wait_kind kind)
{
    struct thread_wait wait;
    for (int tries = 0; tries < 20000; tries++) {
        if (thread_wait_read(pid, pid, &wait) && wait.kind == kind)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("process %d never came to wait as expected (it is in %d)", pid, wait.kind);
}

struct write_order {
    int fd;
    size_t chunk;
    int close_fd;
};

static void write_for_ever(void *argument)
{
    static char bytes[65536];
    const struct write_order *order = argument;
    close(order->close_fd);
    while (write(order->fd, bytes, order->chunk) > 0)
        ;
}

static const struct peer_facts *peer_of(const struct pipe_facts *pipe, pid_t pid)
{
    for (unsigned i = 0; i < pipe->peer_count && i < PEER_LIMIT; i++) {
        if (pipe->peers[i].pid == pid)
            return &pipe->peers[i];
    }
    return NULL;
}

/* The slots run out before the bytes: ten messages of 5,000 fit, the eleventh only in part. */
static void full_pipe_by_slots(void **state)
{
    (void)state;
    int fds[2];
    struct object_facts facts;
    assert_int_equal(pipe(fds), 0);
    struct write_order order = {fds[1], 5000, fds[0]};
    pid_t child = spawn(write_for_ever, &order);
    wait_for_kind(child, WAIT_WRITE);
    assert_int_equal(object_facts_of_fd(child, fds[1], ROLE_WRITER, ACCESS_ALL, &facts), 0);
    assert_int_equal(facts.kind, OBJECT_PIPE);
    assert_in_range(facts.pipe.used, 50000, 65535);
    assert_int_equal(facts.pipe.capacity, 65536);
    assert_int_equal(facts.pipe.full, 1);
    assert_int_equal(facts.pipe.slots, 65536 / sysconf(_SC_PAGESIZE));
    assert_int_equal(facts.pipe.slots_used, facts.pipe.slots);
    assert_string_equal(facts.pipe.role, "writer");
    assert_true(facts.pipe.peers_known);
    assert_int_equal(facts.pipe.peer_count, 1); /* the child has closed its copy */
    const struct peer_facts *peer = peer_of(&facts.pipe, getpid());
    assert_non_null(peer);
    assert_int_equal(peer->fd, fds[0]);
    struct stat status;
    fstat(fds[0], &status);
    assert_int_equal(facts.pipe.inode, status.st_ino);

    /* The same pipe from its reader's side: the child holds the other end, and writes to it. */
    assert_int_equal(object_facts_of_fd(getpid(), fds[0], ROLE_UNKNOWN, ACCESS_ALL, &facts), 0);
    assert_string_equal(facts.pipe.role, "reader");
    assert_int_equal(facts.pipe.full, UNKNOWN_NUMBER);
    peer = peer_of(&facts.pipe, child);
    assert_non_null(peer);
    assert_int_equal(peer->state, 'S');
    char expected[32];
    snprintf(expected, sizeof expected, "write fd %d", fds[1]);
    assert_string_equal(peer->waits_in, expected);
    end(child);
    close(fds[0]);
    close(fds[1]);
}

static void empty_and_half_full_pipe(void **state)
{
    (void)state;
    int fds[2];
    struct object_facts facts;
    char bytes[1000] = {0};
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(object_facts_of_fd(getpid(), fds[1], ROLE_WRITER, ACCESS_ALL, &facts), 0);
    assert_int_equal(facts.pipe.used, 0);
    assert_int_equal(facts.pipe.full, 0);
    assert_int_equal(facts.pipe.slots_used, 0);
    assert_int_equal(write(fds[1], bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(object_facts_of_fd(getpid(), fds[1], ROLE_WRITER, ACCESS_BORROW, &facts), 0);
    assert_int_equal(facts.pipe.used, 1000);
    assert_int_equal(facts.pipe.full, 0);
    assert_int_equal(facts.pipe.slots_used, UNKNOWN_NUMBER);
    assert_false(facts.pipe.peers_known);
    close(fds[0]);
    close(fds[1]);
}

static void named_fifo(void **state)
{
    (void)state;
    char folder[] = "/tmp/object-look-XXXXXX", path[64];
    struct object_facts facts;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK), writer = open(path, O_WRONLY);
    assert_true(reader >= 0 && writer >= 0);
    assert_int_equal(object_facts_of_fd(getpid(), writer, ROLE_WRITER, ACCESS_ALL, &facts), 0);
    assert_int_equal(facts.kind, OBJECT_FIFO);
    assert_string_equal(facts.name, path);
    assert_int_equal(facts.pipe.peer_count, 1);
    assert_int_equal(facts.pipe.peers[0].fd, reader);
    close(reader);
    close(writer);
    unlink(path);
    rmdir(folder);
}

static void full_socketpair(void **state)
{
    (void)state;
    int fds[2];
    struct object_facts facts;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct write_order order = {fds[1], 4096, fds[0]};
    pid_t child = spawn(write_for_ever, &order);
    close(fds[1]);
    wait_for_kind(child, WAIT_WRITE);
    assert_int_equal(object_facts_of_fd(child, fds[1], ROLE_WRITER, ACCESS_ALL, &facts), 0);
    assert_int_equal(facts.kind, OBJECT_SOCKETPAIR);
    assert_int_equal(facts.pipe.capacity, UNKNOWN_NUMBER);
    assert_int_equal(facts.pipe.slots, UNKNOWN_NUMBER);
    assert_int_equal(facts.pipe.full, 1);
    assert_true(facts.pipe.used > 4096);
    assert_int_equal(facts.pipe.peer_count, 1);
    assert_int_equal(facts.pipe.peers[0].pid, getpid());
    assert_int_equal(facts.pipe.peers[0].fd, fds[0]);
    assert_string_equal(facts.socket.family, "unix");
    char byte;
    int64_t before = facts.pipe.used;
    assert_int_equal(read(fds[0], &byte, 1), 1);
    assert_int_equal(object_facts_of_fd(getpid(), fds[0], ROLE_READER, ACCESS_ALL, &facts), 0);
    assert_true(facts.pipe.used >= before - 1);
    end(child);
    close(fds[0]);
}

static void named_unix_socket(void **state)
{
    (void)state;
    struct object_facts facts;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0object-look-test"};
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + sizeof "\0object-look-test" - 1;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, size), 0);
    int served = accept(listener, NULL, NULL);
    assert_int_equal(object_facts_of_fd(getpid(), client, ROLE_READER, ACCESS_ALL, &facts), 0);
    assert_int_equal(facts.kind, OBJECT_SOCKET);
    assert_string_equal(facts.socket.remote, "unix:@object-look-test");
    assert_int_equal(facts.socket.peer_pid, getpid());
    close(served);
    close(client);
    close(listener);
}

static void ask_listener(int fd, int family)
{
    struct fd_description description;
    struct socket_state socket;
    assert_int_equal(fd_describe(getpid(), fd, &description), 0);
    for (unsigned i = 0; i < 2; i++) { /* asked, then remembered: it is borrowed once */
        if (i == 1)
            calls_fail(SYS_pidfd_getfd, 0, EPERM);
        assert_true(socket_state_read(getpid(), &description, ACCESS_ALL, &socket));
        calls_restore();
        assert_int_equal(socket.family, family);
        assert_int_equal(socket.type, SOCK_STREAM);
        assert_true(socket.listening);
        assert_int_equal(socket.unread, -1);
    }
    assert_true(socket_listens(getpid(), &description, ACCESS_ALL));
    /* And where no descriptor may be borrowed, by what the kernel says of all sockets. */
    assert_true(socket_listens(getpid(), &description, ACCESS_SOCKET));
}

static void ask_connection(int fd, int family, int unread)
{
    struct fd_description description;
    struct socket_state socket;
    assert_int_equal(fd_describe(getpid(), fd, &description), 0);
    assert_true(socket_state_read(getpid(), &description, ACCESS_ALL, &socket));
    assert_int_equal(socket.family, family);
    assert_false(socket.listening);
    assert_int_equal(socket.unread, unread);
    assert_false(socket_listens(getpid(), &description, ACCESS_ALL));
    assert_false(socket_listens(getpid(), &description, ACCESS_SOCKET));
}

static void what_a_socket_says_of_itself(void **state)
{
    (void)state;
    static const int families[] = {AF_INET, AF_UNIX};
    for (unsigned i = 0; i < 2; i++) {
        struct sockaddr_storage address = {.ss_family = (sa_family_t)families[i]};
        socklen_t size = sizeof address.ss_family;
        struct socket_state socket_state;
        int listener = socket(families[i], SOCK_STREAM, 0);
        int client = socket(families[i], SOCK_STREAM, 0);
        if (families[i] == AF_UNIX) /* the kernel chooses the address; of TCP, listen() does */
            assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(listener, 1), 0);
        size = sizeof address;
        assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
        assert_int_equal(connect(client, (struct sockaddr *)&address, size), 0);
        int served = accept(listener, NULL, NULL);
        assert_int_equal(write(client, "hello", 5), 5);
        ask_listener(listener, families[i]);
        ask_connection(client, families[i], 0);
        ask_connection(served, families[i], 5);
        struct fd_description description;
        assert_int_equal(fd_describe(getpid(), served, &description), 0);
        assert_false(socket_state_read(getpid(), &description, ACCESS_SOCKET, &socket_state));
        assert_false(socket_state_read(getpid(), &description, ACCESS_BORROW, &socket_state));
        close(served);
        close(client);
        close(listener);
    }
    int null = open("/dev/null", O_RDONLY);
    struct socket_state none;
    assert_int_equal(borrowed_socket_state(getpid(), null, &none), -ENOTSOCK);
    close(null);
}

static void what_is_no_pipe(void **state)
{
    (void)state;
    struct object_facts facts;
    int null = open("/dev/null", O_WRONLY), file = open("/proc/self/exe", O_RDONLY);
    assert_int_equal(object_facts_of_fd(getpid(), null, ROLE_UNKNOWN, ACCESS_ALL, &facts), 0);
    assert_int_equal(facts.kind, OBJECT_OTHER);
    assert_string_equal(facts.name, "/dev/null");
    assert_int_equal(object_facts_of_fd(getpid(), file, ROLE_UNKNOWN, ACCESS_ALL, &facts), 0);
    assert_int_equal(facts.kind, OBJECT_FILE);
    close(null);
    close(file);
    assert_int_equal(object_facts_of_fd(getpid(), file, ROLE_UNKNOWN, ACCESS_ALL, &facts), -ENOENT);
    assert_int_equal(object_facts_of_fd(INT32_MAX, 0, ROLE_UNKNOWN, ACCESS_ALL, &facts), -ENOENT);
}

/* The watchdog's situation: a thread whose descriptor table is its own. */
static int inherited[2];
static void *ask_with_own_table(void *result)
{
    if (unshare(CLONE_FILES) != 0)
        return NULL;
    close(inherited[0]);
    close(inherited[1]);
    object_facts_of_fd(getpid(), inherited[1], ROLE_WRITER, ACCESS_ALL, result);
    return result;
}

static void from_a_thread_with_its_own_descriptors(void **state)
{
    (void)state;
    struct object_facts facts = {0};
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pipe(inherited), 0);
    assert_int_equal(write(inherited[1], "abc", 3), 3);
    assert_int_equal(pthread_create(&thread, NULL, ask_with_own_table, &facts), 0);
    pthread_join(thread, &result);
    assert_non_null(result);
    assert_int_equal(facts.pipe.used, 3);
    assert_int_equal(facts.pipe.peer_count, 1);
    close(inherited[0]);
    close(inherited[1]);
}

static void sleep_long(void *argument)
{
    (void)argument;
    prctl(PR_SET_NAME, "long sleeper");
    nanosleep(&(struct timespec){.tv_sec = 1000}, NULL);
}

static void facts_of_a_child(void **state)
{
    (void)state;
    struct peer_facts facts;
    pid_t child = spawn(sleep_long, NULL);
    wait_for_kind(child, WAIT_SLEEP);
    assert_true(peer_facts_of_process(child, &facts));
    assert_string_equal(facts.comm, "long sleeper");
    assert_string_equal(facts.waits_in, "clock_nanosleep");
    assert_int_equal(facts.state, 'S');
    kill(child, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    assert_true(peer_facts_of_process(child, &facts));
    assert_int_equal(facts.state, 'Z');
    end(child);
    assert_false(peer_facts_of_process(child, &facts));
}

/* Who has ended, and the kernel's own threads, hold nothing. */
static void why_a_process_may_not_be_read(void **state)
{
    (void)state;
    siginfo_t info;
    char name[COMM_LIMIT] = "";
    struct unread_count count = {0};
    pid_t child = spawn(sleep_long, NULL);
    wait_for_kind(child, WAIT_SLEEP);
    assert_int_equal(unread_because(child), UNREAD_PROTECTED);
    assert_int_equal(unread_because(1), getuid() == 0 ? UNREAD_PROTECTED : UNREAD_OTHER_USER);
    unread_count(child, &count);
    assert_int_equal(count.is_protected, 1);
    assert_int_equal(count.other_users, 0);
    kill(child, SIGKILL);
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    assert_int_equal(unread_because(child), UNREAD_NOT);
    end(child);
    assert_int_equal(unread_because(child), UNREAD_NOT);
    FILE *comm = fopen("/proc/2/comm", "r");
    if (comm && fgets(name, sizeof name, comm) && strcmp(name, "kthreadd\n") == 0)
        assert_int_equal(unread_because(2), UNREAD_NOT);
    if (comm)
        fclose(comm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_pipe_by_slots),
        cmocka_unit_test(empty_and_half_full_pipe),
        cmocka_unit_test(named_fifo),
        cmocka_unit_test(full_socketpair),
        cmocka_unit_test(named_unix_socket),
        cmocka_unit_test(what_a_socket_says_of_itself),
        cmocka_unit_test(what_is_no_pipe),
        cmocka_unit_test(from_a_thread_with_its_own_descriptors),
        cmocka_unit_test(facts_of_a_child),
        cmocka_unit_test(why_a_process_may_not_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
